/** Random documents, changed at random, walked at random: the answers are those of a model without indexes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { resolveWalk } from '../../src/read-store/index-walk.ts';
import type { IndexWalk, Scalar } from '../../src/read-store/read-store.ts';
import { matches, selectAndSort } from '../support/walk-model.ts';
import type { ReadStoreContract } from './contract.ts';
import { SCHEMA, THINGS_COLLECTION, at, put, remove, thing } from './things.ts';
import type { Thing } from './things.ts';

/** Few values, so that ties and hits are many. */
const text = fc.constantFrom('', 'a', 'a\0', 'a\u0001', 'ab', 'b', '￮', '𝒳', 'é', 'open', 'x'.repeat(300));
const number = fc.constantFrom(-2.5, -1, 0, 0.1, 1, 2, 1e15);
const bound = fc.oneof(text, number, fc.boolean());
const scalar = fc.oneof(bound, fc.constant(null));
const tenant = fc.constantFrom('acme', 'beta');
const direction = fc.constantFrom('forwards' as const, 'backwards' as const);

const content = fc.record(
  { tenant, status: fc.oneof(text, fc.constant(null)), rank: scalar, tags: fc.array(scalar, { maxLength: 3 }) },
  { requiredKeys: ['tenant'] },
);

const id = fc.constantFrom('a', 'aa', 'b', 'c', 'ä', '𝒳', '￮', 'long'.repeat(200));
/** Undefined deletes. */
const batch = fc.uniqueArray(fc.tuple(id, fc.option(content, { nil: undefined })), {
  selector: ([id]) => id,
  maxLength: 6,
});

const operator = fc.oneof(
  scalar,
  fc.record({ $in: fc.array(scalar, { maxLength: 3 }) }),
  fc.record({ $ne: scalar }),
  fc.record({ $exists: fc.boolean() }),
  bound.chain(value => fc.constantFrom({ $gt: value }, { $gte: value }, { $lt: value }, { $lte: value })),
);
const where = fc.record({ status: operator, rank: operator }, { requiredKeys: [] });

const range = bound.chain(value =>
  fc.record(
    { gt: sameType(value), gte: sameType(value), lt: sameType(value), lte: sameType(value) },
    { requiredKeys: [] },
  ),
);

function sameType(value: Scalar): fc.Arbitrary<Scalar> {
  if (typeof value === 'string') return text;
  return typeof value === 'number' ? number : fc.boolean();
}

const SHAPES = fc.constantFrom(
  { index: '_id', leading: [], trailing: ['_id'] },
  { index: 'by_rank', leading: ['tenant'], trailing: ['rank', '_id'] },
  { index: 'by_rank', leading: ['tenant', 'rank'], trailing: ['_id'] },
  { index: 'by_status', leading: ['tenant'], trailing: ['status', 'rank', '_id'] },
  { index: 'by_status', leading: ['tenant', 'status'], trailing: ['rank', '_id'] },
  { index: 'by_tag', leading: ['tenant', 'tags'], trailing: ['_id'] },
  { index: 'open_by_rank', leading: ['tenant', 'status'], trailing: ['rank', '_id'] },
);

const walk = SHAPES.chain(({ index, leading, trailing }) => {
  const valueOf = (field: string): fc.Arbitrary<Scalar> => {
    if (field === 'tenant') return tenant;
    if (field === '_id') return id.map(each => `acme/${each}`);
    return index === 'open_by_rank' && field === 'status' ? fc.constant('open') : scalar;
  };
  const [next = '_id'] = trailing;
  const boundsOf =
    next === '_id' ? fc.record({ gt: valueOf('_id'), lte: valueOf('_id') }, { requiredKeys: [] }) : range;
  return fc.record(
    {
      collection: fc.constant('things'),
      index: fc.constant(index),
      equals: fc.record(Object.fromEntries(leading.map(field => [field, valueOf(field)]))),
      direction,
      limit: fc.integer({ min: 1, max: 8 }),
      range: boundsOf.map(bounds => ({ field: next, ...bounds })),
      after: fc.tuple(...trailing.map(valueOf)),
      where,
    },
    { requiredKeys: ['collection', 'index', 'equals', 'direction', 'limit'] },
  );
});

export function describeRandomWalks({ make, randomRuns }: ReadStoreContract): void {
  describe('random walks', () => {
    test('answer as a model that looks at everything', { timeout: 120_000 }, async () => {
      const { store } = await make();
      let generations = 0;
      const batches = fc.array(batch, { minLength: 1, maxLength: 4 });
      const walks = fc.array(walk, { minLength: 1, maxLength: 20 });
      await fc.assert(
        fc.asyncProperty(batches, walks, async (batches, walks) => {
          generations += 1;
          const generation = await store.generation(SCHEMA, generations);
          const model = new Map<string, Thing>();
          for (const [i, batch] of batches.entries()) {
            const writes = batch.map(([name, content]) => {
              const before = model.get(name);
              const after = content && thing(name, { ...content, position: i + 1 });
              if (after) model.set(name, after);
              else model.delete(name);
              return after ? put(after, before) : remove(before ?? thing(name));
            });
            const from = i === 0 ? undefined : at(i);
            expect(await generation.commit({ from, to: at(i + 1), writes })).toBe('committed');
          }
          for (const walk of walks) {
            const wanted = expected(model.values(), walk);
            expect((await generation.walk(walk as IndexWalk)).documents, JSON.stringify(walk)).toEqual(wanted);
            const { documentsExamined, returned } = await generation.explain(walk);
            expect(returned).toBe(wanted.length);
            expect(documentsExamined).toBeGreaterThanOrEqual(returned);
          }
          await store.drop(SCHEMA.name, generations);
        }),
        { numRuns: randomRuns },
      );
    });
  });
}

function expected(documents: Iterable<Thing>, walk: IndexWalk): Thing[] {
  const selected = selectAndSort(documents, resolveWalk(THINGS_COLLECTION, walk), walk.direction);
  return selected.filter(document => matches(document, walk.where)).slice(0, walk.limit);
}
