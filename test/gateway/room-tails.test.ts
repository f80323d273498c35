import { describe, expect, test } from 'vitest';
import { UnavailableError } from '../../src/errors.ts';
import type { ReadStreamOptions } from '../../src/event-store/event-store.ts';
import { turns, until } from '../support/fake-time.ts';
import { createGatewayFixture, type GatewayFixture } from '../support/gateway-fixture.ts';
import { MemoryEventStore } from '../support/memory-event-store.ts';
import type { SocketPair } from '../support/socket-pair.ts';

const ROOM = 'conversation:1';
const STREAM = 'conversation-acme.1';

/** A store that counts reads of streams, and can hold them up. */
class CountingStore extends MemoryEventStore {
  reads = 0;
  running = 0;
  runningMax = 0;
  private gate: Promise<void> = Promise.resolve();
  private open: () => void = () => undefined;

  hold(): void {
    this.gate = new Promise(resolve => (this.open = resolve));
  }

  release(): void {
    this.open();
  }

  override async *readStream(name: string, options?: ReadStreamOptions): ReturnType<MemoryEventStore['readStream']> {
    this.reads += 1;
    this.running += 1;
    this.runningMax = Math.max(this.runningMax, this.running);
    try {
      await this.gate;
      yield* super.readStream(name, options);
    } finally {
      this.running -= 1;
    }
  }
}

async function fixtureOver(
  limits: NonNullable<Parameters<typeof createGatewayFixture>[0]>['limits'] = {},
): Promise<{ fixture: GatewayFixture; store: CountingStore }> {
  const store = new CountingStore();
  const fixture = await createGatewayFixture({ store, limits });
  return { fixture, store };
}

/** Another node on the same log, so that what a test reads is not in its memory. */
async function restarted(
  store: CountingStore,
  limits: NonNullable<Parameters<typeof createGatewayFixture>[0]>['limits'] = {},
): Promise<GatewayFixture> {
  const fixture = await createGatewayFixture({ store, limits });
  store.reads = store.running = store.runningMax = 0;
  return fixture;
}

function revisions(pair: SocketPair): number[] {
  return pair.of('events').flatMap(({ events }) => events.map(({ rev }) => rev));
}

const upTo = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

async function caughtUp(...pairs: readonly SocketPair[]): Promise<void> {
  await until(() => pairs.every(pair => pair.of('caught-up').length > 0), 'caught-up');
}

async function subscribe(fixture: GatewayFixture, after: number, sub = 'ann'): Promise<SocketPair> {
  const pair = await fixture.connect({ sub });
  pair.say({ op: 'subscribe', room: ROOM, after });
  return pair;
}

describe('resumes from the tail', () => {
  test('GW-11: hundreds of resumes at different cursors after a restart cost one read of the room', async () => {
    const { fixture, store } = await fixtureOver();
    await fixture.conversation('1', 30);
    const again = await restarted(store);
    store.hold();
    const clients = await Promise.all(upTo(0, 199).map(i => subscribe(again, i % 31, `agent-${i}`)));
    await turns(5);
    store.release();
    await caughtUp(...clients);
    clients.forEach((client, i) => expect(revisions(client)).toEqual(upTo((i % 31) + 1, 30)));
    expect(store.reads).toBe(1);
    expect(again.gateway.stats()).toMatchObject({ roomReads: 1, tails: 1, resumes: 0, subscriptions: 200 });
  });

  test('GW-11: cursors below the tail are read one at a time a room, and equal ones share their reads', async () => {
    const { fixture, store } = await fixtureOver();
    await fixture.conversation('1', 40);
    const again = await restarted(store, { pageEvents: 10 });
    const clients = await Promise.all(upTo(0, 19).map(i => subscribe(again, i % 2 === 0 ? -1 : 4, `agent-${i}`)));
    await caughtUp(...clients);
    clients.forEach((client, i) => expect(revisions(client)).toEqual(upTo(i % 2 === 0 ? 0 : 5, 40)));
    expect(store.runningMax).toBe(1);
    // The tail, 31 to 40, once; what is below it four times for one cursor and three for the other.
    expect(store.reads).toBeLessThanOrEqual(8);
  });

  test('GW-11: what lies below the tail and was read is kept with it, as far as there is room', async () => {
    const { fixture, store } = await fixtureOver();
    await fixture.conversation('1', 40);
    const again = await restarted(store, { pageEvents: 10 });
    const reads: number[] = [];
    for (let i = 0; i < 6; i++) {
      const before = store.reads;
      const client = await subscribe(again, -1, `agent-${i}`);
      await caughtUp(client);
      expect(revisions(client)).toEqual(upTo(0, 40));
      reads.push(store.reads - before);
    }
    expect(reads).toEqual([5, 3, 2, 1, 0, 0]);
  });

  test('GW-3: what becomes durable while the tail is read follows it, without a gap', async () => {
    const { fixture, store } = await fixtureOver();
    await fixture.conversation('1', 3);
    const again = await restarted(store);
    store.hold();
    const ann = await subscribe(again, 0);
    await turns(3);
    await fixture.post('1', 'meanwhile');
    await turns(10);
    store.release();
    await caughtUp(ann);
    await fixture.post('1', 'live');
    await until(() => revisions(ann).length === 5);
    expect(revisions(ann)).toEqual(upTo(1, 5));
    expect(again.gateway.stats().roomReads).toBe(1);
  });

  test('GW-11: a room stays at its head for those who come back soon, and is given up when nobody does', async () => {
    const { fixture, store } = await fixtureOver({ tailKeptMs: 10_000, heartbeatMs: 1_000_000, silenceMs: 2_000_000 });
    await fixture.conversation('1', 3);
    const again = await restarted(store, { tailKeptMs: 10_000 });
    const first = await subscribe(again, -1);
    await caughtUp(first);
    first.cut();
    await fixture.post('1', 'while nobody looked');
    await turns(10);
    const second = await subscribe(again, 3);
    await caughtUp(second);
    expect(revisions(second)).toEqual([4]);
    expect(store.reads).toBe(1);
    second.cut();
    await again.time.advance(10_001);
    await fixture.post('1', 'much later');
    await turns(10);
    expect(again.gateway.stats()).toMatchObject({ tails: 0, tailBytes: 0 });
    const third = await subscribe(again, 4);
    await caughtUp(third);
    expect(revisions(third)).toEqual([5]);
    expect(store.reads).toBe(2);
  });

  test('GW-11: the memory of all tails is bounded, and a room that was pushed out is read again', async () => {
    const { fixture, store } = await fixtureOver();
    for (const id of ['1', '2', '3']) await fixture.conversation(id, 20);
    const again = await restarted(store, { tailsBytes: 20_000 });
    const ann = await again.connect();
    for (const id of ['1', '2', '3', '1']) {
      const pair = await again.connect();
      pair.say({ op: 'subscribe', room: `conversation:${id}`, after: 0 });
      await caughtUp(pair);
      expect(revisions(pair)).toEqual(upTo(1, 20));
      expect(again.gateway.stats().tailBytes).toBeLessThanOrEqual(20_000);
    }
    expect(again.gateway.stats().roomReads).toBe(4);
    ann.cut();
  });

  test('GW-11: the tail of one room is bounded: its oldest events go, and are read for who asks for them', async () => {
    const { fixture, store } = await fixtureOver();
    const again = await restarted(store, { tailBytes: 8_000 });
    await fixture.conversation('1', 0);
    const live = await subscribe(again, -1);
    await caughtUp(live);
    for (let i = 0; i < 60; i++) await fixture.post('1', `message ${i}`);
    await until(() => revisions(live).length === 61);
    expect(again.gateway.stats().tailBytes).toBeLessThan(20_000);
    const [near, far] = [await subscribe(again, 58, 'bob'), await subscribe(again, -1, 'cat')];
    await caughtUp(near, far);
    expect([revisions(near), revisions(far)]).toEqual([upTo(59, 60), upTo(0, 60)]);
  });
});

