/** How much of a room is read for those who ask for it. */
import { describe, expect, test } from 'vitest';
import type { ReadStreamOptions } from '../../src/event-store/event-store.ts';
import { turns, until } from '../support/fake-time.ts';
import { createGatewayFixture, type GatewayFixture } from '../support/gateway-fixture.ts';
import { MemoryEventStore } from '../support/memory-event-store.ts';
import type { SocketPair } from '../support/socket-pair.ts';

const ROOM = 'conversation:1';

/** Counts reads of streams and the events they were asked for, and can hold the reads up. */
class CountingStore extends MemoryEventStore {
  reads = 0;
  events = 0;
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
    await this.gate;
    for await (const event of super.readStream(name, options)) {
      this.events += 1;
      yield event;
    }
  }
}

/** A node that has nothing in memory of a room with revisions 0 to 400. */
async function cold(visitor?: string): Promise<{ fixture: GatewayFixture; store: CountingStore }> {
  const store = new CountingStore();
  const filled = await createGatewayFixture({ store });
  await filled.conversation('1', 400, visitor === undefined ? {} : { visitor });
  const fixture = await createGatewayFixture({ store });
  store.reads = store.events = 0;
  return { fixture, store };
}

async function subscribed(fixture: GatewayFixture, from: object): Promise<SocketPair> {
  const pair = await fixture.connect();
  pair.say({ op: 'subscribe', room: ROOM, ...from });
  return pair;
}

async function caughtUp(...pairs: readonly SocketPair[]): Promise<void> {
  await until(() => pairs.every(pair => pair.of('caught-up').length > 0), 'caught-up');
}

function revisions(pair: SocketPair): number[] {
  return pair.of('events').flatMap(({ events }) => events.map(({ rev }) => rev));
}

const after = (cursor: number): number[] => Array.from({ length: 400 - cursor }, (_, i) => cursor + 1 + i);

describe('how deep a tail is read', () => {
  test.each([
    ['a few missed', { after: 395 }, 32],
    ['the last few', { tail: 3 }, 32],
    ['some more than a few', { after: 300 }, 100],
    ['the last hundred', { tail: 100 }, 100],
  ])('GW-11: %s: one read, of what was asked for and no less than 32', async (_what, from, events) => {
    const { fixture, store } = await cold();
    const ann = await subscribed(fixture, from);
    await caughtUp(ann);
    expect([store.reads, store.events]).toEqual([1, events]);
    expect(revisions(ann).at(-1)).toBe(400);
  });

  test('GW-11: whoever asks while the room is read gets it from the same read, however much deeper', async () => {
    const { fixture, store } = await cold();
    store.hold();
    const early = await subscribed(fixture, { after: 395 });
    await turns(5);
    const late = await subscribed(fixture, { after: 200 });
    await turns(5);
    store.release();
    await caughtUp(early, late);
    expect([store.reads, store.events]).toEqual([1, 200]);
    expect([revisions(early), revisions(late)]).toEqual([after(395), after(200)]);
  });

  test('GW-11: whoever asks later for what lies deeper reads only that, and others find it in memory', async () => {
    const { fixture, store } = await cold();
    await caughtUp(await subscribed(fixture, { after: 395 }));
    const deeper = await Promise.all([300, 310, 320, 330].map(cursor => subscribed(fixture, { after: cursor })));
    await caughtUp(...deeper);
    expect(deeper.map(revisions)).toEqual([300, 310, 320, 330].map(after));
    // Revisions 301 to 368 by one read: the others waited for it.
    expect([store.reads, store.events]).toEqual([2, 32 + 68]);
  });

  test('GW-11: one read is of a page at the most', async () => {
    const { fixture, store } = await cold();
    const ann = await subscribed(fixture, { after: -1 });
    await caughtUp(ann);
    expect(revisions(ann)).toEqual(after(-1));
    expect([store.reads, store.events]).toEqual([2, 401]);
  });
});

describe('a room that visitors ask for', () => {
  test.each([
    ['a visitor', ['visitor', 'agent']],
    ['an agent', ['agent', 'visitor']],
  ] as const)(
    'GW-11: a page at the most, asked for by %s first: one read for its state and its tail',
    async (_who, roles) => {
      const store = new CountingStore();
      const filled = await createGatewayFixture({ store });
      await filled.conversation('1', 20, { visitor: 'vera' });
      const fixture = await createGatewayFixture({ store });
      store.reads = 0;
      for (const role of roles) {
        const pair = await fixture.connect({ role, sub: role === 'visitor' ? 'vera' : 'ann' });
        pair.say({ op: 'subscribe', room: ROOM, after: 18 });
        await caughtUp(pair);
        expect(revisions(pair)).toEqual([19, 20]);
      }
      expect(store.reads).toBe(1);
      // The state that came by the way knows what was done before: this node's first command has the id of the other's.
      await expect(fixture.post('1', 'and on')).rejects.toMatchObject({ code: 'idempotency-mismatch' });
      expect(store.reads).toBe(1);
    },
  );

  test('GW-2: one that may not see it is refused, whatever was read', async () => {
    const store = new CountingStore();
    const filled = await createGatewayFixture({ store });
    await filled.conversation('1', 5, { visitor: 'vera' });
    const fixture = await createGatewayFixture({ store });
    const mallory = await fixture.connect({ role: 'visitor', sub: 'mallory' });
    mallory.say({ op: 'subscribe', room: ROOM, after: 0 });
    await until(() => mallory.of('error').length > 0, 'the answer');
    expect(mallory.last('error')).toMatchObject({ code: 'forbidden' });
    expect(mallory.of('events')).toEqual([]);
  });

  test('GW-11: one of several pages costs a visitor a read more, of its state', async () => {
    const { fixture, store } = await cold('vera');
    const vera = await fixture.connect({ role: 'visitor', sub: 'vera' });
    vera.say({ op: 'subscribe', room: ROOM, after: 395 });
    await caughtUp(vera);
    expect(revisions(vera)).toEqual(after(395));
    expect(store.reads).toBe(2);
  });
});
