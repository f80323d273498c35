import { describe, expect, test } from 'vitest';
import type { ServerFrame } from '../../src/gateway/server-frames.ts';
import { createGatewayFixture, LOG, type GatewayFixture } from '../support/gateway-fixture.ts';
import { turns, until } from '../support/fake-time.ts';
import type { SocketPair } from '../support/socket-pair.ts';

const ROOM = 'conversation:1';

async function caughtUp(pair: SocketPair, times = 1): Promise<void> {
  await until(() => pair.of('caught-up').length >= times, 'caught-up');
}

/** The revisions of the events that came, and each frame's range. */
function revisions(pair: SocketPair): number[] {
  return pair.of('events').flatMap(({ events }) => events.map(({ rev }) => rev));
}

function ranges(pair: SocketPair): (readonly [number, number])[] {
  return pair.of('events').map(({ after, upTo }) => [after, upTo] as const);
}

function ops(pair: SocketPair): ServerFrame['op'][] {
  return pair.frames.map(({ op }) => op);
}

async function subscribed(fixture: GatewayFixture, more: object = {}): Promise<SocketPair> {
  const pair = await fixture.connect();
  pair.say({ op: 'subscribe', room: ROOM, ...more });
  await caughtUp(pair);
  return pair;
}

describe('subscribe', () => {
  test('GW-3: from the start gives subscribed, all events, caught-up, and then what is new', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 3);
    const ann = await subscribed(fixture, { ref: 'r' });
    expect(ops(ann)).toEqual(['hello', 'subscribed', 'events', 'caught-up']);
    expect(ann.last('subscribed')).toEqual({ op: 'subscribed', ref: 'r', room: ROOM, log: LOG, head: 3, after: -1 });
    expect(ranges(ann)).toEqual([[-1, 3]]);
    expect(ann.last('caught-up')).toEqual({ op: 'caught-up', room: ROOM, upTo: 3 });
    await fixture.post('1', 'new');
    await until(() => ann.of('events').length === 2);
    expect(ranges(ann)[1]).toEqual([3, 4]);
    expect(ann.last('events').events[0]).toMatchObject({
      rev: 4,
      type: 'MessagePosted',
      data: { text: 'new', seq: 3 },
    });
  });

  test('GW-3: after a cursor gives only what follows it; at the head only caught-up', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 3);
    const behind = await subscribed(fixture, { after: 1, log: LOG });
    expect(ranges(behind)).toEqual([[1, 3]]);
    const current = await subscribed(fixture, { after: 3 });
    expect(ops(current)).toEqual(['hello', 'subscribed', 'caught-up']);
  });

  test('tail counts from the head and stops at the first event; live gives only what is new', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 3);
    expect((await subscribed(fixture, { tail: 2 })).last('subscribed')).toMatchObject({ after: 1, head: 3 });
    expect((await subscribed(fixture, { tail: 0 })).last('subscribed')).toMatchObject({ after: 3 });
    expect((await subscribed(fixture, { tail: 99 })).last('subscribed')).toMatchObject({ after: -1 });
    const live = await subscribed(fixture, { live: true });
    expect(ops(live)).toEqual(['hello', 'subscribed', 'caught-up']);
    await fixture.post('1', 'new');
    await until(() => live.of('events').length === 1);
    expect(ranges(live)).toEqual([[3, 4]]);
  });

  test('a room without events is legal: head -1, and its first event comes live', async () => {
    const fixture = await createGatewayFixture();
    const ann = await subscribed(fixture);
    expect(ann.last('subscribed')).toMatchObject({ head: -1, after: -1 });
    expect(ann.last('caught-up')).toMatchObject({ upTo: -1 });
    await fixture.conversation('1', 0);
    await until(() => ann.of('events').length === 1);
    expect(ranges(ann)).toEqual([[-1, 0]]);
  });

  test('GW-3: a long backlog comes in tiling frames of at most the limit, one larger event alone', async () => {
    const fixture = await createGatewayFixture({ limits: { frameBytes: 4_000, pageEvents: 7, pageBytes: 6_000 } });
    await fixture.conversation('1', 30);
    await fixture.post('1', 'x'.repeat(9_000));
    await fixture.post('1', 'short');
    const ann = await subscribed(fixture);
    expect(revisions(ann)).toEqual(Array.from({ length: 33 }, (_, i) => i));
    expect(ranges(ann).every(([after], i) => after === (ranges(ann)[i - 1]?.[1] ?? -1))).toBe(true);
    const sizes = ann.of('events').map(frame => [JSON.stringify(frame).length, frame.events.length] as const);
    expect(sizes.every(([bytes, count]) => bytes <= 4_000 || count === 1)).toBe(true);
    expect(sizes.some(([bytes]) => bytes > 9_000)).toBe(true);
  });

  test('several rooms catch up beside each other, each in its own order', async () => {
    const fixture = await createGatewayFixture({ limits: { pageEvents: 3 } });
    for (const id of ['1', '2', '3']) await fixture.conversation(id, 10);
    const ann = await fixture.connect();
    for (const id of ['1', '2', '3']) ann.say({ op: 'subscribe', room: `conversation:${id}` });
    await caughtUp(ann, 3);
    for (const id of ['1', '2', '3']) {
      const frames = ann.of('events').filter(({ room }) => room === `conversation:${id}`);
      expect(frames.flatMap(({ events }) => events.map(({ rev }) => rev))).toEqual(
        Array.from({ length: 11 }, (_, i) => i),
      );
    }
  });

  test('a second subscribe to the same room, one room too many, and what is no room are errors with the ref', async () => {
    const fixture = await createGatewayFixture({ limits: { rooms: 1 } });
    const ann = await subscribed(fixture);
    ann.say({ op: 'subscribe', room: ROOM, ref: 'twice' });
    ann.say({ op: 'subscribe', room: 'conversation:2', ref: 'many' });
    ann.say({ op: 'subscribe', room: 'kitchen:1', ref: 'none' });
    ann.say({ op: 'subscribe', room: 'conversation:a/b', ref: 'odd' });
    ann.say({ op: 'subscribe', room: 'agent:ann', ref: 'later' });
    await turns(20);
    expect(ann.of('error').map(({ ref, code, path }) => [ref, code, path])).toEqual([
      ['twice', 'bad-request', 'room'],
      ['many', 'rate-limited', 'room'],
      ['none', 'unknown-room', 'room'],
      ['odd', 'unknown-room', 'room'],
      ['later', 'unknown-room', 'room'],
    ]);
  });

  test('unsubscribe ends the events; subscribing again from the cursor misses nothing', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 1);
    const ann = await subscribed(fixture);
    ann.say({ op: 'unsubscribe', room: ROOM, ref: 'u' });
    await turns(2);
    expect(ann.last('unsubscribed')).toEqual({ op: 'unsubscribed', room: ROOM, ref: 'u' });
    await fixture.post('1', 'unseen');
    await turns(20);
    expect(revisions(ann)).toEqual([0, 1]);
    ann.say({ op: 'subscribe', room: ROOM, after: 1 });
    await caughtUp(ann, 2);
    expect(revisions(ann)).toEqual([0, 1, 2]);
    expect(fixture.gateway.stats().rooms).toBe(1);
    ann.cut();
    expect(fixture.gateway.stats()).toMatchObject({ rooms: 0, sockets: 0 });
  });

  test('GW-10: what one append brings is one frame to every socket of the room', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 0);
    const readers = [await subscribed(fixture, { live: true }), await subscribed(fixture, { live: true })];
    const [first] = readers;
    first?.say({ op: 'send', id: 'm1', room: ROOM, command: 'PostMessage', data: { text: 'one' } });
    await until(() => readers.every(reader => reader.of('events').length > 0));
    for (const reader of readers) expect(ranges(reader)).toEqual([[0, 1]]);
  });
});