describe('what is in memory is the log, or is not used', () => {
  test('GW-4: a room truncated meanwhile answers reset, not what is remembered', async () => {
    const { fixture } = await fixtureOver();
    await fixture.conversation('1', 9);
    await caughtUp(await subscribe(fixture, -1));
    await fixture.store.setStreamMetadata(STREAM, { truncateBefore: 5n }, { expectedRevision: 'any' });
    await turns(10);
    const bob = await subscribe(fixture, 1, 'bob');
    await until(() => bob.of('reset').length > 0);
    expect(bob.last('reset')).toMatchObject({ reason: 'truncated', from: 5, head: 9 });
    expect(bob.of('events')).toEqual([]);
  });

  test('GW-11: an erasure leaves nothing of the tenant in memory, nor what is being read meanwhile', async () => {
    const { fixture, store } = await fixtureOver();
    await fixture.conversation('1', 3);
    await caughtUp(await subscribe(fixture, -1));
    expect(fixture.gateway.stats().tails).toBe(1);
    fixture.gateway.forgetRooms('other');
    expect(fixture.gateway.stats().tails).toBe(1);
    fixture.gateway.forgetRooms('acme');
    expect(fixture.gateway.stats()).toMatchObject({ tails: 0, tailBytes: 0 });
    store.hold();
    const reads = store.reads;
    const bob = await subscribe(fixture, 0, 'bob');
    await turns(3);
    fixture.gateway.forgetRooms('acme');
    store.release();
    await caughtUp(bob);
    expect(revisions(bob)).toEqual(upTo(1, 3));
    expect(store.reads - reads).toBe(2);
  });

  test('GW-11: a feed that is away keeps nothing true: what it would have brought is read', async () => {
    const { fixture, store } = await fixtureOver();
    await fixture.conversation('1', 3);
    const subscribeToAll = store.subscribeToAll.bind(store);
    let away = false;
    store.subscribeToAll = async function* (options) {
      for await (const message of subscribeToAll(options)) {
        if (away) throw new UnavailableError('away');
        yield message;
      }
    };
    const again = await restarted(store);
    await caughtUp(await subscribe(again, -1));
    away = true;
    await fixture.post('1', 'unseen by the feed');
    await until(() => !again.gateway.stats().feedConnected);
    const bob = await subscribe(again, 3, 'bob');
    await caughtUp(bob);
    expect(revisions(bob)).toEqual([4]);
    await fixture.post('1', 'and another');
    await again.time.advance(1_000);
    const cat = await subscribe(again, 3, 'cat');
    await caughtUp(cat);
    expect(revisions(cat)).toEqual([4, 5]);
  });

  test('GW-3: a read that lags behind what a client has seen is made again until it does not', async () => {
    const { fixture, store } = await fixtureOver();
    await fixture.conversation('1', 3);
    const again = await restarted(store);
    const read = store.readStream.bind(store);
    let lagging = 2;
    // A replica that has not got the last event yet.
    store.readStream = async function* (name, options) {
      const stale = lagging-- > 0;
      for await (const event of read(name, options)) if (!stale || event.revision < 3n) yield event;
    };
    const ann = await subscribe(again, 3);
    for (let i = 0; i < 10; i++) await again.time.advance(50);
    await caughtUp(ann);
    expect(ann.of('reset')).toEqual([]);
    await fixture.post('1', 'next');
    await until(() => revisions(ann).length === 1);
    expect(revisions(ann)).toEqual([4]);
  });
});
