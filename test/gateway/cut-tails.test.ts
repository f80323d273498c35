/** The feed may cut a room's tail in any turn of the microtask queue: also while somebody is told where the room begins. */
import { afterEach, expect, test, vi } from 'vitest';
import type { ConversationEvent } from '../../src/domain/conversation/events.ts';
import type { Recorded } from '../../src/domain/decider.ts';
import { EncodedRun } from '../../src/gateway/event-frames.ts';
import type { RoomTail } from '../../src/gateway/room-tail.ts';
import { RoomTails } from '../../src/gateway/room-tails.ts';
import { turns, until } from '../support/fake-time.ts';
import { createGatewayFixture } from '../support/gateway-fixture.ts';

const ROOM = 'conversation:1';
const POSTS = 9;
const TURNS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

afterEach(() => vi.restoreAllMocks());

function posted(seq: number, revision: bigint): Recorded<ConversationEvent> {
  return {
    event: { type: 'MessagePosted', data: { seq, text: 'x'.repeat(9_000), format: 'plain', attachments: [] } },
    ...{ id: 'next', stream: 'conversation-acme.1', revision, position: revision, at: 0, origin: 'live' },
    ...{ actor: { id: 'ann', role: 'agent' }, commandId: undefined, commandDigest: undefined },
  };
}

async function microtasks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

test.each(TURNS)('GW-4: a tail that is cut %i turns after a subscribe is no truncated log', async turn => {
  const opened = vi.spyOn(RoomTails.prototype, 'open');
  const fixture = await createGatewayFixture({ limits: { tailBytes: 16_000 } });
  await fixture.conversation('1', POSTS);
  const first = await fixture.connect();
  first.say({ op: 'subscribe', room: ROOM, after: -1 });
  await until(() => first.of('caught-up').length === 1);
  const tail = (await opened.mock.results[0]?.value) as RoomTail;
  expect(tail).toMatchObject({ first: 0n, head: BigInt(POSTS) });

  const second = await fixture.connect();
  second.say({ op: 'subscribe', room: ROOM, after: -1 });
  await microtasks(turn);
  tail.append(new EncodedRun([posted(POSTS, tail.head + 1n)]));
  expect(tail.first).toBeGreaterThan(0n);
  await turns(50);
  expect(second.of('reset')).toEqual([]);
  expect(second.of('subscribed')).toMatchObject([{ after: -1 }]);
  const events = second.of('events').flatMap(({ events }) => events.map(({ rev }) => rev));
  expect(events.slice(0, POSTS + 1)).toEqual(Array.from({ length: POSTS + 1 }, (_, rev) => rev));
  await fixture.gateway.close();
});
