/** A connection on a network moved by hand, what its listener saw, and the frames a server would say. */
import { Connection } from '../../web/protocol/connection.ts';
import type { Ack, Events, Nack, RoomEvent } from '../../web/protocol/frames.ts';
import type { ConnectionState } from '../../web/protocol/listener.ts';
import { FakeNetwork, settle } from './fake-network.ts';

export const ROOM = 'conversation:42';

const event = (rev: number): RoomEvent => ({
  rev,
  id: `e${rev}`,
  type: 'MessagePosted',
  at: '2026-11-23T00:00:00.000Z',
  actor: { id: 'bob', role: 'agent' },
  data: { seq: rev, text: `text ${rev}` },
});
export const events = (after: number, upTo: number): Events => ({
  op: 'events',
  room: ROOM,
  after,
  upTo,
  events: Array.from({ length: upTo - after }, (_, index) => event(after + 1 + index)),
});
export const subscribed = (after: number, head: number, log = 'log-1'): object => ({
  op: 'subscribed',
  room: ROOM,
  log,
  head,
  after,
});
export const ack = (id: string, rev: number, duplicate = false): object => ({
  op: 'ack',
  id,
  room: ROOM,
  first: rev,
  last: rev,
  position: String(rev),
  duplicate,
});

export function harness(token: () => Promise<string> = async () => 'jwt') {
  const network = new FakeNetwork();
  const seen = {
    states: [] as ConnectionState[],
    revisions: [] as number[],
    acks: [] as Ack[],
    refused: [] as Nack[],
    resets: [] as { reason: string; from: number }[],
    closed: [] as string[],
    caughtUp: 0,
  };
  let ids = 0;
  const connection = new Connection({
    url: 'ws://127.0.0.1/v1/socket',
    token,
    openSocket: network.openSocket,
    timers: network.timers,
    random: () => 0.5,
    newId: () => `id-${++ids}`,
    listener: {
      stateChanged: state => seen.states.push(state),
      events: frame => seen.revisions.push(...frame.events.map(({ rev }) => rev)),
      acked: frame => seen.acks.push(frame),
      refused: frame => seen.refused.push(frame),
      reset: (_room, reason, from) => seen.resets.push({ reason, from }),
      roomClosed: (_room, why) => seen.closed.push(why),
      caughtUp: () => seen.caughtUp++,
    },
  });
  const online = async (): Promise<void> => {
    connection.connect();
    await settle();
    network.socket.hello();
  };
  return { network, connection, seen, online };
}
