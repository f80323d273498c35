/** A process with many idle clients of one system. */
import { answerParent } from './child-process.ts';
import type { Door } from './fan-out-systems.ts';
import { WireSocket } from './wire-socket.ts';

export type IdleClients = {
  /** Resolves when so many are in the room; `says` has `#` for the number of each one's room. */
  connect(door: Door, sockets: number, rooms: number, localAddress: string): Promise<void>;
};

const CONNECTING_AT_ONCE = 50;
const sockets: WireSocket[] = [];

async function enter({ address, says, ready }: Door, room: number, localAddress: string): Promise<void> {
  let entered: () => void = () => undefined;
  const isIn = new Promise<void>(resolve => (entered = resolve));
  const socket = await WireSocket.open({ ...address, localAddress }, payload => {
    if (ready !== undefined && payload.includes(ready)) entered();
  });
  sockets.push(socket);
  if (says !== undefined) socket.sendText(says.replace('#', String(room)));
  if (ready !== undefined) await isIn;
}

const answers: IdleClients = {
  connect: async (door, count, rooms, localAddress) => {
    for (let first = 0; first < count; first += CONNECTING_AT_ONCE) {
      const batch = Math.min(CONNECTING_AT_ONCE, count - first);
      await Promise.all(Array.from({ length: batch }, (_, i) => enter(door, (first + i) % rooms, localAddress)));
    }
  },
};
answerParent(answers, () => {
  for (const socket of sockets) socket.close();
});
