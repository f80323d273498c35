/** Walks along indexes, told one by one; contract-random-walks.ts holds them against a model. */
import { describe, expect, test } from 'vitest';
import type { Generation, IndexWalk, Scalar } from '../../src/read-store/read-store.ts';
import type { ReadStoreContract } from './contract.ts';
import { at, filled, names, put, remove, thing } from './things.ts';
import type { Thing } from './things.ts';

const WALK = {
  collection: 'things',
  index: 'by_rank',
  equals: { tenant: 'acme' },
  direction: 'forwards',
  limit: 100,
} as const;

async function walked(generation: Generation, walk: Partial<IndexWalk>): Promise<string[]> {
  const { documents } = await generation.walk({ ...WALK, ...walk });
  return names(documents);
}

export function describeWalks(contract: ReadStoreContract): void {
  describe('walks', () => {
    describeOrder(contract);
    describeKinds(contract);
    describeFilters(contract);
    describeCosts(contract);
    describeMisfits(contract);
  });
}

function describeOrder({ make }: ReadStoreContract): void {
  test('go through what equals, in the order of the next field, either way', async () => {
    const { store } = await make();
    const other = { ...thing('z', { rank: 0 }), _id: 'beta/z', tenant: 'beta' };
    const generation = await filled(store, [
      thing('a', { rank: 3 }),
      thing('b', { rank: 1 }),
      thing('c', { rank: 2 }),
      other,
    ]);
    expect(await walked(generation, {})).toEqual(['b', 'c', 'a']);
    expect(await walked(generation, { direction: 'backwards' })).toEqual(['a', 'c', 'b']);
    expect(await walked(generation, { limit: 2 })).toEqual(['b', 'c']);
    expect(await walked(generation, { equals: { tenant: 'beta' } })).toEqual(['z']);
    expect(await walked(generation, { equals: { tenant: 'acm' } })).toEqual([]);
  });

  test('order numbers by their value, negative and fractional ones too', async () => {
    const { store } = await make();
    const ranks = [
      -1e300,
      -(2 ** 53),
      -10,
      -1.5,
      -1,
      -1e-9,
      0,
      5e-324,
      0.1,
      1,
      1.5,
      2,
      10,
      255,
      256,
      2 ** 53 - 1,
      1e300,
    ];
    const generation = await filled(
      store,
      ranks.toReversed().map(rank => thing(`${rank}`, { rank })),
    );
    expect(await walked(generation, {})).toEqual(ranks.map(String));
    const range = { field: 'rank', gte: -1.5, lt: 1 };
    expect(await walked(generation, { range })).toEqual(['-1.5', '-1', '-1e-9', '0', '5e-324', '0.1']);
  });

  test('order strings by their UTF-8 bytes, control characters and those beyond 16 bits too', async () => {
    const { store } = await make();
    const ranks = [
      '',
      '\0',
      '\0\0',
      '\u0001',
      '\u0002',
      '\u001f',
      ' ',
      'a',
      'a\0',
      'a\u0001b',
      'a ',
      'aa',
      'b',
      'é',
      '￮',
      '𝒳',
    ];
    const generation = await filled(
      store,
      ranks.toReversed().map(rank => thing(`n${ranks.indexOf(rank)}`, { rank })),
    );
    const inOrder = ranks.map((_, i) => `n${i}`);
    expect(await walked(generation, {})).toEqual(inOrder);
    expect(await walked(generation, { direction: 'backwards' })).toEqual(inOrder.toReversed());
    for (const [i, rank] of ranks.entries()) {
      expect(await walked(generation, { range: { field: 'rank', gt: rank } })).toEqual(inOrder.slice(i + 1));
      expect(await walked(generation, { range: { field: 'rank', lte: rank } })).toEqual(inOrder.slice(0, i + 1));
    }
  });

  test('order nulls and what is missing first, then numbers, strings, false and true; a range stays in its type', async () => {
    const { store } = await make();
    const generation = await filled(store, [
      thing('t', { rank: true }),
      thing('f', { rank: false }),
      thing('s', { rank: 'x' }),
      thing('n', { rank: 7 }),
      thing('null', { rank: null }),
      thing('missing'),
    ]);
    expect(await walked(generation, {})).toEqual(['missing', 'null', 'n', 's', 'f', 't']);
    expect(await walked(generation, { range: { field: 'rank', gt: -1 } })).toEqual(['n']);
    expect(await walked(generation, { range: { field: 'rank', lt: 100 } })).toEqual(['n']);
    expect(await walked(generation, { range: { field: 'rank', lte: 'y' }, direction: 'backwards' })).toEqual(['s']);
    expect(await walked(generation, { range: { field: 'rank', gte: false } })).toEqual(['f', 't']);
    expect(await walked(generation, { equals: { tenant: 'acme', rank: null } })).toEqual(['missing', 'null']);
  });
}