describe('reset', () => {
  test('GW-4: a cursor beyond the head, of another log, or before what is kept', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 4);
    await fixture.store.setStreamMetadata('conversation-acme.1', { truncateBefore: 2n }, { expectedRevision: 'any' });
    const ann = await fixture.connect();
    const ask = async (ref: string, more: object) => {
      ann.say({ op: 'subscribe', room: ROOM, ref, ...more });
      await until(() => ann.frames.some(frame => 'ref' in frame && frame.ref === ref));
    };
    await ask('beyond', { after: 5 });
    await ask('other', { after: 3, log: 'another' });
    await ask('truncated', { after: 0 });
    await ask('from the start', {});
    const reset = { op: 'reset', room: ROOM, from: 2, head: 4, log: LOG };
    expect(ann.of('reset')).toEqual([
      { ...reset, ref: 'beyond', reason: 'beyond-head' },
      { ...reset, ref: 'other', reason: 'other-log' },
      { ...reset, ref: 'truncated', reason: 'truncated' },
      { ...reset, ref: 'from the start', reason: 'truncated' },
    ]);
    expect(ann.of('subscribed')).toEqual([]);
    await ask('as told', { after: 1 });
    await caughtUp(ann);
    expect(revisions(ann)).toEqual([2, 3, 4]);
  });

  test('GW-4: tail over a truncated stream begins at the first event that is kept', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 4);
    await fixture.store.setStreamMetadata('conversation-acme.1', { truncateBefore: 3n }, { expectedRevision: 'any' });
    const ann = await subscribed(fixture, { tail: 50 });
    expect(ann.last('subscribed')).toMatchObject({ after: 2, head: 4 });
    expect(revisions(ann)).toEqual([3, 4]);
  });

  test('GW-4: what is truncated under a session that fell behind resets it, and the subscription is over', async () => {
    const fixture = await createGatewayFixture({ limits: { queueBytes: 3_000, answerBytes: 500, lowWaterBytes: 500 } });
    await fixture.conversation('1', 1);
    const ann = await subscribed(fixture);
    ann.stalled = true;
    for (let i = 0; i < 20; i++) await fixture.post('1', 'y'.repeat(200));
    await turns(20);
    expect(fixture.gateway.stats().catchingUp).toBe(1);
    await fixture.store.setStreamMetadata('conversation-acme.1', { truncateBefore: 20n }, { expectedRevision: 'any' });
    ann.resume();
    await until(() => ann.of('reset').length > 0);
    expect(ann.last('reset')).toEqual({ op: 'reset', room: ROOM, reason: 'truncated', from: 20, head: 21, log: LOG });
    const seen = revisions(ann);
    expect(seen).toEqual(Array.from({ length: seen.length }, (_, i) => i));
    await fixture.post('1', 'more');
    await turns(20);
    expect(revisions(ann)).toEqual(seen);
    expect(fixture.gateway.stats().subscriptions).toBe(0);
  });
});

