import { describe, expect, test } from 'vitest';
import { createGatewayFixture, type GatewayFixture } from '../support/gateway-fixture.ts';
import { turns, until } from '../support/fake-time.ts';
import { UnavailableError } from '../../src/errors.ts';
import type { SubscriptionMessage } from '../../src/event-store/event-store.ts';
import { MemoryEventStore } from '../support/memory-event-store.ts';
import type { SocketPair } from '../support/socket-pair.ts';

const ROOM = 'conversation:1';
const VISITOR = { sub: 'vera', role: 'visitor', rooms: [ROOM] } as const;

async function subscribe(pair: SocketPair, more: object = {}): Promise<void> {
  const answers = () => pair.of('caught-up').length + pair.of('error').length + pair.of('reset').length;
  const before = answers();
  pair.say({ op: 'subscribe', room: ROOM, ...more });
  await until(() => answers() > before, 'an answer to subscribe');
}

function texts(pair: SocketPair): string[] {
  return pair
    .of('events')
    .flatMap(({ events }) => events.flatMap(({ data }) => ('text' in data ? [String(data.text)] : [])));
}

function revisions(pair: SocketPair): number[] {
  return pair.of('events').flatMap(({ events }) => events.map(({ rev }) => rev));
}

/** A live feed that brings nothing. */
async function* neverEnding(): AsyncGenerator<SubscriptionMessage> {
  yield { kind: 'caught-up' };
  await new Promise(() => undefined);
}

/** Lets something happen within the first call of the store that the gateway makes once the room is open. */
function onceJoined(
  fixture: GatewayFixture,
  store: MemoryEventStore,
  during: 'streamBounds' | 'readStream' | 'deepRead',
  happen: () => Promise<void>,
): void {
  let happened = false;
  const first = async () => {
    if (happened || fixture.gateway.stats().rooms === 0) return;
    happened = true;
    await happen();
  };
  if (during === 'streamBounds') {
    const bounds = store.streamBounds.bind(store);
    store.streamBounds = async stream => {
      await first();
      return bounds(stream);
    };
  } else {
    const read = store.readStream.bind(store);
    store.readStream = async function* (stream, options) {
      if (during === 'readStream' || options?.direction !== 'backwards') await first();
      yield* read(stream, options);
    };
  }
}

/** Asks everything a room can be asked, and gives back the codes of the errors. */
async function askEverything(pair: SocketPair): Promise<(string | undefined)[]> {
  pair.say({ op: 'subscribe', room: ROOM });
  pair.say({ op: 'history', room: ROOM, limit: 5 });
  pair.say({ op: 'typing', room: ROOM, on: true });
  pair.say({ op: 'send', id: 'x', room: ROOM, command: 'PostMessage', data: { text: 'mine' } });
  await until(() => pair.of('error').length === 3 && pair.of('nack').length === 1, 'four refusals');
  return [...pair.of('error'), ...pair.of('nack')].map(({ code }) => code);
}

/** A conversation with a message, its visitor and somebody of the staff, both live. */
async function supported(): Promise<{ fixture: GatewayFixture; vera: SocketPair; ann: SocketPair }> {
  const fixture = await createGatewayFixture();
  await fixture.conversation('1', 1, { visitor: 'vera' });
  const [vera, ann] = [await fixture.connect(VISITOR), await fixture.connect()];
  await subscribe(vera);
  await subscribe(ann);
  return { fixture, vera, ann };
}

function remove(fixture: GatewayFixture): Promise<bigint> {
  const command = { type: 'RemoveVisitor', data: { reason: 'abuse' } } as const;
  return fixture.command('1', command, 'acme', { id: 'sue', role: 'supervisor' });
}

describe('tenants', () => {
  test('GW-1: the same room name is another room to another tenant', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 1, { tenant: 'acme' });
    await fixture.conversation('1', 2, { tenant: 'other' });
    const [ann, eve] = [await fixture.connect(), await fixture.connect({ tenant: 'other' })];
    await subscribe(ann);
    await subscribe(eve);
    await fixture.post('1', 'for acme', 'acme');
    await fixture.post('1', 'for other', 'other');
    await until(() => texts(ann).length === 2 && texts(eve).length === 3);
    expect(texts(ann)).toEqual(['message 0', 'for acme']);
    expect(texts(eve)).toEqual(['message 0', 'message 1', 'for other']);
  });

  test('GW-1: no room name reaches into another tenant', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 1, { tenant: 'other' });
    const ann = await fixture.connect();
    for (const room of ['conversation-other.1', 'conversation:other.1', 'conversation:../other.1', 'other.1', ''])
      ann.say({ op: 'subscribe', room, ref: room });
    await turns(30);
    expect(ann.of('events')).toEqual([]);
    expect(ann.of('error').every(({ code }) => code === 'unknown-room')).toBe(true);
    // A legal name, of a room of the own tenant that has no events.
    expect(ann.of('subscribed').map(({ room, head }) => [room, head])).toEqual([['conversation:other.1', -1]]);
  });
});

