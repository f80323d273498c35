import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Coverage } from '../../web/protocol/coverage.ts';
import { parseServerFrame } from '../../web/protocol/frames.ts';
import type { ClientFrame, RoomEvent } from '../../web/protocol/frames.ts';
import { Connection } from '../../web/protocol/connection.ts';
import { FakeNetwork, settle } from './fake-network.ts';
import type { FakeSocket } from './fake-network.ts';

const ROOM = 'conversation:42';

/** A server in thirty lines: a log of one room, command ids for life, and frames that tile. */
class TinyServer {
  readonly log: RoomEvent[] = [];
  readonly #acks = new Map<string, object>();
  #sentUpTo: number | undefined;

  take(socket: FakeSocket): void {
    for (const frame of socket.take()) this.#answer(socket, frame);
  }

  append(commandId: string): number {
    const rev = this.log.length;
    const actor = { id: 'ann', role: 'visitor' as const };
    this.log.push({ rev, id: `e${rev}`, type: 'MessagePosted', at: '', actor, commandId, data: { seq: rev } });
    return rev;
  }

  /** Says up to `count` revisions that this socket has not had. */
  deliver(socket: FakeSocket, count: number): void {
    if (this.#sentUpTo === undefined) return;
    const after = this.#sentUpTo;
    const upTo = Math.min(this.log.length - 1, after + count);
    if (upTo === after) return;
    this.#sentUpTo = upTo;
    socket.say({ op: 'events', room: ROOM, after, upTo, events: this.log.slice(after + 1, upTo + 1) });
    if (upTo === this.log.length - 1) socket.say({ op: 'caught-up', room: ROOM, upTo });
  }

  disconnected(): void {
    this.#sentUpTo = undefined;
  }

  #answer(socket: FakeSocket, frame: ClientFrame): void {
    if (frame.op === 'subscribe') {
      const after = frame.after ?? -1;
      this.#sentUpTo = after;
      socket.say({ op: 'subscribed', room: ROOM, log: 'log-1', head: this.log.length - 1, after });
    } else if (frame.op === 'send') {
      const known = this.#acks.get(frame.id);
      const rev = known ? 0 : this.append(frame.id);
      const ack = known ?? { op: 'ack', id: frame.id, room: ROOM, first: rev, last: rev, duplicate: false };
      this.#acks.set(frame.id, ack);
      socket.say({ ...ack, duplicate: known !== undefined });
    }
  }
}

type Step =
  | { readonly kind: 'post' | 'cut' | 'lose' | 'server reads' | 'someone posts' }
  | { readonly kind: 'deliver'; readonly count: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Step>({ kind: 'post' }) },
  { weight: 3, arbitrary: fc.constant<Step>({ kind: 'server reads' }) },
  { weight: 3, arbitrary: fc.constant<Step>({ kind: 'someone posts' }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('deliver' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'cut' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'lose' }) },
);

describe('random cuts', () => {
  it('GW-3, GW-7: every revision once and in order, every command in the log once, whatever is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async steps => {
        const network = new FakeNetwork();
        const server = new TinyServer();
        const coverage = new Coverage({ everythingVisible: true });
        const seen: number[] = [];
        const acked = new Set<string>();
        const posted: string[] = [];
        const connection = new Connection({
          url: 'ws://test',
          token: async () => 'jwt',
          openSocket: network.openSocket,
          timers: network.timers,
          random: () => 0,
          newId: () => `mine-${posted.length}`,
          listener: {
            events: frame => seen.push(...frame.events.map(({ rev }) => rev)),
            acked: frame => acked.add(frame.id),
            frame: (direction, text) => {
              const frame = direction === 'in' ? parseServerFrame(text) : undefined;
              if (frame) coverage.observe(frame);
            },
          },
        });
        connection.subscribe(ROOM);
        const reconnect = async (): Promise<void> => {
          server.disconnected();
          connection.connect();
          await settle();
          network.socket.hello();
        };
        await reconnect();

        for (const next of steps) {
          if (next.kind === 'post') posted.push(connection.send(ROOM, 'PostMessage', { text: 'x' }) ?? 'refused');
          else if (next.kind === 'server reads') server.take(network.socket);
          else if (next.kind === 'someone posts') server.append(`theirs-${server.log.length}`);
          else if (next.kind === 'deliver') server.deliver(network.socket, next.count);
          else if (next.kind === 'cut') {
            connection.cut();
            await reconnect();
          } else {
            // What the client had sent reaches the server; what the server says back does not arrive.
            connection.cut();
            server.take(network.socket);
            await reconnect();
          }
        }
        server.take(network.socket);
        server.deliver(network.socket, server.log.length + 1);

        const revisions = server.log.map(({ rev }) => rev);
        expect(seen).toEqual(revisions);
        expect(coverage).toMatchObject({ gaps: 0, duplicates: 0 });
        expect([...acked]).toEqual(posted);
        const inLog = server.log.map(({ commandId }) => commandId).filter(id => id?.startsWith('mine'));
        expect(inLog).toEqual(posted);
        expect(connection.pending).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
