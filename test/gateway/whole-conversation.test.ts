import { expect, test } from 'vitest';
import { conversationEventSchemas } from '../../src/schemas/conversation-events.ts';
import { createGatewayFixture, type GatewayFixture } from '../support/gateway-fixture.ts';
import { until } from '../support/fake-time.ts';
import type { SocketPair } from '../support/socket-pair.ts';
import { STAFF_SECRET, SUPPORTED_CONVERSATION } from '../support/supported-conversation.ts';

const ROOM = 'conversation:1';
/** The last revision that frames which tile lead to, from the cursor on. */
function covered(pair: SocketPair, after: number): number {
  let cursor = after;
  for (const frame of pair.of('events')) {
    expect(frame.after).toBe(cursor);
    cursor = frame.upTo;
  }
  return cursor;
}

function types(pair: SocketPair): string[] {
  return pair.of('events').flatMap(({ events }) => events.map(({ type }) => type));
}

async function perform(fixture: GatewayFixture, part: typeof SUPPORTED_CONVERSATION): Promise<bigint> {
  let last = -1n;
  for (const [actor, command] of part) last = await fixture.command('1', command, 'acme', actor);
  return last;
}

test('GW-2, GW-3: a visitor’s socket over a whole supported conversation has nothing of the staff’s in its bytes, and tiles', async () => {
  const fixture = await createGatewayFixture();
  const connect = async (more: object) => {
    const pair = await fixture.connect(more);
    pair.say({ op: 'subscribe', room: ROOM });
    await until(() => pair.of('caught-up').length > 0);
    return pair;
  };
  const [live, staff] = [
    await connect({ sub: 'vera', role: 'visitor', rooms: [ROOM] }),
    await connect({ sub: 'sue', role: 'supervisor' }),
  ];
  await perform(fixture, SUPPORTED_CONVERSATION.slice(0, -1));
  const late = await connect({ sub: 'vera', role: 'visitor' });
  late.say({ op: 'history', room: ROOM, limit: 500 });
  await until(() => late.of('history-page').length > 0);
  const head = Number(await perform(fixture, SUPPORTED_CONVERSATION.slice(-1)));
  await until(() => [live, late].every(pair => pair.of('unsubscribed').length > 0) && covered(staff, -1) === head);

  for (const pair of [live, late]) {
    expect(covered(pair, -1)).toBe(head);
    expect(JSON.stringify(pair.frames)).not.toContain(STAFF_SECRET);
    expect(pair.frames.at(-1)).toMatchObject({ op: 'unsubscribed', code: 'forbidden' });
  }
  expect(types(live)).toEqual(types(late));
  // What the test stands on: the staff saw everything that can happen, and the secrets in it.
  expect([...new Set(types(staff))].sort()).toEqual(Object.keys(conversationEventSchemas).sort());
  expect(JSON.stringify(staff.frames).split(STAFF_SECRET).length).toBeGreaterThan(20);
  expect(new Set(types(live)).size).toBe(14);
});