describe('access', () => {
  test('GW-2: a visitor of another conversation is refused subscribe, history, typing and send', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 1, { visitor: 'vera' });
    const eve = await fixture.connect({ sub: 'eve', role: 'visitor' });
    expect(await askEverything(eve)).toEqual(['forbidden', 'forbidden', 'forbidden', 'forbidden']);
    expect(eve.of('events')).toEqual([]);
  });

  test("GW-2: a claim to the room's name gives nothing once the room is somebody else's", async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 1, { visitor: 'vera' });
    const eve = await fixture.connect({ sub: 'eve', role: 'visitor', rooms: [ROOM] });
    expect(await askEverything(eve)).toEqual(['forbidden', 'forbidden', 'forbidden', 'forbidden']);
  });

  test('GW-2: an auditor reads everything and sends nothing', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 1);
    const auditor = await fixture.connect({ role: 'auditor' });
    await subscribe(auditor);
    expect(revisions(auditor)).toEqual([0, 1]);
    auditor.say({ op: 'send', id: 'x', room: ROOM, command: 'PostMessage', data: { text: 'mine' } });
    await until(() => auditor.of('nack').length > 0);
    expect(auditor.last('nack')).toMatchObject({ code: 'forbidden', retryable: false });
  });

  test('GW-2: a visitor sees its conversation in the visitor view, over the same revisions as the staff', async () => {
    const fixture = await createGatewayFixture();
    const start = { channel: 'web', visitor: 'vera', attributes: { plan: 'gold' } };
    await fixture.command('1', { type: 'StartConversation', data: start });
    await fixture.post('1', 'hello');
    await fixture.command('1', { type: 'RedactMessage', data: { seq: 0, reason: 'a secret' } });
    const [vera, ann] = [await fixture.connect(VISITOR), await fixture.connect()];
    await subscribe(vera);
    await subscribe(ann);
    expect(revisions(vera)).toEqual(revisions(ann));
    expect(JSON.stringify(ann.of('events'))).toContain('a secret');
    expect(JSON.stringify(ann.of('events'))).toContain('gold');
    expect(JSON.stringify(vera.of('events'))).not.toContain('a secret');
    expect(JSON.stringify(vera.of('events'))).not.toContain('gold');
  });

  test('GW-2: a start by its own visitor is delivered, and the subscription stays', async () => {
    const fixture = await createGatewayFixture();
    const vera = await fixture.connect(VISITOR);
    await subscribe(vera);
    await fixture.conversation('1', 1, { visitor: 'vera' });
    await until(() => revisions(vera).length === 2);
    expect(vera.of('unsubscribed')).toEqual([]);
  });

  test("GW-2: a start as somebody else's ends the subscription in the same turn, and shows nothing", async () => {
    const fixture = await createGatewayFixture();
    const [eve, ann] = [await fixture.connect({ ...VISITOR, sub: 'eve' }), await fixture.connect()];
    await subscribe(eve);
    await subscribe(ann);
    await fixture.conversation('1', 1, { visitor: 'vera' });
    await until(() => revisions(ann).length === 2 && eve.of('unsubscribed').length > 0);
    expect(eve.last('unsubscribed')).toEqual({ op: 'unsubscribed', room: ROOM, code: 'forbidden' });
    expect(eve.of('events')).toEqual([]);
    expect(fixture.gateway.stats().subscriptions).toBe(1);
  });

  test.each([
    ['while it subscribes, and the feed brings it', 'streamBounds', false],
    ['while it reads its backlog, and the feed brings it', 'readStream', false],
    ['in its backlog, before the feed brings it', 'readStream', true],
  ] as const)('GW-2: a start as somebody else, met %s, shows nothing', async (_when, during, held) => {
    const store = new MemoryEventStore();
    if (held) store.subscribeToAll = () => neverEnding();
    const fixture = await createGatewayFixture({ store, sharesReads: false });
    const eve = await fixture.connect({ ...VISITOR, sub: 'eve' });
    onceJoined(fixture, store, during, () => fixture.conversation('1', 1, { visitor: 'vera' }));
    eve.say({ op: 'subscribe', room: ROOM, ref: 's' });
    await until(() => eve.of('unsubscribed').length + eve.of('error').length > 0);
    await turns(20);
    expect(eve.of('events')).toEqual([]);
    expect([...eve.of('unsubscribed'), ...eve.of('error')].map(({ code }) => code)).toEqual(['forbidden']);
    expect(fixture.gateway.stats().subscriptions).toBe(0);
  });

  test('GW-2: a removal is the last thing that the removed visitor sees, in the same turn, and the staff goes on', async () => {
    const { fixture, vera, ann } = await supported();
    await remove(fixture);
    await fixture.post('1', 'among ourselves');
    await until(() => revisions(ann).length === 4 && vera.of('unsubscribed').length > 0);
    expect(vera.last('events').events).toMatchObject([{ rev: 2, type: 'VisitorRemoved', data: { visitor: 'vera' } }]);
    expect(JSON.stringify(vera.frames)).not.toContain('abuse');
    expect(vera.frames.slice(-2)).toMatchObject([
      { op: 'events', after: 1, upTo: 2 },
      { op: 'unsubscribed', room: ROOM, code: 'forbidden' },
    ]);
    expect(texts(ann)).toEqual(['message 0', 'among ourselves']);
    expect(await askEverything(vera)).toEqual(['forbidden', 'forbidden', 'forbidden', 'forbidden']);
  });

  test('GW-2: a removal among other events of a turn cuts the visitor off between them', async () => {
    const { fixture, vera, ann } = await supported();
    const posts = [fixture.post('1', 'before'), remove(fixture), fixture.post('1', 'after')];
    await Promise.all(posts);
    await until(() => revisions(ann).length === 5 && vera.of('unsubscribed').length > 0);
    expect(revisions(vera)).toEqual([0, 1, 2, 3]);
    expect(texts(vera)).toEqual(['message 0', 'before']);
  });

  test('GW-2: a visitor who is removed while it catches up is sent nothing more of the room', async () => {
    const store = new MemoryEventStore();
    // The room's tail is its last event, so that what it catches up with is read on its own.
    const fixture = await createGatewayFixture({ store, limits: { pageEvents: 1 } });
    await fixture.conversation('1', 1, { visitor: 'vera' });
    const vera = await fixture.connect(VISITOR);
    onceJoined(fixture, store, 'deepRead', async () => {
      await remove(fixture);
    });
    vera.say({ op: 'subscribe', room: ROOM });
    await until(() => vera.of('unsubscribed').length > 0);
    await turns(20);
    expect(vera.of('events')).toEqual([]);
    expect(vera.of('unsubscribed')).toEqual([{ op: 'unsubscribed', room: ROOM, code: 'forbidden' }]);
    expect(fixture.gateway.stats().subscriptions).toBe(0);
  });

  test('GW-2: a visitor who is removed while its reader is slow is sent nothing more once it reads', async () => {
    const { fixture, vera } = await supported();
    vera.stalled = true;
    await fixture.post('1', 'unread');
    await until(() => vera.queuedBytes() > 0);
    const queued = vera.queuedBytes();
    await remove(fixture);
    await until(() => vera.queuedBytes() > queued && fixture.gateway.stats().subscriptions === 1);
    await fixture.post('1', 'among ourselves');
    vera.resume();
    await turns(20);
    expect(texts(vera)).toEqual(['message 0', 'unread']);
    expect(vera.frames.at(-1)).toMatchObject({ op: 'unsubscribed', code: 'forbidden' });
  });

  test('GW-2: a claim to the room of a removed visitor opens nothing', async () => {
    const { fixture } = await supported();
    await remove(fixture);
    const again = await fixture.connect(VISITOR);
    expect(await askEverything(again)).toEqual(['forbidden', 'forbidden', 'forbidden', 'forbidden']);
  });

  test('GW-2: a refresh without the room ends its subscription, and keeps the others', async () => {
    const fixture = await createGatewayFixture();
    const vera = await fixture.connect({ ...VISITOR, rooms: [ROOM, 'conversation:2'] });
    await subscribe(vera);
    vera.say({ op: 'subscribe', room: 'conversation:2' });
    await until(() => vera.of('caught-up').length === 2);
    vera.say({ op: 'refresh', token: fixture.token({ ...VISITOR, rooms: ['conversation:2'] }) });
    await until(() => vera.of('unsubscribed').length > 0);
    expect(vera.of('unsubscribed')).toEqual([{ op: 'unsubscribed', room: ROOM, code: 'forbidden' }]);
    expect(fixture.gateway.stats().subscriptions).toBe(1);
  });

  test('GW-2: a refresh whose access cannot be asked ends the session, resumably, rather than leave what it had', async () => {
    const store = new MemoryEventStore();
    const fixture = await createGatewayFixture({ store });
    const vera = await fixture.connect(VISITOR);
    await subscribe(vera);
    store.readStream = () => {
      throw new UnavailableError('The disk is gone.');
    };
    vera.say({ op: 'refresh', token: fixture.token({ ...VISITOR, rooms: [] }) });
    await until(() => vera.closedWith !== undefined || vera.of('error').length > 0);
    expect(vera.closedWith).toBe(4000);
  });
});

async function replayed(fixture: GatewayFixture): Promise<unknown[]> {
  const ann = await fixture.connect();
  await subscribe(ann);
  return ann.of('events').flatMap(({ events }) => events.map(({ type, data }) => ({ type, ...data })));
}

describe('edits and redactions', () => {
  test('GW-5: are events, so that a replay carries them where they happened', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 1);
    await fixture.command('1', { type: 'EditMessage', data: { seq: 0, text: 'better' } });
    await fixture.post('1', 'between');
    await fixture.command('1', { type: 'RedactMessage', data: { seq: 0 } });
    expect(await replayed(fixture)).toMatchObject([
      { type: 'ConversationStarted' },
      { type: 'MessagePosted', seq: 0, text: 'message 0' },
      { type: 'MessageEdited', seq: 0, text: 'better' },
      { type: 'MessagePosted', seq: 1, text: 'between' },
      { type: 'MessageRedacted', seq: 0 },
    ]);
  });
});
