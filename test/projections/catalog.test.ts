import { describe, expect, it } from 'vitest';
import { GONE_MS, ProjectionCatalog, SCRATCH_LEASE_MS } from '../../src/projections/catalog.ts';
import { FakeTime } from '../support/fake-time.ts';
import { MemoryReadStore } from '../support/memory-read-store.ts';

function catalogOf(clock = new FakeTime()): ProjectionCatalog {
  const readStore = new MemoryReadStore();
  return new ProjectionCatalog({ readStore, clock, projection: 'things', version: 1, log: 'the-log' });
}

const GRACE = { toCompact: () => false, graceMs: 1_000 };

describe('promotion', () => {
  it('a build that was given up is not promoted, though its number still stands among what is to be dropped', async () => {
    const catalog = catalogOf();
    const { generation } = await catalog.claimBuilding();
    await catalog.abandonBuilding(generation);
    await catalog.dropped(generation);
    expect(await catalog.promote(generation, GRACE)).toBeUndefined();
    expect((await catalog.begin()).live.generation).toBe(1);
  });

  it('a scratch generation is promoted until it is released', async () => {
    const catalog = catalogOf();
    const first = await catalog.claimScratch();
    expect((await catalog.promote(first, GRACE))?.live.generation).toBe(first);
    const second = await catalog.claimScratch();
    await catalog.releaseScratch(second);
    expect(await catalog.promote(second, GRACE)).toBeUndefined();
  });

  it('of a compacted copy ends the graces of what was replaced before, which may hold what was erased', async () => {
    const clock = new FakeTime();
    const catalog = catalogOf(clock);
    const rebuilt = await catalog.claimBuilding();
    await catalog.promote(rebuilt.generation, { ...GRACE, graceMs: 3_600_000 });
    const copy = await catalog.claimScratch();
    const entry = await catalog.promote(copy, { ...GRACE, endsGraces: true });
    expect(entry?.dropping).toEqual(
      [1, rebuilt.generation].map(generation => ({ generation, afterMs: clock.now() + 1_000 })),
    );
  });
});

describe('a scratch generation', () => {
  it('is kept for as long as its maker says that it is at work, and not a lease longer', async () => {
    const clock = new FakeTime();
    const catalog = catalogOf(clock);
    const generation = await catalog.claimScratch();
    const afterMs = async (): Promise<number | undefined> => (await catalog.begin()).dropping.at(-1)?.afterMs;
    await clock.advance(SCRATCH_LEASE_MS - 1);
    await catalog.renewScratch(generation);
    const renewedMs = clock.now() + SCRATCH_LEASE_MS;
    expect(await afterMs()).toBe(renewedMs);
    await clock.advance(SCRATCH_LEASE_MS);
    await catalog.renewScratch(generation);
    expect(await afterMs()).toBe(renewedMs);
  });

  it('that answers by now is neither renewed nor released', async () => {
    const catalog = catalogOf();
    const generation = await catalog.claimScratch();
    const promoted = await catalog.promote(generation, GRACE);
    await catalog.renewScratch(generation);
    expect(await catalog.releaseScratch(generation)).toEqual(promoted);
  });
});

describe('a generation that was dropped', () => {
  it('is not to be dropped again, and its number is not given again', async () => {
    const catalog = catalogOf();
    const generation = await catalog.claimScratch();
    await catalog.releaseScratch(generation);
    await catalog.dropped(generation);
    expect((await catalog.begin()).dropping).toEqual([{ generation, afterMs: GONE_MS }]);
    // And of all of them one number is kept.
    for (let number = generation + 1; number < generation + 5; number++) {
      expect(await catalog.claimScratch()).toBe(number);
      await catalog.dropped(number);
      expect((await catalog.begin()).dropping).toEqual([{ generation: number, afterMs: GONE_MS }]);
    }
  });
});
