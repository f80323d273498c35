import { afterEach, describe, expect, it } from 'vitest';
import type { RecordedEvent } from '../../src/event-store/event-store.ts';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import type { WorkProgress } from '../../src/projections/projector.ts';
import { FakeTime, turns } from '../support/fake-time.ts';
import { MemoryReadStore } from '../support/memory-read-store.ts';
import { mortalReadStore } from '../support/mortal-read-store.ts';
import { appendHistory, ProjectedLog } from '../support/projected-log.ts';
import {
  caughtUp,
  cleanBuild,
  dump,
  isCaughtUp,
  makeProjector,
  stopProjectors,
  timeUntil,
} from '../support/projector-fixture.ts';
import { tinyProjection } from '../support/tiny-projection.ts';

afterEach(stopProjectors);

describe('a rebuild', () => {
  it('puts a new generation in the place of the live one, which is dropped after the grace', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 100 });
    const fixture = makeProjector(events);
    await fixture.projector.start();
    await caughtUp(fixture, events);
    const progress: WorkProgress[] = [];
    const result = await fixture.projector.rebuild('tiny', { onProgress: told => progress.push(told) });
    const documents = await dump(fixture.readStore, tinyProjection());
    const count = Object.values(documents).flat().length;
    expect(result).toMatchObject({ projection: 'tiny', generation: 2, events: 100, documents: count });
    expect(progress.at(-1)).toEqual({ phase: 'building', done: events.end, total: events.end });
    expect(await fixture.readStore.catalog('tiny')).toEqual({
      ...{ projection: 'tiny', live: { generation: 2, version: 1 }, toCompact: false, log: 'log-1' },
      dropping: [{ generation: 1, afterMs: fixture.time.now() + 30_000 }],
    });
    await fixture.time.advance(30_000);
    expect((await fixture.readStore.catalog('tiny'))?.dropping).toEqual([]);
    await appendHistory(events, { events: 20, seed: 9 });
    await caughtUp(fixture, events);
    expect(await dump(fixture.readStore, tinyProjection())).toEqual((await cleanBuild(events))[0]);
  });

  it('heals what is wrong in the live one', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 50 });
    const fixture = makeProjector(events);
    await fixture.projector.start();
    await caughtUp(fixture, events);
    const live = await fixture.readStore.generation(tinyProjection().schema, 1);
    const [thread] = await live.page('threads', { after: undefined, limit: 1 });
    const at = await live.checkpoint();
    if (thread === undefined || at === undefined) throw new Error('There is one.');
    const write = { collection: 'threads', id: thread._id, before: thread, after: undefined };
    expect(await live.commit({ from: at, to: at, writes: [write] })).toBe('committed');
    await fixture.projector.rebuild('tiny');
    expect(await dump(fixture.readStore, tinyProjection())).toEqual((await cleanBuild(events))[0]);
  });

  it('loses nothing of what arrives meanwhile, and a query at any instant finds what it found before', async () => {
    const time = new FakeTime(0);
    const events = new ProjectedLog();
    const store = new MemoryReadStore();
    await appendHistory(events, { events: 200 });
    const readStore = mortalReadStore(store, { before: () => turns(1) });
    const fixture = makeProjector(events, {
      time,
      readStore,
      projections: PROJECTIONS,
      limits: { batchEventsMax: 20 },
    });
    await fixture.projector.start();
    await timeUntil(time, () => isCaughtUp(fixture, events), 'catching up');
    const rebuilds = Promise.all(PROJECTIONS.map(({ schema }) => fixture.projector.rebuild(schema.name)));
    let ended = false;
    void rebuilds.finally(() => (ended = true));
    const shown = new Map<string, number>();
    let looks = 0;
    for (let seed = 2; !ended; seed++)
      await appendHistory(events, { events: 10, conversations: 30, seed }, async () => {
        await turns(2);
        for (const { schema } of PROJECTIONS) {
          const entry = await store.catalog(schema.name);
          const generation = await store.generation(schema, entry?.live.generation ?? 0);
          const position = (await generation.checkpoint())?.position ?? -1;
          expect(position).toBeGreaterThanOrEqual(shown.get(schema.name) ?? 0);
          shown.set(schema.name, position);
          looks += 1;
        }
      });
    expect((await rebuilds).map(({ generation }) => generation)).toEqual([2, 2]);
    expect(looks).toBeGreaterThan(20);
    await caughtUp(fixture, events);
    const clean = await cleanBuild(events, PROJECTIONS);
    expect(await Promise.all(PROJECTIONS.map(projection => dump(store, projection)))).toEqual(clean);
  });

  it('takes nothing back: what answers is never behind what answered before, however fast the live one moves', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 40 });
    const { store } = events;
    let ahead: (() => Promise<void>) | undefined;
    let ended = false;
    const outrun = {
      readStream: store.readStream.bind(store),
      subscribeToAll: store.subscribeToAll.bind(store),
      // Whoever asks where the log ends is told, and by then it is not true any more.
      async *readAll(options: Parameters<typeof store.readAll>[0]) {
        const found: RecordedEvent[] = [];
        for await (const event of store.readAll(options)) found.push(event);
        const moveOn = ahead;
        ahead = undefined;
        await moveOn?.();
        if (!ended) ahead = moveOn;
        yield* found;
      },
    };
    // Nor does it stand still between the last look at it and the switch, unless it is made to.
    const readStore = mortalReadStore(new MemoryReadStore(), {
      before: async call => {
        if (call === 'changeCatalog') await ahead?.();
      },
    });
    const fixture = makeProjector(events, { store: outrun, readStore });
    const said: string[] = [];
    fixture.projector.onCheckpoint((_, generation, { position }) =>
      said.push(`${String(position).padStart(6, '0')} in ${generation}`),
    );
    await fixture.projector.start();
    await caughtUp(fixture, events);
    let seed = 1;
    ahead = async () => {
      await appendHistory(events, { events: 5, seed: ++seed });
      await turns(100);
    };
    await fixture.projector.rebuild('tiny');
    ended = true;
    ahead = undefined;
    expect(seed).toBeGreaterThan(5);
    await timeUntil(fixture.time, () => said.at(-1)?.endsWith('in 2') === true, 'the new one going on');
    await caughtUp(fixture, events);
    expect(said).toEqual([...said].sort());
    expect(await dump(fixture.readStore, tinyProjection())).toEqual((await cleanBuild(events))[0]);
  });

  it.each([false, true])(
    'that dies at any call leaves the old one untouched or the new one in its place (last call takes effect: %s)',
    async lastTakesEffect => {
      const events = new ProjectedLog();
      await appendHistory(events, { events: 30, conversations: 4, erasureEvery: 14 });
      const [clean] = await cleanBuild(events);
      let deaths = 0;
      for (let callsMax = 0, alive = false; !alive; callsMax++) {
        const store = new MemoryReadStore();
        const mortality: { callsMax?: number; lastTakesEffect: boolean; before: () => Promise<void> } = {
          ...{ lastTakesEffect, before: () => Promise.resolve() },
        };
        let calls = 0;
        mortality.before = () => Promise.resolve(void calls++);
        const readStore = mortalReadStore(new MemoryReadStore(store), mortality);
        const first = makeProjector(events, { readStore, limits: { batchEventsMax: 10 } });
        await first.projector.start();
        await settled(first.time, store, () => isCaughtUp(first, events));
        mortality.callsMax = calls + callsMax;
        const rebuilding = first.projector.rebuild('tiny').then(
          () => 'done',
          () => 'failed',
        );
        let outcome = '';
        void rebuilding.then(ended => (outcome = ended));
        await timeUntil(first.time, () => readStore.isDead() || outcome !== '', 'death or the end');
        alive = !readStore.isDead();
        deaths += alive ? 0 : 1;
        await first.projector.stop();
        // Whatever answers is whole.
        expect(await dump(store, tinyProjection())).toEqual(clean);
        const second = makeProjector(events, { readStore: new MemoryReadStore(store), time: first.time });
        await second.projector.start();
        await settled(second.time, store, () => isCaughtUp(second, events));
        expect(await dump(store, tinyProjection())).toEqual(clean);
        const entry = await store.catalog('tiny');
        expect(entry?.building).toBeUndefined();
        await second.projector.stop();
      }
      expect(deaths).toBeGreaterThan(15);
    },
  );

  it('that its caller gives up is dropped, and the live one goes on', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 100 });
    const store = new MemoryReadStore();
    const readStore = mortalReadStore(store, { before: () => turns(2) });
    const fixture = makeProjector(events, { readStore, limits: { batchEventsMax: 5 } });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    const given = new AbortController();
    const onProgress = (): void => {
      given.abort(new Error('Given up.'));
    };
    await expect(fixture.projector.rebuild('tiny', { signal: given.signal, onProgress })).rejects.toThrow('Given up.');
    expect(await store.catalog('tiny')).toMatchObject({ live: { generation: 1 }, dropping: [{ generation: 2 }] });
    expect((await store.catalog('tiny'))?.building).toBeUndefined();
    expect((await fixture.projector.rebuild('tiny')).generation).toBe(3);
  });

  it('that the end of the process broke off is resumed, not begun again', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 100 });
    const store = new MemoryReadStore();
    const first = makeProjector(events, {
      ...{ readStore: mortalReadStore(store, { before: () => turns(2) }), limits: { batchEventsMax: 5 } },
    });
    await first.projector.start();
    await caughtUp(first, events);
    let done = 0;
    const rebuilding = first.projector.rebuild('tiny', { onProgress: progress => (done = progress.done) });
    const failing = expect(rebuilding).rejects.toThrow('stopping');
    await timeUntil(first.time, () => done > 300, 'some of the build');
    await first.projector.stop();
    await failing;
    const opened = events.opened;
    const second = makeProjector(events, { readStore: store });
    await second.projector.start();
    await timeUntil(second.time, async () => (await store.catalog('tiny'))?.live.generation === 2, 'the switch');
    await caughtUp(second, events);
    expect(events.opened - opened).toBeLessThan(80);
    expect(await dump(store, tinyProjection())).toEqual((await cleanBuild(events))[0]);
  });

  it('is refused while the same projection is being worked on, and of one that does not exist', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 30 });
    const fixture = makeProjector(events, { projections: [tinyProjection('one'), tinyProjection('two')] });
    await fixture.projector.start();
    const one = fixture.projector.rebuild('one');
    await expect(fixture.projector.rebuild('one')).rejects.toMatchObject({ code: 'in-flight' });
    await expect(fixture.projector.verify('one')).rejects.toMatchObject({ code: 'in-flight' });
    await expect(fixture.projector.rebuild('three')).rejects.toMatchObject({ code: 'not-found' });
    expect(await fixture.projector.rebuild('two')).toMatchObject({ generation: 2 });
    expect(await one).toMatchObject({ generation: 2 });
  });

  it('stops at an event that cannot be opened, and gives its build up', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 30 });
    const fixture = makeProjector(events);
    await fixture.projector.start();
    await caughtUp(fixture, events);
    await events.appendUnknown('c01');
    await expect(fixture.projector.rebuild('tiny')).rejects.toThrow('cannot be opened');
    expect(await fixture.readStore.catalog('tiny')).toMatchObject({ live: { generation: 1 } });
    expect(fixture.projector.status()[0]).toMatchObject({ state: 'stopped', rebuilding: false });
  });
});

/** Caught up, nothing is being built, and no copy is owed. */
async function settled(time: FakeTime, store: MemoryReadStore, isUp: () => boolean): Promise<void> {
  await timeUntil(
    time,
    async () => {
      const entry = await store.catalog('tiny');
      return isUp() && entry?.building === undefined && entry?.toCompact === false;
    },
    'nothing being left to do',
  );
}