function describeKinds({ make }: ReadStoreContract): void {
  test('apply each bound that a range has', async () => {
    const { store } = await make();
    const generation = await filled(
      store,
      [1, 2, 3, 4, 5].map(rank => thing(`${rank}`, { rank })),
    );
    const range = (bounds: object, direction: IndexWalk['direction'] = 'forwards'): Promise<string[]> =>
      walked(generation, { range: { field: 'rank', ...bounds }, direction });
    expect(await range({ gte: 2, lte: 4 })).toEqual(['2', '3', '4']);
    expect(await range({ gt: 2, lt: 4 })).toEqual(['3']);
    expect(await range({ gt: 2 }, 'backwards')).toEqual(['5', '4', '3']);
    expect(await range({ lte: 2 }, 'backwards')).toEqual(['2', '1']);
    expect(await range({ gt: 1, gte: 3 })).toEqual(['3', '4', '5']);
    expect(await range({ lt: 3, lte: 4 })).toEqual(['1', '2']);
    expect(await range({ gt: 4, lt: 2 })).toEqual([]);
    expect(await range({})).toHaveLength(5);
  });

  test('go on behind a place, at ties by _id, whether or not its document is still there', async () => {
    const { store } = await make();
    const things = ['a', 'b', 'c', 'd', 'e'].map((id, i) => thing(id, { rank: i < 4 ? 1 : 2 }));
    const generation = await filled(store, things);
    const after = (...place: Scalar[]): Partial<IndexWalk> => ({ after: place });
    expect(await walked(generation, after(1, 'acme/b'))).toEqual(['c', 'd', 'e']);
    expect(await walked(generation, { ...after(1, 'acme/b'), direction: 'backwards' })).toEqual(['a']);
    expect(await walked(generation, { ...after(2, 'acme/e'), direction: 'backwards' })).toEqual(['d', 'c', 'b', 'a']);
    expect(await walked(generation, after(1, 'acme/bb'))).toEqual(['c', 'd', 'e']);
    expect(await walked(generation, { ...after(1, 'acme/b'), range: { field: 'rank', lte: 1 } })).toEqual(['c', 'd']);
    expect(await walked(generation, { equals: { tenant: 'acme', rank: 1 }, ...after('acme/c') })).toEqual(['d']);
    expect(await walked(generation, after(null, 'acme/zz'))).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(await walked(generation, after(2, 'acme/e'))).toEqual([]);
  });

  test('find a document under each element of a list, once', async () => {
    const { store } = await make();
    const generation = await filled(store, [
      thing('two', { tags: ['x', 'y', 'x'] }),
      thing('one', { tags: ['x'] }),
      thing('none', { tags: [] }),
      thing('missing'),
    ]);
    const tagged = (tags: Scalar): Promise<string[]> =>
      walked(generation, { index: 'by_tag', equals: { tenant: 'acme', tags } });
    expect(await tagged('x')).toEqual(['one', 'two']);
    expect(await tagged('y')).toEqual(['two']);
    expect(await tagged('z')).toEqual([]);
    expect(await tagged(null)).toEqual(['missing']);
    const before = thing('two', { tags: ['x', 'y', 'x'] });
    await generation.commit({ from: at(1), to: at(2), writes: [put(thing('two', { tags: ['y', 'z'] }), before)] });
    expect([await tagged('x'), await tagged('y'), await tagged('z')]).toEqual([['one'], ['two'], ['two']]);
  });

  test('of a partial index find only what is in it, and follow documents into it and out of it', async () => {
    const { store } = await make();
    const things = [
      thing('a', { rank: 2, status: 'open' }),
      thing('b', { rank: 1, status: 'open' }),
      thing('c', { rank: 0 }),
    ];
    const generation = await filled(store, things);
    const open = { index: 'open_by_rank', equals: { tenant: 'acme', status: 'open' } };
    expect(await walked(generation, open)).toEqual(['b', 'a']);
    expect(await walked(generation, { ...open, range: { field: 'rank', gt: 1 } })).toEqual(['a']);
    expect(await walked(generation, { ...open, after: [1, 'acme/b'] })).toEqual(['a']);
    const [a = thing(''), b = thing(''), c = thing('')] = things;
    const writes = [
      put(thing('a', { rank: 2, status: 'shut' }), a),
      put(thing('c', { rank: 0, status: 'open' }), c),
      remove(b),
    ];
    await generation.commit({ from: at(1), to: at(2), writes });
    expect(await walked(generation, open)).toEqual(['c']);
    expect(await walked(generation, {})).toEqual(['c', 'a']);
  });

  test('go along _id, within a range of it', async () => {
    const { store } = await make();
    const generation = await filled(
      store,
      ['x/1', 'x/2', 'x/3', 'y/1'].map(id => thing(id)),
    );
    const walk = { index: '_id', equals: {} };
    const range = { field: '_id', gte: 'acme/x/', lt: 'acme/x0' };
    expect(await walked(generation, { ...walk, range })).toEqual(['x/1', 'x/2', 'x/3']);
    expect(await walked(generation, { ...walk, range, direction: 'backwards', limit: 2 })).toEqual(['x/3', 'x/2']);
    expect(await walked(generation, { ...walk, range, after: ['acme/x/1'] })).toEqual(['x/2', 'x/3']);
    expect(await walked(generation, { ...walk, equals: { _id: 'acme/x/2' } })).toEqual(['x/2']);
  });

  test('find values and ids of great length, whatever is behind their beginnings', async () => {
    const { store } = await make();
    const long = 'é\0'.repeat(500);
    const ids = ['1', '2', '3'].map(end => `${'%F0%9F%98%80'.repeat(200)}${end}`);
    const documents = ids.map((id, i) => thing(id, { rank: `${long}${i}`, tags: [`${long}${i}`, long], status: long }));
    const generation = await filled(store, [...documents, thing('short', { rank: 'é', tags: ['é'], status: 'é' })]);
    const found = async (walk: Partial<IndexWalk>): Promise<string[]> => (await walked(generation, walk)).toSorted();
    for (const [i, id] of ids.entries()) {
      expect(await generation.load('things', [`acme/${id}`])).toEqual([documents[i]]);
      expect(await found({ equals: { tenant: 'acme', rank: `${long}${i}` } })).toEqual([id]);
      expect(await found({ index: 'by_tag', equals: { tenant: 'acme', tags: `${long}${i}` } })).toEqual([id]);
      expect(await found({ range: { field: 'rank', gt: `${long}${i}` } })).toEqual(ids.slice(i + 1));
      expect(await found({ range: { field: 'rank', gte: 'é\0', lt: `${long}${i}` } })).toEqual(ids.slice(0, i));
      expect(await found({ index: '_id', equals: {}, range: { field: '_id', gt: `acme/${id}` } })).toEqual([
        ...ids.slice(i + 1),
        'short',
      ]);
    }
    expect(await found({ index: 'by_status', equals: { tenant: 'acme', status: long } })).toEqual(ids);
    // Place by place, each is come by once.
    const seen: string[] = [];
    for (let after: Scalar[] | undefined; seen.length < 5;) {
      const { documents } = await generation.walk<Thing>({ ...WALK, limit: 1, ...(after && { after }) });
      const [next] = documents;
      if (next === undefined) break;
      seen.push(...names([next]));
      after = [next.rank ?? null, next._id];
    }
    expect(seen.toSorted()).toEqual([...ids, 'short']);
  });
}

