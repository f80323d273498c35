import { afterEach, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import type { Projection } from '../../src/projections/projection.ts';
import { FakeTime, turns } from '../support/fake-time.ts';
import { MemoryReadStore } from '../support/memory-read-store.ts';
import { mortalReadStore } from '../support/mortal-read-store.ts';
import { appendHistory, ProjectedLog } from '../support/projected-log.ts';
import {
  cleanBuild,
  dump,
  isCaughtUp,
  makeProjector,
  stopProjectors,
  timeUntil,
} from '../support/projector-fixture.ts';
import type { Fixture } from '../support/projector-fixture.ts';
import { tinyProjection } from '../support/tiny-projection.ts';

afterEach(stopProjectors);

describe('a projector that dies', () => {
  it.each<[string, readonly Projection[]]>([
    ['a tiny projection', [tinyProjection()]],
    ['the product’s projections', PROJECTIONS],
  ])(
    'after every single event of 500, before or after its commit took effect, leaves what a clean build is: %s',
    async (_, projections) => {
      const events = new ProjectedLog();
      await appendHistory(events, { events: 500, erasureEvery: 70 });
      const store = new MemoryReadStore();
      let lives = 0;
      for (let alive = false; !alive; lives++) {
        const readStore = mortalReadStore(new MemoryReadStore(store), {
          ...{ callsMax: projections.length, countsCommitsOnly: true, lastTakesEffect: lives % 2 === 0 },
        });
        const fixture = makeProjector(events, { readStore, projections, limits: { batchEventsMax: 1 } });
        await fixture.projector.start();
        await timeUntil(fixture.time, () => readStore.isDead() || isCaughtUp(fixture, events), 'death or the end');
        alive = !readStore.isDead();
        await fixture.projector.stop();
      }
      expect(lives).toBeGreaterThan(250);
      expect(await Promise.all(projections.map(projection => dump(store, projection)))).toEqual(
        await cleanBuild(events, projections),
      );
    },
  );

  it('at any call of a start with erasures to apply leaves what a clean build is', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 60, conversations: 4, erasureEvery: 20 });
    const clean = await cleanBuild(events);
    let deaths = 0;
    for (let callsMax = 0, alive = false; !alive; callsMax++) {
      const store = new MemoryReadStore();
      const readStore = mortalReadStore(new MemoryReadStore(store), { callsMax, lastTakesEffect: callsMax % 2 === 0 });
      const first = makeProjector(events, { readStore, limits: { batchEventsMax: 10 } });
      await first.projector.start();
      await timeUntil(
        first.time,
        async () => readStore.isDead() || (await isSettled(first, events)),
        'death or the end',
      );
      alive = !readStore.isDead();
      deaths += alive ? 0 : 1;
      await first.projector.stop();
      const second = makeProjector(events, { readStore: new MemoryReadStore(store), time: first.time });
      await second.projector.start();
      await timeUntil(second.time, () => isSettled(second, events), `what death ${callsMax} left`);
      expect(await dump(store, tinyProjection())).toEqual(clean[0]);
      await second.projector.stop();
    }
    expect(deaths).toBeGreaterThan(40);
  });
});

/** Caught up, and the copy is made that the erasures call for. */
async function isSettled(fixture: Fixture, events: ProjectedLog): Promise<boolean> {
  if (!isCaughtUp(fixture, events)) return false;
  return (await fixture.readStore.catalog('tiny').catch(() => undefined))?.toCompact === false;
}

describe('two projectors of one projection', () => {
  it('never leave a wrong document, however their calls fall between each other', async () => {
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.nat(7)), fc.integer({ min: 1, max: 1_000 }), async (waits, seed) => {
        const time = new FakeTime(0);
        const events = new ProjectedLog();
        await appendHistory(events, { events: 60, conversations: 5, seed, erasureEvery: 17 });
        const store = new MemoryReadStore();
        const before = async (): Promise<void> => turns(Number(waits.next().value));
        const fixtures = [1, 2].map(() =>
          makeProjector(events, {
            ...{ time, readStore: mortalReadStore(new MemoryReadStore(store), { before }) },
            limits: { batchEventsMax: 4, standbyMs: 100 },
          }),
        );
        await Promise.all(fixtures.map(({ projector }) => projector.start()));
        await appendHistory(events, { events: 40, conversations: 5, seed: seed + 1 }, () => turns(3));
        const reached = (): boolean => fixtures.some(fixture => isCaughtUp(fixture, events));
        await timeUntil(time, reached, 'one of them catching up');
        const { toCompact } = (await store.catalog('tiny')) ?? {};
        if (toCompact === true)
          await timeUntil(time, async () => (await store.catalog('tiny'))?.toCompact === false, 'the compaction');
        await timeUntil(time, reached, 'one of them catching up again');
        for (const { projector } of fixtures) await projector.stop();
        expect(await dump(store, tinyProjection())).toEqual((await cleanBuild(events))[0]);
        expect(fixtures.flatMap(({ lines }) => lines.filter(({ level }) => level === 'error'))).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });

  it('take over from each other: one stands by while the other moves, and goes on when that one is gone', async () => {
    const time = new FakeTime(0);
    const events = new ProjectedLog();
    const store = new MemoryReadStore();
    await appendHistory(events, { events: 20 });
    const [one, two] = [1, 2].map(() => makeProjector(events, { time, readStore: new MemoryReadStore(store) }));
    if (one === undefined || two === undefined) throw new Error('There are two.');
    await Promise.all([one.projector.start(), two.projector.start()]);
    const states = (): string[] => [one, two].map(({ projector }) => projector.status()[0]?.state ?? '').sort();
    await timeUntil(time, () => states().join() === 'live,standby', 'one of them standing by');
    const [active, passive] = one.projector.status()[0]?.state === 'live' ? [one, two] : [two, one];
    expect(passive.projector.status()[0]).toMatchObject({ reason: 'Another process projects it.', staleCommits: 1 });
    await active.projector.stop();
    await events.append('last', { type: 'ConversationStarted', data: { channel: 'web' } });
    await timeUntil(time, () => isCaughtUp(passive, events), 'the take-over');
    expect(await dump(store, tinyProjection())).toEqual((await cleanBuild(events))[0]);
  });

  it('go on in the generation that the other one built', async () => {
    const time = new FakeTime(0);
    const events = new ProjectedLog();
    const store = new MemoryReadStore();
    await appendHistory(events, { events: 30 });
    const fixtures = [1, 2].map(() => makeProjector(events, { time, readStore: new MemoryReadStore(store) }));
    for (const { projector } of fixtures) await projector.start();
    await timeUntil(time, () => fixtures.some(fixture => isCaughtUp(fixture, events)), 'one of them catching up');
    const passive = fixtures.find(({ projector }) => projector.status()[0]?.state === 'standby');
    await passive?.projector.rebuild('tiny');
    expect(await store.catalog('tiny')).toMatchObject({ live: { generation: 2 } });
    await time.advance(60_000);
    await appendHistory(events, { events: 30, seed: 5 });
    await timeUntil(time, () => fixtures.some(fixture => isCaughtUp(fixture, events)), 'the new generation');
    await time.advance(60_000);
    expect(fixtures.map(({ projector }) => projector.status()[0]?.generation)).toEqual([2, 2]);
    expect(await dump(store, tinyProjection())).toEqual((await cleanBuild(events))[0]);
  });
});
