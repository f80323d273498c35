import { expect, it } from 'vitest';
import { ProjectionCatalog, SCRATCH_LEASE_MS } from '../../src/projections/catalog.ts';
import { withScratch } from '../../src/projections/scratch.ts';
import type { CatalogEntry } from '../../src/read-store/read-store.ts';
import { FakeTime, turns } from '../support/fake-time.ts';
import { MemoryReadStore } from '../support/memory-read-store.ts';

function place() {
  const time = new FakeTime();
  const readStore = new MemoryReadStore();
  const catalog = new ProjectionCatalog({ readStore, clock: time, projection: 'things', version: 1, log: 'the-log' });
  const delay = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise(resolve => {
      const cancel = time.after(ms, resolve);
      signal?.addEventListener('abort', () => {
        cancel();
        resolve();
      });
    });
  const seen: CatalogEntry[] = [];
  const parts = { delay, drops: { see: (_: ProjectionCatalog, entry: CatalogEntry) => void seen.push(entry) } };
  return { time, catalog, parts, seen };
}

it('what works on a scratch generation for longer than a lease keeps it, and then gives it up at once', async () => {
  const { time, catalog, parts, seen } = place();
  let finish = (): void => undefined;
  const working = withScratch(parts, catalog, () => new Promise<void>(resolve => (finish = resolve)));
  await turns(5);
  for (let leases = 0; leases < 4; leases++) {
    await time.advance(SCRATCH_LEASE_MS);
    const [item] = (await catalog.begin()).dropping;
    expect(item?.afterMs).toBeGreaterThan(time.now());
  }
  finish();
  await working;
  expect(seen.at(-1)?.dropping).toMatchObject([{ afterMs: time.now() }]);
  // And is not renewed any more.
  const left = await catalog.begin();
  await time.advance(2 * SCRATCH_LEASE_MS);
  expect(await catalog.begin()).toEqual(left);
});

it('what fails gives up its scratch generation, and what took it into use keeps it', async () => {
  const { time, catalog, parts } = place();
  await expect(withScratch(parts, catalog, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect((await catalog.begin()).dropping).toMatchObject([{ afterMs: time.now() }]);
  const promotion = { toCompact: () => false, graceMs: 1_000 };
  const generation = await withScratch(parts, catalog, async number => {
    await catalog.promote(number, promotion);
    return number;
  });
  const entry = await catalog.begin();
  expect(entry.live.generation).toBe(generation);
  expect(entry.dropping.map(item => item.generation)).not.toContain(generation);
});