function describeFilters({ make }: ReadStoreContract): void {
  test('leave out what where refuses, by each operator', async () => {
    const { store } = await make();
    const generation = await filled(store, [
      thing('1', { rank: 1, status: 'a', text: '￮' }),
      thing('2', { rank: 2, status: 'b', text: '𝒳' }),
      thing('3', { rank: 3, status: null }),
      thing('4', { rank: 4 }),
    ]);
    const where = (filter: Record<string, unknown>): Promise<string[]> => walked(generation, { where: filter });
    expect(await where({})).toEqual(['1', '2', '3', '4']);
    expect(await where({ status: 'a' })).toEqual(['1']);
    expect(await where({ status: null })).toEqual(['3', '4']);
    expect(await where({ status: { $in: ['a', 'b', 'c'] } })).toEqual(['1', '2']);
    expect(await where({ status: { $in: ['a', null] } })).toEqual(['1', '3', '4']);
    expect(await where({ status: { $in: [] } })).toEqual([]);
    expect(await where({ status: { $ne: 'a' } })).toEqual(['2', '3', '4']);
    expect(await where({ status: { $ne: null } })).toEqual(['1', '2']);
    expect(await where({ status: { $exists: true } })).toEqual(['1', '2', '3']);
    expect(await where({ status: { $exists: false } })).toEqual(['4']);
    expect(await where({ status: { $gt: 'a' } })).toEqual(['2']);
    expect(await where({ rank: { $gt: 1, $lte: 3 } })).toEqual(['2', '3']);
    expect(await where({ rank: { $gte: 3 } })).toEqual(['3', '4']);
    expect(await where({ rank: { $lt: 2 }, status: 'a' })).toEqual(['1']);
    expect(await where({ rank: { $lt: 'z' } })).toEqual([]);
    expect(await where({ text: { $gt: '￮' } })).toEqual(['2']);
    expect(await where({ text: { $lte: '￮' } })).toEqual(['1']);
    expect(await walked(generation, { where: { rank: { $ne: 1 } }, limit: 2, direction: 'backwards' })).toEqual([
      '4',
      '3',
    ]);
  });
}

