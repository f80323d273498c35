/** What every read store must do. Each adapter's test calls describeReadStore with a way to make an empty one. */
import { describe, expect, test } from 'vitest';
import type { CatalogEntry, ReadStore } from '../../src/read-store/read-store.ts';
import { describeRandomWalks } from './contract-random-walks.ts';
import { describeWalks } from './contract-walks.ts';
import { SCHEMA, at, filled, names, put, remove, thing } from './things.ts';

export interface ReadStoreFixture {
  readonly store: ReadStore;
  /** A second handle on the same documents, as another process has one; closed by the fixture's owner. */
  another(): Promise<ReadStore>;
}

export interface ReadStoreContract {
  /** An empty store, closed and removed when the test has finished. */
  readonly make: () => Promise<ReadStoreFixture>;
  /** Runs of the random walks. */
  readonly randomRuns: number;
  /** Whether it can make compacted copies. */
  readonly copies: boolean;
  /** What its plans are held to: `index`: that one is used, where the engine's counts are not to be believed. Default `exact`. */
  readonly plans?: 'exact' | 'index' | 'unchecked';
}

export function describeReadStore(name: string, contract: ReadStoreContract): void {
  describe(name, () => {
    describeCommits(contract);
    describeGenerations(contract);
    describeCatalog(contract);
    describeWalks(contract);
    describeRandomWalks(contract);
  });
}