describe('history', () => {
  test('pages backwards by before, counting revisions, without moving a cursor', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 9);
    const ann = await fixture.connect();
    const page = async (more: object) => {
      const count = ann.of('history-page').length;
      ann.say({ op: 'history', room: ROOM, ref: 'h', ...more });
      await until(() => ann.of('history-page').length > count);
      const { from, before, events, more: left, ref } = ann.last('history-page');
      return { from, before, left, ref, revs: events.map(({ rev }) => rev) };
    };
    expect(await page({ limit: 4 })).toEqual({ from: 6, before: 10, left: true, ref: 'h', revs: [6, 7, 8, 9] });
    expect(await page({ limit: 4, before: 6 })).toMatchObject({ from: 2, before: 6, left: true, revs: [2, 3, 4, 5] });
    expect(await page({ limit: 4, before: 2 })).toMatchObject({ from: 0, before: 2, left: false, revs: [0, 1] });
    expect(await page({ limit: 4, before: 0 })).toMatchObject({ from: 0, before: 0, left: false, revs: [] });
    expect(await page({ limit: 2, before: 999 })).toMatchObject({ from: 8, before: 10, revs: [8, 9] });
  });

  test('a page is cut to the frame limit, and asking before its from leaves nothing out', async () => {
    const fixture = await createGatewayFixture({ limits: { frameBytes: 2_000 } });
    await fixture.conversation('1', 30);
    const ann = await fixture.connect();
    const revs: number[] = [];
    for (let before: number | undefined, more = true; more;) {
      const count = ann.of('history-page').length;
      ann.say({ op: 'history', room: ROOM, limit: 500, before });
      await until(() => ann.of('history-page').length > count);
      const page = ann.last('history-page');
      expect(JSON.stringify(page).length).toBeLessThanOrEqual(2_000);
      revs.unshift(...page.events.map(({ rev }) => rev));
      ({ from: before, more } = page);
    }
    expect(revs).toEqual(Array.from({ length: 31 }, (_, i) => i));
    expect(ann.of('history-page').length).toBeGreaterThan(3);
  });

  test('of a room without events is empty; of a truncated one it ends where it was cut', async () => {
    const fixture = await createGatewayFixture();
    const ann = await fixture.connect();
    ann.say({ op: 'history', room: ROOM, limit: 5 });
    await until(() => ann.of('history-page').length === 1);
    expect(ann.last('history-page')).toMatchObject({ from: 0, before: 0, events: [], more: false });
    await fixture.conversation('1', 4);
    await fixture.store.setStreamMetadata('conversation-acme.1', { truncateBefore: 3n }, { expectedRevision: 'any' });
    ann.say({ op: 'history', room: ROOM, limit: 50 });
    await until(() => ann.of('history-page').length === 2);
    expect(ann.last('history-page')).toMatchObject({ from: 3, before: 5, more: false });
  });
});