function describeCosts({ make, plans = 'exact' }: ReadStoreContract): void {
  test('say up to which position they show', async () => {
    const { store } = await make();
    const empty = await store.generation(
      { name: 'empty', version: 1, collections: [{ name: 'things', indexes: [] }] },
      1,
    );
    const walk = { ...WALK, index: '_id', equals: {} };
    expect(await empty.walk(walk)).toEqual({ documents: [], position: undefined });
    const generation = await filled(store, [thing('a')]);
    await generation.commit({ from: at(1), to: at(42), writes: [] });
    expect(await generation.walk(walk)).toEqual({ documents: [thing('a')], position: 42 });
  });

  if (plans === 'unchecked') return;
  test('fetch what they give and what where refuses, and nothing else', async () => {
    const { store } = await make();
    const generation = await filled(
      store,
      Array.from({ length: 60 }, (_, i) =>
        thing(String(i).padStart(2, '0'), { rank: i, status: i % 3 ? 'open' : 'shut' }),
      ),
    );
    const plan = (walk: Partial<IndexWalk>) => generation.explain({ ...WALK, ...walk });
    const examined = async (walk: Partial<IndexWalk>, returned: number, refused: number): Promise<void> => {
      const costs = await plan(walk);
      expect(costs.usesIndex).toBe(true);
      expect(costs.returned).toBe(returned);
      expect(costs.documentsExamined).toBeGreaterThanOrEqual(returned);
      if (plans === 'exact') expect(costs.documentsExamined).toBeLessThanOrEqual(returned + refused);
    };
    await examined({ limit: 10 }, 10, 0);
    await examined({ limit: 10, direction: 'backwards', after: [30, 'acme/30'] }, 10, 0);
    await examined({ range: { field: 'rank', gte: 10, lt: 15 } }, 5, 0);
    await examined({ index: 'by_status', equals: { tenant: 'acme', status: 'shut' } }, 20, 0);
    await examined({ index: 'open_by_rank', equals: { tenant: 'acme', status: 'open' }, limit: 7 }, 7, 0);
    await examined({ index: '_id', equals: {}, range: { field: '_id', gte: 'acme/10', lt: 'acme/2' } }, 10, 0);
    await examined({ where: { status: 'open' }, limit: 10 }, 10, 5);
    await examined({ where: { status: 'none' }, range: { field: 'rank', lt: 9 } }, 0, 9);
  });
}

function describeMisfits({ make }: ReadStoreContract): void {
  const MISFITS: Readonly<Record<string, Partial<IndexWalk>>> = {
    'an index that is not declared': { index: 'by_colour' },
    'a collection that is not declared': { collection: 'nothing' },
    'a field that is not at the head of the index': { equals: { tenant: 'acme', status: 'open' } },
    'a gap in the leading fields': { index: 'by_status', equals: { tenant: 'acme', rank: 1 } },
    'a partial index without its condition': { index: 'open_by_rank' },
    'a partial index with another condition': { index: 'open_by_rank', equals: { tenant: 'acme', status: 'shut' } },
    'a range of another field than the next': { range: { field: 'status', gt: 'a' } },
    'a range of two types': { range: { field: 'rank', gt: 1, lt: 'a' } },
    'a range from null': { range: { field: 'rank', gte: null } },
    'a place of another length': { after: ['acme/a'] },
    'a place that is no scalar': { after: [Number.NaN, 'acme/a'] },
    'an operator that no walk knows': { where: { status: { $regex: 'a' } } },
    'an operator at the top': { where: { $or: [{ status: 'a' }] } },
    'a path': { where: { 'a.b': 1 } },
    'a list to be equal to': { where: { tags: ['x'] } },
    'an empty condition': { where: { status: {} } },
    'an order to null': { where: { rank: { $gt: null } } },
    'no limit': { limit: 0 },
    'a broken limit': { limit: 1.5 },
  };
  test.each(Object.entries(MISFITS))('are refused as a bug where they have %s', async (_, misfit) => {
    const { store } = await make();
    const generation = await filled(store, [thing('a')]);
    await expect(generation.walk({ ...WALK, ...misfit })).rejects.toThrow(Error);
    await expect(generation.explain({ ...WALK, ...misfit })).rejects.toThrow(Error);
  });
}
