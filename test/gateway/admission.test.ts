import { describe, expect, test } from 'vitest';
import { turns, until } from '../support/fake-time.ts';
import { createGatewayFixture } from '../support/gateway-fixture.ts';
import type { SocketPair } from '../support/socket-pair.ts';

const ROOM = 'conversation:1';

/** What the reason of a 4006 says. */
function retryAfterMs(pair: SocketPair): number {
  return Number(/retry after (\d+) ms/.exec(pair.closedBecause ?? '')?.[1]);
}

function jittered(): () => number {
  let next = 0.05;
  return () => (next = (next + 0.31) % 1);
}

describe('admission', () => {
  test('GW-11: connections over the bound are closed with 4006 and told to come back at different times', async () => {
    const fixture = await createGatewayFixture({ limits: { sockets: 2 }, random: jittered() });
    const open = [await fixture.connect(), await fixture.connect()];
    const refused = Array.from({ length: 3 }, () =>
      fixture.sockets.connect({ authorization: `Bearer ${fixture.token()}` }),
    );
    expect(refused.map(({ closedWith }) => closedWith)).toEqual([4006, 4006, 4006]);
    const times = refused.map(retryAfterMs);
    expect(new Set(times).size).toBe(3);
    for (const ms of times) {
      expect(ms).toBeGreaterThanOrEqual(500);
      expect(ms).toBeLessThanOrEqual(5_500);
    }
    expect(fixture.gateway.stats()).toMatchObject({ sockets: 2, refused: 3 });
    open[0]?.cut();
    expect((await fixture.connect()).closedWith).toBeUndefined();
  });

  test('GW-11: connections that have not authenticated are bounded, and make room as they do or leave', async () => {
    const fixture = await createGatewayFixture({ limits: { handshakes: 2 } });
    const [one, two] = [fixture.sockets.connect({}), fixture.sockets.connect({})];
    expect(fixture.sockets.connect({}).closedWith).toBe(4006);
    one.say({ op: 'auth', token: fixture.token() });
    await until(() => one.of('hello').length > 0);
    two.cut();
    expect(fixture.gateway.stats().handshakes).toBe(0);
    expect(fixture.sockets.connect({}).closedWith).toBeUndefined();
    expect(fixture.gateway.stats().handshakes).toBe(1);
  });

  test('GW-11: resumes over the bound are rate-limited, each told another time, and the session goes on', async () => {
    const fixture = await createGatewayFixture({ limits: { resumes: 1 }, random: jittered() });
    await fixture.conversation('1', 3);
    const [slow, ann, bob] = [await fixture.connect(), await fixture.connect(), await fixture.connect()];
    slow.stalled = true;
    const read = fixture.store.readStream.bind(fixture.store);
    let release = () => {};
    const held = new Promise<void>(resolve => (release = resolve));
    fixture.store.readStream = async function* (stream, options) {
      await held;
      yield* read(stream, options);
    };
    slow.say({ op: 'subscribe', room: ROOM, after: 0 });
    await turns(5);
    for (const pair of [ann, bob]) pair.say({ op: 'subscribe', room: ROOM, after: 0, ref: 's' });
    await until(() => ann.of('error').length + bob.of('error').length === 2);
    const [first, second] = [ann.last('error'), bob.last('error')];
    expect(first).toMatchObject({ ref: 's', code: 'rate-limited', room: ROOM, retryable: true });
    expect(first.retryAfterMs).not.toBe(second.retryAfterMs);
    release();
    slow.resume();
    await until(() => slow.of('caught-up').length > 0);
    ann.say({ op: 'subscribe', room: ROOM, after: 0 });
    await until(() => ann.of('caught-up').length > 0);
    expect(fixture.gateway.stats()).toMatchObject({ resumes: 0, refused: 2, subscriptions: 2 });
    slow.cut();
    expect(fixture.gateway.stats().resumes).toBe(0);
  });
});

