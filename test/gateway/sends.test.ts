import { describe, expect, test } from 'vitest';
import type { CommandAck, ConversationCommands } from '../../src/commands/commands.ts';
import { emptyFold } from '../../src/domain/decider.ts';
import { conversationDecider } from '../../src/domain/conversation/decider.ts';
import { UnavailableError } from '../../src/errors.ts';
import { createGatewayFixture, type GatewayFixture } from '../support/gateway-fixture.ts';
import { turns, until } from '../support/fake-time.ts';
import type { SocketPair } from '../support/socket-pair.ts';

const ROOM = 'conversation:1';

function post(pair: SocketPair, id: string, text: string, more: object = {}): void {
  pair.say({ op: 'send', id, room: ROOM, command: 'PostMessage', data: { text }, ...more });
}

async function answers(pair: SocketPair, count: number): Promise<void> {
  await until(() => pair.of('ack').length + pair.of('nack').length >= count, 'the answers');
}

async function started(limits: object = {}): Promise<{ fixture: GatewayFixture; ann: SocketPair }> {
  const fixture = await createGatewayFixture({ limits });
  await fixture.conversation('1', 0);
  return { fixture, ann: await fixture.connect() };
}

/** Commands whose answers the test gives. */
class HeldCommands implements ConversationCommands {
  readonly held: {
    readonly commandId: string;
    readonly resolve: (ack: CommandAck) => void;
    readonly reject: (error: Error) => void;
  }[] = [];

  handle({ commandId }: { readonly commandId: string }): Promise<CommandAck> {
    return new Promise((resolve, reject) => this.held.push({ commandId, resolve, reject }));
  }

  load() {
    return Promise.resolve(emptyFold(conversationDecider));
  }
}

const ACK: CommandAck = { first: 1n, last: 1n, position: 10n, duplicate: false };

