/** The embedded read store's files: what is in them, what is not any more, and what a crash leaves there. */
import { mkdir, readFile, readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { open } from 'lmdb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { UnavailableError } from '../../src/errors.ts';
import { openEmbeddedReadStore } from '../../src/read-store/read-store.embedded.ts';
import type { ReadStore } from '../../src/read-store/read-store.ts';
import { NOT_MOUNTED, mountSmallDisk } from '../support/small-disk.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { SCHEMA, at, filled, names, put, remove, thing } from './things.ts';
import type { Thing } from './things.ts';

async function openStore(directory: string): Promise<ReadStore> {
  const store = await openEmbeddedReadStore({ directory });
  onTestFinished(() => store.close());
  return store;
}

/** Files below the folder that have the text in them. */
async function filesWith(directory: string, text: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name));
  const contents = await Promise.all(files.map(async file => ({ file, bytes: await readFile(file) })));
  return contents.filter(({ bytes }) => bytes.includes(text)).map(({ file }) => file.slice(directory.length + 1));
}

describe('the files of the embedded read store', () => {
  test('are a folder a generation, and one for the catalog', async () => {
    const directory = join(await tempFolder(), 'not', 'there', 'yet');
    const store = await openStore(directory);
    await filled(store, []);
    await filled(store, [], 12);
    expect((await readdir(directory)).toSorted()).toEqual(['catalog', 'sundries.1', 'sundries.12']);
    await store.drop('sundries', 1);
    expect((await readdir(directory)).toSorted()).toEqual(['catalog', 'sundries.12']);
  });

  test('are in folders that nobody else may read, as the rest of the data folder is', async () => {
    const directory = join(await tempFolder(), 'read-models');
    const store = await openStore(directory);
    await filled(store, [thing('a')]);
    const copy = await store.generation(SCHEMA, 2);
    await copy.checkpoint();
    for (const folder of ['.', ...(await readdir(directory))]) {
      const { mode } = await stat(join(directory, folder));
      expect((mode & 0o777).toString(8), folder).toBe('700');
    }
  });

  test('hold documents as JSON, of strings of any length', async () => {
    const directory = await tempFolder();
    const store = await openStore(directory);
    const document = thing('a', { text: 'long '.repeat(5_000), rank: 1.5, tags: ['x'] });
    await filled(store, [document]);
    await store.close();
    const environment = open({
      path: join(directory, 'sundries.1'),
      noSubdir: false,
      readOnly: true,
      encoding: 'binary',
    });
    onTestFinished(() => environment.close());
    const settings = { name: 'documents.things', encoding: 'binary', keyEncoding: 'binary' } as const;
    const documents = environment.openDB<Buffer, Buffer>(settings);
    expect(Array.from(documents.getRange(), ({ value }) => value.toString())).toEqual([JSON.stringify(document)]);
  });

  test('hold nothing of what was overwritten or deleted, once a compacted copy has taken their place', async () => {
    const directory = await tempFolder();
    const store = await openStore(directory);
    const secrets = ['a secret that was overwritten', 'a secret that was deleted', 'a secret tag that went'];
    const overwritten = thing('a', { text: secrets[0] ?? '' });
    const deleted = thing('b', { text: secrets[1] ?? '' });
    const tagged = thing('c', { tags: [secrets[2] ?? ''] });
    const generation = await filled(store, [overwritten, deleted, tagged, thing('d', { text: 'what stays' })]);
    const writes = [put(thing('a', { text: 'erased' }), overwritten), remove(deleted), put(thing('c'), tagged)];
    await generation.commit({ from: at(1), to: at(2), writes });
    for (const secret of secrets) expect(await filesWith(directory, secret)).toEqual(['sundries.1/data.mdb']);
    expect(await store.copyCompacted(SCHEMA, 1, 2)).toBe(true);
    await store.drop('sundries', 1);
    for (const secret of secrets) expect(await filesWith(directory, secret)).toEqual([]);
    expect(await filesWith(directory, 'what stays')).toEqual(['sundries.2/data.mdb']);
    const copy = await store.generation(SCHEMA, 2);
    expect(names(await copy.page('things', { after: undefined, limit: 9 }))).toEqual(['a', 'c', 'd']);
    expect(await copy.commit({ from: at(2), to: at(3), writes: [] })).toBe('committed');
  });

  test('are in a compacted copy as young as the copy, since lmdb aborts the process in a copy as old as its original', async () => {
    const directory = await tempFolder();
    const store = await openStore(directory);
    const generation = await filled(store, [thing('a')]);
    for (let commit = 1; commit <= 50; commit++)
      await generation.commit({ from: at(commit), to: at(commit + 1), writes: [put(thing(`b${commit}`))] });
    await store.copyCompacted(SCHEMA, 1, 2);
    await store.close();
    const ageOf = async (generation: string): Promise<number> => {
      const environment = open({ path: join(directory, generation), noSubdir: false, readOnly: true });
      const { lastTxnId } = environment.getStats() as { readonly lastTxnId: number };
      await environment.close();
      return lastTxnId;
    };
    // kriszyp/lmdb-js#317: `Assertion 'key.mv_size > 0' failed in mdb_page_alloc()`, some commits into lmdb's own copy.
    expect(await ageOf('sundries.1')).toBeGreaterThan(50);
    expect(await ageOf('sundries.2')).toBeLessThan(20);
  });

  test('are whole in copies of copies', async () => {
    const store = await openStore(await tempFolder());
    const present = new Map<string, Thing>();
    let generation = await filled(store, []);
    let position = 1;
    for (let copy = 1; copy <= 4; copy++) {
      // More rows than one transaction of a copy takes.
      for (let commit = 0; commit < 10; commit++, position++) {
        const writes = Array.from({ length: 60 }, (_, i) => {
          const document = thing(`${commit * 50 + i}`, { text: 'x'.repeat((i + 3) * copy * 31), position });
          return put(document, present.get(document._id));
        });
        expect(await generation.commit({ from: at(position), to: at(position + 1), writes })).toBe('committed');
        for (const { id, after } of writes) present.set(id, after as Thing);
      }
      await store.copyCompacted(SCHEMA, copy, copy + 1);
      generation = await store.generation(SCHEMA, copy + 1);
      await store.drop('sundries', copy);
      const found = await generation.page('things', { after: undefined, limit: 9_999 });
      expect(found).toEqual([...present.values()].toSorted((a, b) => (a._id < b._id ? -1 : 1)));
    }
  });

  test('are rid of what a crash left half dropped or half copied', async () => {
    const directory = await tempFolder();
    await filled(await openStore(directory), [thing('a')]);
    const leftovers = ['.dropped-sundries.7-x', '.draft-sundries.8', '.draft-oddments.9'].map(name =>
      join(directory, name),
    );
    const [dropped = '', oldDraft = '', youngDraft = ''] = leftovers;
    for (const folder of leftovers) {
      await mkdir(folder);
      await writeFile(join(folder, 'data.mdb'), 'half of it');
    }
    await utimes(oldDraft, 1, 1);
    await utimes(dropped, new Date(), new Date());
    const store = await openStore(directory);
    // Another thread may be at work on what is younger than this process.
    expect((await readdir(directory)).toSorted()).toEqual(['.draft-oddments.9', 'catalog', 'sundries.1']);
    await writeFile(join(youngDraft, 'more'), '');
    await store.copyCompacted({ ...SCHEMA, name: 'sundries' }, 1, 2);
    await (await store.generation({ ...SCHEMA, name: 'oddments' }, 1)).checkpoint();
    await store.copyCompacted({ ...SCHEMA, name: 'oddments' }, 1, 2);
    expect((await readdir(directory)).filter(name => name.startsWith('.'))).toEqual([]);
  });

  test('of a copy that was never named in the catalog give way to the next copy', async () => {
    const store = await openStore(await tempFolder());
    const generation = await filled(store, [thing('a')]);
    await store.copyCompacted(SCHEMA, 1, 2);
    await generation.commit({ from: at(1), to: at(2), writes: [put(thing('b'))] });
    await store.copyCompacted(SCHEMA, 1, 2);
    expect(await (await store.generation(SCHEMA, 2)).checkpoint()).toEqual(at(2));
    await expect(store.copyCompacted(SCHEMA, 77, 78)).rejects.toThrow('sundries.77');
  });

  test('take a commit of more rows than the limit whole', async () => {
    const store = await openStore(await tempFolder());
    expect(store.limits).toEqual({ documentsMax: 4_000, rowsMax: 16_384, bytesMax: 16_777_216 });
    const tags = Array.from({ length: 3 * store.limits.rowsMax }, (_, i) => `tag ${i}`);
    const generation = await filled(store, [thing('many', { tags }), thing('few', { tags: ['tag 700'] })]);
    const walk = { collection: 'things', index: 'by_tag', direction: 'forwards', limit: 9 } as const;
    const tagged = async (tags: string): Promise<string[]> =>
      names((await generation.walk<Thing>({ ...walk, equals: { tenant: 'acme', tags } })).documents);
    expect([await tagged('tag 0'), await tagged('tag 700')]).toEqual([['many'], ['few', 'many']]);
    await generation.commit({ from: at(1), to: at(2), writes: [remove(thing('many'))] });
    expect([await tagged('tag 0'), await tagged('tag 700')]).toEqual([[], ['few']]);
  });

  test('are not read with other indexes than they were written with', async () => {
    const directory = await tempFolder();
    const store = await openStore(directory);
    await filled(store, [thing('a')]);
    await store.release('sundries', 1);
    const [things, ...others] = SCHEMA.collections;
    const indexes = (things?.indexes ?? []).toReversed();
    const changed = { ...SCHEMA, collections: [{ name: 'things', indexes }, ...others] };
    await expect(store.generation(changed, 1)).rejects.toThrow('version');
  });

  test('that are cut off are not touched, and said to be damaged', async () => {
    const directory = await tempFolder();
    const store = await openStore(directory);
    await filled(store, [thing('a')]);
    await store.close();
    const file = join(directory, 'sundries.1', 'data.mdb');
    await writeFile(file, (await readFile(file)).subarray(0, 10_000));
    const again = await openStore(directory);
    await expect(again.generation(SCHEMA, 1)).rejects.toThrow(UnavailableError);
    await again.drop('sundries', 1);
    expect(await (await again.generation(SCHEMA, 1)).checkpoint()).toBeUndefined();
  });

  test('what cannot be written breaks nothing: documents, lists and a checkpoint that do not fit', async () => {
    const store = await openStore(await tempFolder());
    const generation = await filled(store, [thing('a')]);
    const commit = (document: Thing) =>
      generation.commit({ from: at(1), to: at(2), writes: [put(thing('b')), put(document)] });
    await expect(commit(thing('c', { rank: [1] as unknown as string, tags: ['x'] }))).resolves.toBe('committed');
    const bad = { ...thing('d'), rank: { a: 1 } } as unknown as Thing;
    const commitBad = generation.commit({ from: at(2), to: at(3), writes: [put(thing('e')), put(bad)] });
    await expect(commitBad).rejects.toThrow('rank');
    const twice = generation.commit({ from: at(2), to: at(3), writes: [put(thing('e')), put(thing('e'))] });
    await expect(twice).rejects.toThrow('twice');
    const huge = { ...thing('f'), more: 1n } as unknown as Thing;
    await expect(generation.commit({ from: at(2), to: at(3), writes: [put(thing('e')), put(huge)] })).rejects.toThrow();
    expect(await generation.checkpoint()).toEqual(at(2));
    expect(await generation.load('things', ['acme/e'])).toEqual([undefined]);
  });

  test('on a full disk keep what was committed, and go on once there is room', { timeout: 60_000 }, async context => {
    const directory = await tempFolder();
    if (!(await mountSmallDisk(directory, 1_024))) return context.skip(NOT_MOUNTED);
    const store = await openEmbeddedReadStore({ directory });
    const generation = await filled(store, [thing('a')]);
    let committed = 1;
    let failure: unknown;
    while (failure === undefined && committed < 100) {
      const writes = [put(thing(`n${committed}`, { text: 'x'.repeat(60_000) }))];
      try {
        await generation.commit({ from: at(committed), to: at(committed + 1), writes });
        committed += 1;
      } catch (error) {
        failure = error;
      }
    }
    expect(failure).toBeInstanceOf(UnavailableError);
    expect(store.trouble()).toContain('cannot be written');
    expect(await generation.checkpoint()).toEqual(at(committed));
    expect(await generation.counts()).toEqual({ things: committed, others: 0 });
    const room = [remove(thing('n1')), remove(thing('n2'))];
    expect(await generation.commit({ from: at(committed), to: at(committed + 1), writes: room })).toBe('committed');
    expect(store.trouble()).toBeUndefined();
    expect(await generation.counts()).toEqual({ things: committed - 2, others: 0 });
    await store.close();
  });
});