describe('a room that is no more', () => {
  test.each(['tombstoneStream', 'deleteStream'] as const)(
    'GW-11: after %s it is unknown-room, to visitors and staff alike, and no other room suffers',
    async gone => {
      const fixture = await createGatewayFixture();
      for (const id of ['1', '2']) await fixture.conversation(id, 2, { visitor: 'vera' });
      await fixture.store[gone]('conversation-acme.1', { expectedRevision: 2n });
      const [ann, vera] = [await fixture.connect(), await fixture.connect({ sub: 'vera', role: 'visitor' })];
      // Another node, whose folds have not seen it.
      const fresh = await createGatewayFixture({ store: fixture.store });
      for (const pair of [ann, await fresh.connect({ sub: 'vera', role: 'visitor' })]) {
        pair.say({ op: 'subscribe', room: ROOM, after: 0, ref: 'gone' });
        pair.say({ op: 'subscribe', room: 'conversation:2', after: 0 });
        await until(() => pair.of('caught-up').length > 0);
        pair.say({ op: 'subscribe', room: ROOM, live: true, ref: 'live' });
        await until(() => pair.of('error').length === 2);
        for (const [i, ref] of ['gone', 'live'].entries())
          expect(pair.of('error')[i]).toMatchObject({ ref, code: 'unknown-room', room: ROOM, retryable: false });
        expect(pair.closedWith).toBeUndefined();
      }
      vera.cut();
    },
  );

  test('GW-11: whoever is in a room while it is tombstoned is told, and keeps the others', async () => {
    const fixture = await createGatewayFixture();
    for (const id of ['1', '2']) await fixture.conversation(id, 1);
    const ann = await fixture.connect();
    for (const room of [ROOM, 'conversation:2']) ann.say({ op: 'subscribe', room });
    await until(() => ann.of('caught-up').length === 2);
    await fixture.store.tombstoneStream('conversation-acme.1', { expectedRevision: 1n });
    await until(() => ann.of('error').length > 0);
    expect(ann.last('error')).toMatchObject({ code: 'unknown-room', room: ROOM, retryable: false });
    await fixture.post('2', 'goes on');
    await until(() => ann.last('events').room === 'conversation:2' && ann.last('events').upTo === 2);
    expect(fixture.gateway.stats().subscriptions).toBe(1);
  });

  test('GW-11: behind an event that cannot be read a room is served to those who have seen it', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 2);
    const bytes = Buffer.from('{}');
    const broken = { type: 'Broken', data: bytes, metadata: bytes, contentType: 'application/json' } as const;
    const id = '019a0000-0000-7000-8000-00000000000a';
    await fixture.store.append('conversation-acme.1', [{ ...broken, id }], { expectedRevision: 2n });
    const ok = await collectLast(fixture);
    await fixture.store.append('conversation-acme.1', [ok], { expectedRevision: 3n });
    const [past, before] = [await fixture.connect(), await fixture.connect()];
    past.say({ op: 'subscribe', room: ROOM, after: 3 });
    before.say({ op: 'subscribe', room: ROOM, after: 0 });
    await until(() => past.of('caught-up').length > 0 && before.of('error').length > 0);
    expect(past.of('events').flatMap(({ events }) => events.map(({ rev }) => rev))).toEqual([4]);
    expect(before.last('error')).toMatchObject({ code: 'internal', room: ROOM, retryable: false });
    expect(before.of('events').flatMap(({ events }) => events.map(({ rev }) => rev))).not.toContain(4);
  });
});

/** An event as the product writes it, under an id of its own. */
async function collectLast(fixture: Awaited<ReturnType<typeof createGatewayFixture>>) {
  for await (const event of fixture.store.readStream('conversation-acme.1', { from: 2n }))
    return { ...event, id: '019a0000-0000-7000-8000-00000000000b' };
  throw new Error('The room has no such event.');
}