describe('send', () => {
  test('GW-8: is acked with its revisions and position, and comes to the sender too, by its commandId', async () => {
    const { fixture, ann } = await started();
    ann.say({ op: 'subscribe', room: ROOM });
    await until(() => ann.of('caught-up').length > 0);
    post(ann, 'm-1', 'hello', { ref: 'r' });
    await answers(ann, 1);
    const { position, ...ack } = ann.last('ack');
    expect(ack).toEqual({ op: 'ack', ref: 'r', id: 'm-1', room: ROOM, first: 1, last: 1, duplicate: false });
    expect(position).toMatch(/^\d+$/);
    await until(() => ann.of('events').length === 2);
    expect(ann.last('events').events).toMatchObject([
      { rev: 1, commandId: 'm-1', actor: { id: 'ann', role: 'agent' } },
    ]);
    expect(await fixture.store.streamBounds('conversation-acme.1')).toMatchObject({ head: 1n });
  });

  test('GW-8: no ack before the append has answered', async () => {
    const commands = new HeldCommands();
    const fixture = await createGatewayFixture({ commands });
    const ann = await fixture.connect();
    post(ann, 'm-1', 'hello');
    await turns(20);
    expect(ann.of('ack')).toEqual([]);
    commands.held[0]?.resolve(ACK);
    await turns(2);
    expect(ann.of('ack')).toHaveLength(1);
  });

  test('GW-7: the same id again, from another connection, appends nothing and gets the first ack', async () => {
    const { fixture, ann } = await started();
    post(ann, 'm-1', 'hello');
    await answers(ann, 1);
    await fixture.post('1', 'between');
    const again = await fixture.connect();
    post(again, 'm-1', 'hello');
    await answers(again, 1);
    expect(again.last('ack')).toEqual({ ...ann.last('ack'), duplicate: true });
    post(again, 'm-1', 'other content');
    await answers(again, 2);
    expect(again.last('nack')).toMatchObject({ id: 'm-1', room: ROOM, code: 'idempotency-mismatch', retryable: false });
    expect(await fixture.store.streamBounds('conversation-acme.1')).toMatchObject({ head: 2n });
  });

  test('StartConversation without a room makes one, the same for a repeat, and the ack says which', async () => {
    const fixture = await createGatewayFixture();
    const vera = await fixture.connect({ sub: 'vera', role: 'visitor' });
    const start = { op: 'send', id: 's-1', command: 'StartConversation', data: { channel: 'web' } };
    vera.say(start);
    await answers(vera, 1);
    vera.say(start);
    await answers(vera, 2);
    const [first, second] = vera.of('ack');
    expect(first?.room).toMatch(/^conversation:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(second).toEqual({ ...first, duplicate: true });
    vera.say({ op: 'subscribe', room: first?.room });
    await until(() => vera.of('caught-up').length > 0);
    expect(vera.last('events').events).toMatchObject([{ type: 'ConversationStarted', data: { visitor: 'vera' } }]);
    const other = await fixture.connect({ sub: 'eve', role: 'visitor' });
    other.say(start);
    await answers(other, 1);
    expect(other.last('ack').room).not.toBe(first?.room);
  });

  test('what the decider says no to is nacked rejected with its reason', async () => {
    const { ann } = await started();
    ann.say({ op: 'send', id: 'a', room: ROOM, command: 'EditMessage', data: { seq: 9, text: 'x' } });
    ann.say({ op: 'send', id: 'b', room: ROOM, command: 'StartConversation', data: { channel: 'web' } });
    await answers(ann, 2);
    expect(ann.of('nack').map(({ id, code, reason, retryable }) => [id, code, reason, retryable])).toEqual([
      ['a', 'rejected', 'unknown-message', false],
      ['b', 'rejected', 'already-started', false],
    ]);
  });

  test('expectedRevision is kept to, -1 for a room without events', async () => {
    const { ann } = await started();
    post(ann, 'a', 'stale', { expectedRevision: 7 });
    post(ann, 'b', 'right', { expectedRevision: 0 });
    post(ann, 'c', 'not new', { expectedRevision: -1 });
    await answers(ann, 3);
    expect(ann.of('nack').map(({ id, code, retryable }) => [id, code, retryable])).toEqual([
      ['a', 'revision-conflict', false],
      ['c', 'revision-conflict', false],
    ]);
    expect(ann.last('ack')).toMatchObject({ id: 'b', first: 1 });
  });

  test.each([
    [{ command: 'PostMessage', data: { text: 7 } }, 'bad-request', 'data.text'],
    [{ command: 'PostMessage' }, 'bad-request', 'data'],
    [{ command: 'Dance', data: {} }, 'bad-request', 'command'],
    [{ command: 'PostMessage', data: { text: 'x' }, expectedRevision: -5 }, 'bad-request', 'expectedRevision'],
    [{ command: 'PostMessage', data: { text: 'x' }, room: 'kitchen' }, 'unknown-room', 'room'],
    [{ command: 'PostMessage', data: { text: 'x' }, room: undefined }, 'bad-request', 'room'],
    [{ command: 7, data: { text: 'x' } }, 'bad-request', 'command'],
  ])('%j is nacked %s at %s', async (fields, code, path) => {
    const { ann } = await started();
    ann.say({ op: 'send', id: 'x', room: ROOM, ref: 'r', ...fields });
    await answers(ann, 1);
    expect(ann.last('nack')).toMatchObject({ id: 'x', ref: 'r', code, path });
    expect(ann.last('nack').message).not.toContain('nonoptional');
    expect(ann.of('error')).toEqual([]);
  });

  test('commands of one session reach a room in the order they were sent', async () => {
    const { fixture, ann } = await started({ sendsPerSecond: 100 });
    for (let i = 0; i < 40; i++) post(ann, `m-${i}`, `text ${i}`);
    await answers(ann, 40);
    const reader = await fixture.connect();
    reader.say({ op: 'subscribe', room: ROOM });
    await until(() => reader.of('caught-up').length > 0);
    const texts = reader.of('events').flatMap(({ events }) => events.slice(1).map(({ data }) => data.text));
    expect(texts).toEqual(Array.from({ length: 40 }, (_, i) => `text ${i}`));
  });

  test('more sends than allowed a second, or in flight, are nacked rate-limited with the time to wait', async () => {
    const commands = new HeldCommands();
    const fixture = await createGatewayFixture({ commands, limits: { sendsPerSecond: 4, commandsInFlight: 2 } });
    const ann = await fixture.connect();
    for (const id of ['a', 'b', 'c', 'd', 'e']) post(ann, id, 'x');
    await turns(5);
    expect(commands.held.map(({ commandId }) => commandId)).toEqual(['a', 'b']);
    expect(ann.of('nack').map(({ id, code, retryAfterMs }) => [id, code, retryAfterMs])).toEqual([
      ['c', 'rate-limited', 100],
      ['d', 'rate-limited', 100],
      ['e', 'rate-limited', 250],
    ]);
    for (const { resolve } of commands.held) resolve(ACK);
    await fixture.time.advance(250);
    post(ann, 'f', 'x');
    await turns(5);
    expect(commands.held.map(({ commandId }) => commandId)).toEqual(['a', 'b', 'f']);
  });

  test('a store that is away is nacked unavailable and retryable; an error of ours internal, without its words', async () => {
    const commands = new HeldCommands();
    const fixture = await createGatewayFixture({ commands });
    const ann = await fixture.connect();
    post(ann, 'a', 'x');
    post(ann, 'b', 'x');
    await turns(5);
    commands.held[0]?.reject(new UnavailableError('disk full'));
    commands.held[1]?.reject(new TypeError('secret is undefined'));
    await turns(5);
    expect(ann.of('nack').map(({ id, code, retryable }) => [id, code, retryable])).toEqual([
      ['a', 'unavailable', true],
      ['b', 'internal', true],
    ]);
    expect(JSON.stringify(ann.frames)).not.toContain('secret');
    expect(ann.closedWith).toBeUndefined();
  });

  test('a session that is gone when its command ends disturbs nobody', async () => {
    const commands = new HeldCommands();
    const fixture = await createGatewayFixture({ commands });
    const ann = await fixture.connect();
    post(ann, 'a', 'x');
    post(ann, 'b', 'y');
    await turns(5);
    ann.cut();
    for (const { resolve } of commands.held) resolve(ACK);
    await turns(5);
    expect(ann.of('ack')).toEqual([]);
    expect(fixture.gateway.stats().sockets).toBe(0);
  });
});
