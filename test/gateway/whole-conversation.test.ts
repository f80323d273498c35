import { expect, test } from 'vitest';
import type { ConversationCommand } from '../../src/domain/conversation/commands.ts';
import type { Actor } from '../../src/domain/decider.ts';
import { conversationEventSchemas } from '../../src/schemas/conversation-events.ts';
import { createGatewayFixture, type GatewayFixture } from '../support/gateway-fixture.ts';
import { until } from '../support/fake-time.ts';
import type { SocketPair } from '../support/socket-pair.ts';

const ROOM = 'conversation:1';
const VERA: Actor = { id: 'vera', role: 'visitor' };
const GUS: Actor = { id: 'gus', role: 'agent' };
const SUE: Actor = { id: 'sue', role: 'supervisor' };
const PROCESS: Actor = { id: 'assignment', role: 'service' };

/** Stands in everything that only the staff may see. */
const SECRET = 'secret';
const reason = `${SECRET}: a reason`;

const SUPPORT: readonly (readonly [Actor, ConversationCommand])[] = [
  [GUS, { type: 'StartConversation', data: { channel: 'web', visitor: 'vera', attributes: { plan: SECRET } } }],
  [VERA, { type: 'PostMessage', data: { text: 'it does not work' } }],
  [GUS, { type: 'QueueConversation', data: { queue: `${SECRET}-queue`, reason } }],
  [GUS, { type: 'RequestAssignment', data: { agent: `${SECRET}-wish` } }],
  [PROCESS, { type: 'AssignConversation', data: { agent: 'gus', reservation: `${SECRET}-slot`, why: reason } }],
  [GUS, { type: 'JoinConversation', data: {} }],
  [GUS, { type: 'MarkRead', data: { seq: 0 } }],
  [GUS, { type: 'PostMessage', data: { text: 'is it plugged in?' } }],
  [GUS, { type: 'AddNote', data: { text: `${SECRET}: it never is` } }],
  [GUS, { type: 'AddTag', data: { tag: `${SECRET}-tag` } }],
  [GUS, { type: 'RemoveTag', data: { tag: `${SECRET}-tag` } }],
  [GUS, { type: 'SetPriority', data: { priority: 'urgent' } }],
  [GUS, { type: 'SetAttributes', data: { attributes: { city: SECRET } } }],
  [GUS, { type: 'TransferConversation', data: { to: { agent: `${SECRET}-hal` }, reason } }],
  [SUE, { type: 'AssignConversation', data: { agent: 'gus', forced: true, why: reason } }],
  [GUS, { type: 'UnassignConversation', data: { reason } }],
  [GUS, { type: 'SnoozeConversation', data: { until: '2030-01-01T00:00:00Z' } }],
  [VERA, { type: 'PostMessage', data: { text: 'now it is' } }],
  [VERA, { type: 'EditMessage', data: { seq: 2, text: 'now it is plugged in' } }],
  [VERA, { type: 'RedactMessage', data: { seq: 0, reason } }],
  [GUS, { type: 'LeaveConversation', data: {} }],
  [GUS, { type: 'ResolveConversation', data: { outcome: `${SECRET}-outcome` } }],
  [VERA, { type: 'RateConversation', data: { score: 5, comment: 'thank you' } }],
  [GUS, { type: 'ReopenConversation', data: { reason } }],
  [GUS, { type: 'ResolveConversation', data: {} }],
  [SUE, { type: 'CloseConversation', data: {} }],
  [SUE, { type: 'RemoveVisitor', data: { reason } }],
];

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

async function perform(fixture: GatewayFixture, part: typeof SUPPORT): Promise<bigint> {
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
  await perform(fixture, SUPPORT.slice(0, -1));
  const late = await connect({ sub: 'vera', role: 'visitor' });
  late.say({ op: 'history', room: ROOM, limit: 500 });
  await until(() => late.of('history-page').length > 0);
  const head = Number(await perform(fixture, SUPPORT.slice(-1)));
  await until(() => [live, late].every(pair => pair.of('unsubscribed').length > 0) && covered(staff, -1) === head);

  for (const pair of [live, late]) {
    expect(covered(pair, -1)).toBe(head);
    expect(JSON.stringify(pair.frames)).not.toContain(SECRET);
    expect(pair.frames.at(-1)).toMatchObject({ op: 'unsubscribed', code: 'forbidden' });
  }
  expect(types(live)).toEqual(types(late));
  // What the test stands on: the staff saw everything that can happen, and the secrets in it.
  expect([...new Set(types(staff))].sort()).toEqual(Object.keys(conversationEventSchemas).sort());
  expect(JSON.stringify(staff.frames).split(SECRET).length).toBeGreaterThan(20);
  expect(new Set(types(live)).size).toBe(14);
});