function describeCommits({ make }: ReadStoreContract): void {
  describe('commits', () => {
    test('a generation begins empty and without a checkpoint', async () => {
      const { store } = await make();
      const generation = await store.generation(SCHEMA, 1);
      expect(await generation.checkpoint()).toBeUndefined();
      expect(await generation.load('things', ['acme/a'])).toEqual([undefined]);
      expect(await generation.counts()).toEqual({ things: 0, others: 0 });
      expect(await generation.page('things', { after: undefined, limit: 10 })).toEqual([]);
    });

    test('documents are loaded as they were written, in the order of the ids', async () => {
      const { store } = await make();
      const nested = {
        ...thing('a', { rank: -0.5, tags: ['x', 'y'], text: 'tab\t, nul \0, 𝒳 and ü' }),
        more: [{ n: 1 }],
      };
      const parked = thing('b', { parked: true, status: null });
      const generation = await filled(store, [nested, parked]);
      expect(await generation.load('things', ['acme/b', 'acme/none', 'acme/a'])).toEqual([parked, undefined, nested]);
      expect(await generation.load('things', [])).toEqual([]);
      expect(await generation.load('others', ['acme/a'])).toEqual([undefined]);
      expect(await generation.checkpoint()).toEqual(at(1));
    });

    test('documents change, go, and come with their checkpoint', async () => {
      const { store } = await make();
      const [kept, changed, gone] = [thing('kept'), thing('changed', { rank: 1 }), thing('gone', { rank: 2 })];
      const generation = await filled(store, [kept, changed, gone]);
      const after = thing('changed', { rank: 3, position: 2 });
      const added = thing('added', { position: 2 });
      const writes = [put(after, changed), remove(gone), put(added)];
      expect(await generation.commit({ from: at(1), to: at(2), writes })).toBe('committed');
      expect(await generation.page('things', { after: undefined, limit: 10 })).toEqual([added, after, kept]);
      expect(await generation.checkpoint()).toEqual(at(2));
      expect(await generation.counts()).toEqual({ things: 3, others: 0 });
    });

    test('a commit without writes moves the checkpoint, and one may keep it', async () => {
      const { store } = await make();
      const generation = await filled(store, []);
      expect(await generation.commit({ from: at(1), to: at(9), writes: [] })).toBe('committed');
      expect(await generation.commit({ from: at(9), to: at(9), writes: [put(thing('a'))] })).toBe('committed');
      expect(await generation.checkpoint()).toEqual(at(9));
      expect(await generation.counts()).toEqual({ things: 1, others: 0 });
    });

    test('a commit from another checkpoint is stale, and writes nothing', async () => {
      const { store } = await make();
      const generation = await filled(store, [thing('a', { rank: 1 })]);
      const writes = [put(thing('a', { rank: 2 })), put(thing('b'))];
      for (const from of [undefined, at(0), at(2), { ...at(1), createdMs: 0 }])
        expect(await generation.commit({ from, to: at(3), writes })).toBe('stale');
      expect(await generation.checkpoint()).toEqual(at(1));
      expect(await generation.page('things', { after: undefined, limit: 10 })).toEqual([thing('a', { rank: 1 })]);
    });

    test('of a large commit and a small one from one checkpoint one is there, whole, and of the other nothing', async () => {
      const { store, another } = await make();
      const other = await another();
      const [large, small] = [await store.generation(SCHEMA, 1), await other.generation(SCHEMA, 1)];
      const many = Array.from({ length: 300 }, (_, i) => thing(`large-${String(i).padStart(3, '0')}`, { rank: i }));
      const results = await Promise.all([
        large.commit({ from: undefined, to: at(1), writes: many.map(document => put(document)) }),
        small.commit({ from: undefined, to: at(1), writes: [put(thing('small', { rank: 1 }))] }),
      ]);
      expect(results.toSorted()).toEqual(['committed', 'stale']);
      const expected = results[0] === 'committed' ? many : [thing('small', { rank: 1 })];
      for (const generation of [large, small]) {
        expect(await generation.page('things', { after: undefined, limit: 400 })).toEqual(expected);
        const walk = { collection: 'things', index: 'by_rank', direction: 'forwards', limit: 400 } as const;
        const { documents } = await generation.walk({ ...walk, equals: { tenant: 'acme' } });
        expect(names(documents)).toEqual(names(expected));
      }
    });

    test('of two handles that commit from one checkpoint, exactly one does, every time', async () => {
      const { store, another } = await make();
      const other = await another();
      const generations = [await store.generation(SCHEMA, 1), await other.generation(SCHEMA, 1)];
      for (let position = 0; position < 10; position++) {
        const from = position === 0 ? undefined : at(position);
        const results = await Promise.all(
          generations.map((generation, i) =>
            generation.commit({ from, to: at(position + 1), writes: [put(thing(`${position}-${i}`))] }),
          ),
        );
        expect(results.toSorted()).toEqual(['committed', 'stale']);
        const won = results.indexOf('committed');
        for (const generation of generations)
          expect(await generation.load('things', [`acme/${position}-0`, `acme/${position}-1`])).toEqual(
            [0, 1].map(i => (i === won ? thing(`${position}-${i}`) : undefined)),
          );
      }
    });

    test('an unknown collection is a bug, for reading and for writing', async () => {
      const { store } = await make();
      const generation = await store.generation(SCHEMA, 1);
      await expect(generation.load('nothing', ['acme/a'])).rejects.toThrow('nothing');
      await expect(generation.page('nothing', { after: undefined, limit: 1 })).rejects.toThrow('nothing');
      const write = { ...put(thing('a')), collection: 'nothing' };
      await expect(generation.commit({ from: undefined, to: at(1), writes: [write] })).rejects.toThrow('nothing');
      expect(await generation.checkpoint()).toBeUndefined();
    });

    test('pages lead through all documents in the order of _id', async () => {
      const { store } = await make();
      const ids = ['a', 'a\0', 'a b', 'a/b', 'ab', 'ä', '￮', '𝒳', 'x'.repeat(900)];
      const generation = await filled(
        store,
        ids.map(id => thing(id)),
      );
      const seen: string[] = [];
      for (let after: string | undefined; ; after = `acme/${seen.at(-1) ?? ''}`) {
        const page = await generation.page('things', { after, limit: 2 });
        if (page.length === 0) break;
        seen.push(...names(page));
      }
      expect(seen).toEqual(ids.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    });
  });
}

function describeGenerations({ make, copies }: ReadStoreContract): void {
  describe('generations', () => {
    test('stand beside each other, and asked for again one is the same object', async () => {
      const { store } = await make();
      const first = await filled(store, [thing('a')]);
      const second = await filled(store, [thing('a', { rank: 2 }), thing('b')], 2);
      expect(await store.generation(SCHEMA, 1)).toBe(first);
      expect(await first.page('things', { after: undefined, limit: 9 })).toEqual([thing('a')]);
      expect(await second.counts()).toEqual({ things: 2, others: 0 });
      expect([first.number, second.number, second.schema]).toEqual([1, 2, SCHEMA]);
    });

    test('two projections may have the same numbers', async () => {
      const { store } = await make();
      await filled(store, [thing('a')]);
      const other = await store.generation({ ...SCHEMA, name: 'oddments' }, 1);
      expect(await other.checkpoint()).toBeUndefined();
      await store.drop('oddments', 1);
      expect(await (await store.generation(SCHEMA, 1)).checkpoint()).toEqual(at(1));
    });

    test('a dropped one is gone with everything, and dropping again is no error', async () => {
      const { store } = await make();
      await filled(store, [thing('a')]);
      await filled(store, [thing('a')], 2);
      await store.drop('sundries', 1);
      await store.drop('sundries', 1);
      await store.drop('sundries', 77);
      expect(await (await store.generation(SCHEMA, 1)).checkpoint()).toBeUndefined();
      expect(await (await store.generation(SCHEMA, 1)).counts()).toEqual({ things: 0, others: 0 });
      expect(await (await store.generation(SCHEMA, 2)).checkpoint()).toEqual(at(1));
    });

    test('a released one is opened again with what was in it', async () => {
      const { store } = await make();
      await filled(store, [thing('a')]);
      await store.release('sundries', 1);
      await store.release('sundries', 77);
      const again = await store.generation(SCHEMA, 1);
      expect(await again.load('things', ['acme/a'])).toEqual([thing('a')]);
      expect(await again.commit({ from: at(1), to: at(2), writes: [] })).toBe('committed');
    });

    test('another handle sees at once what one has committed', async () => {
      const { store, another } = await make();
      const generation = await filled(store, [thing('a')]);
      const seen = await (await another()).generation(SCHEMA, 1);
      expect(await seen.load('things', ['acme/a'])).toEqual([thing('a')]);
      for (let position = 1; position < 5; position++) {
        await generation.commit({ from: at(position), to: at(position + 1), writes: [put(thing(`${position}`))] });
        expect(await seen.checkpoint()).toEqual(at(position + 1));
        expect(await seen.load('things', [`acme/${position}`])).toEqual([thing(`${position}`)]);
      }
    });

    test(
      copies ? 'a compacted copy has everything' : 'no compacted copy is made where files are not ours',
      async () => {
        const { store } = await make();
        const documents = [thing('a', { rank: 1, tags: ['x'] }), thing('b')];
        await filled(store, documents);
        expect(await store.copyCompacted(SCHEMA, 1, 2)).toBe(copies);
        const copy = await store.generation(SCHEMA, 2);
        expect(await copy.checkpoint()).toEqual(copies ? at(1) : undefined);
        expect(await copy.page('things', { after: undefined, limit: 9 })).toEqual(copies ? documents : []);
        const walk = { collection: 'things', index: 'by_tag', direction: 'forwards', limit: 9 } as const;
        const found = await copy.walk({ ...walk, equals: { tenant: 'acme', tags: 'x' } });
        expect(names(found.documents)).toEqual(copies ? ['a'] : []);
      },
    );
  });
}

const ENTRY: CatalogEntry = {
  projection: 'sundries',
  live: { generation: 1, version: 1 },
  dropping: [],
  toCompact: false,
  log: '6f1c1f3e-0000-4000-8000-000000000000',
};

function describeCatalog({ make }: ReadStoreContract): void {
  describe('the catalog', () => {
    test('begins empty, and has an entry a projection', async () => {
      const { store } = await make();
      expect(await store.catalog('sundries')).toBeUndefined();
      expect(await store.changeCatalog('sundries', undefined, ENTRY)).toBe(true);
      expect(await store.catalog('sundries')).toEqual(ENTRY);
      expect(await store.catalog('oddments')).toBeUndefined();
    });

    test('changes only from what it is', async () => {
      const { store } = await make();
      await store.changeCatalog('sundries', undefined, ENTRY);
      const next: CatalogEntry = {
        ...ENTRY,
        building: { generation: 2, version: 2 },
        dropping: [{ generation: 7, afterMs: 1 }],
      };
      expect(await store.changeCatalog('sundries', undefined, next)).toBe(false);
      expect(await store.changeCatalog('sundries', { ...ENTRY, toCompact: true }, next)).toBe(false);
      expect(await store.changeCatalog('sundries', next, next)).toBe(false);
      expect(await store.changeCatalog('sundries', ENTRY, next)).toBe(true);
      expect(await store.changeCatalog('sundries', ENTRY, next)).toBe(false);
      expect(await store.catalog('sundries')).toEqual(next);
      expect(await store.changeCatalog('sundries', next, ENTRY)).toBe(true);
    });

    test('of two handles that change one entry, exactly one does, and both see it', async () => {
      const { store, another } = await make();
      const stores = [store, await another()];
      let present: CatalogEntry | undefined;
      for (let round = 1; round < 6; round++) {
        const wanted = stores.map((_, i): CatalogEntry => ({ ...ENTRY, live: { generation: round, version: i + 1 } }));
        const from = present;
        const changed = await Promise.all(
          stores.map((each, i) => each.changeCatalog('sundries', from, wanted[i] ?? ENTRY)),
        );
        expect(changed.toSorted()).toEqual([false, true]);
        present = wanted[changed.indexOf(true)];
        for (const each of stores) expect(await each.catalog('sundries')).toEqual(present);
      }
    });
  });
}
