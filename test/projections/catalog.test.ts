import { describe, expect, it } from 'vitest';
import { ProjectionCatalog } from '../../src/projections/catalog.ts';
import { FakeTime } from '../support/fake-time.ts';
import { MemoryReadStore } from '../support/memory-read-store.ts';

function catalogOf(): ProjectionCatalog {
  const readStore = new MemoryReadStore();
  return new ProjectionCatalog({ readStore, clock: new FakeTime(), projection: 'things', version: 1, log: 'the-log' });
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
});
