/** A process with the clients of all systems of `fan-out`. It counts events, a socket. */
import { answerParent } from './child-process.ts';
import { MARKER, type Door } from './fan-out-systems.ts';
import { WireSocket } from './wire-socket.ts';

export type FanOutClients = {
  /** Resolves when so many sockets are in the room of this system. */
  connect(system: string, door: Door, sockets: number): Promise<void>;
  /** Resolves when each socket has got so many more events. @throws Error where one has got another number */
  receive(system: string, events: number): Promise<void>;
};

interface Group {
  /** Events by socket. */
  readonly counts: number[];
  total: number;
  expectedEach: number;
  complete: () => void;
}

const CONNECTING_AT_ONCE = 50;
const groups = new Map<string, Group>();

async function connect(system: string, door: Door, sockets: number): Promise<void> {
  const group: Group = { counts: [], total: 0, expectedEach: 0, complete: () => undefined };
  groups.set(system, group);
  for (let first = 0; first < sockets; first += CONNECTING_AT_ONCE) {
    const count = Math.min(CONNECTING_AT_ONCE, sockets - first);
    await Promise.all(Array.from({ length: count }, (_, i) => enter(door, group, first + i)));
  }
}

async function enter({ address, says, ready }: Door, group: Group, index: number): Promise<void> {
  group.counts[index] = 0;
  let entered: () => void = () => undefined;
  const isIn = new Promise<void>(resolve => (entered = resolve));
  const socket = await WireSocket.open(address, payload => {
    if (ready !== undefined && payload.includes(ready)) {
      socket.onText = text => {
        count(group, index, text);
      };
      entered();
    }
  });
  if (says !== undefined) socket.sendText(says);
  if (ready !== undefined) await isIn;
  else
    socket.onText = text => {
      count(group, index, text);
    };
}

const marker = MARKER.charCodeAt(0);

function count(group: Group, index: number, text: Buffer): void {
  let events = 0;
  for (let at = text.indexOf(marker); at >= 0; at = text.indexOf(marker, at + 1)) events++;
  group.counts[index] = (group.counts[index] ?? 0) + events;
  group.total += events;
  if (group.total >= group.expectedEach * group.counts.length) group.complete();
}

async function receive(system: string, events: number): Promise<void> {
  const group = groups.get(system);
  if (!group) throw new Error(`Nobody is connected to ${system}.`);
  group.expectedEach += events;
  if (group.total < group.expectedEach * group.counts.length)
    await new Promise<void>(resolve => (group.complete = resolve));
  const odd = group.counts.findIndex(count => count !== group.expectedEach);
  if (odd >= 0)
    throw new Error(`Socket ${odd} of ${system} got ${group.counts[odd]} events instead of ${group.expectedEach}.`);
}

const answers: FanOutClients = { connect, receive };
answerParent(answers, () => undefined);