describe('typing', () => {
  test('GW-6: goes to the others of the room, moves no cursor, and ends when the one who types leaves', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 1);
    const [ann, bob] = [await subscribed(fixture), await fixture.connect({ sub: 'bob' })];
    bob.say({ op: 'subscribe', room: ROOM });
    await caughtUp(bob);
    bob.say({ op: 'typing', room: ROOM, on: true });
    expect(ann.last('typing')).toEqual({ op: 'typing', room: ROOM, user: 'bob', role: 'agent', on: true });
    expect(bob.of('typing')).toEqual([]);
    bob.cut();
    expect(ann.last('typing')).toMatchObject({ user: 'bob', on: false });
    await fixture.post('1', 'next');
    await until(() => ann.of('events').length === 2);
    expect(ranges(ann)).toEqual([
      [-1, 1],
      [1, 2],
    ]);
  });

  test('GW-9: is shed for a session whose queue is long', async () => {
    const fixture = await createGatewayFixture({ limits: { lowWaterBytes: 100 } });
    await fixture.conversation('1', 1);
    const [slow, bob] = [await subscribed(fixture), await subscribed(fixture)];
    slow.stalled = true;
    await fixture.post('1', 'fills the queue above its low-water mark');
    await until(() => slow.queuedBytes() > 100);
    bob.say({ op: 'typing', room: ROOM, on: true });
    slow.resume();
    expect(slow.of('typing')).toEqual([]);
    await turns(2);
    bob.say({ op: 'typing', room: ROOM, on: true });
    expect(slow.of('typing')).toHaveLength(1);
  });

  test('without a subscription, or for one who only reads, is forbidden, and says which of the two', async () => {
    const fixture = await createGatewayFixture();
    const [ann, auditor] = [await fixture.connect(), await fixture.connect({ role: 'auditor' })];
    auditor.say({ op: 'subscribe', room: ROOM });
    await caughtUp(auditor);
    for (const [pair, message] of [
      [ann, 'Only who has subscribed to a room may type in it.'],
      [auditor, 'This user may not send into the room.'],
    ] as const) {
      pair.say({ op: 'typing', room: ROOM, on: true, ref: 't' });
      expect(pair.last('error')).toMatchObject({ ref: 't', code: 'forbidden', room: ROOM, message });
    }
  });
});
