/** What is written of a changed document makes, of what was there, exactly what was meant: without a server, and on one. */
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { differenceOf } from '../../src/read-store/mongodb/document-difference.ts';
import { documentOf, rowOf, storedName, storedValue } from '../../src/read-store/mongodb/stored-form.ts';
import { openMongoDbReadStore } from '../../src/read-store/read-store.mongodb.ts';
import type { ProjectionSchema, StoredDocument } from '../../src/read-store/read-store.ts';
import { findMongoDb, sharedMongoDb, withClient } from '../support/mongodb-server.ts';

type Content = Readonly<Record<string, unknown>>;

/** Everything that MongoDB, its driver or JavaScript reads something into. */
const name = fc.constantFrom(
  'a',
  'b',
  '0',
  '1',
  '',
  '$set',
  'a.b',
  '.',
  '~',
  '~1',
  '_bsontype',
  '__proto__',
  '$id',
  'é',
);
const leaf = fc.oneof(
  fc.constantFrom('', '$a', 'x\0y', '𝒳', null, true, false, 0, -1.5, 2 ** 31, 2 ** 53 - 1, 'ObjectId'),
  fc.integer({ min: 0, max: 3 }),
);
const { value } = fc.letrec(tie => ({
  value: fc.oneof({ maxDepth: 3, depthIdentifier: 'json' }, leaf, tie('list'), tie('fields')),
  list: fc.array(tie('value'), { maxLength: 4, depthIdentifier: 'json' }),
  fields: fc
    .array(fc.tuple(name, tie('value')), { maxLength: 4, depthIdentifier: 'json' })
    .map(entries => Object.fromEntries(entries)),
}));
const content = fc.record(
  { messages: fc.array(value, { maxLength: 12 }), counts: value, more: fc.dictionary(name, value, { maxKeys: 4 }) },
  { requiredKeys: [] },
);

function document(fields: Content, position: number): StoredDocument {
  return { _id: 'acme/a', position, ...fields };
}

/** What MongoDB's manual says of `$set` and `$unset` by paths. */
function applied(row: unknown, difference: NonNullable<ReturnType<typeof differenceOf>>): unknown {
  const changed = structuredClone(row);
  const holderOf = (path: string): [holder: Record<string, unknown>, last: string] => {
    const steps = path.split('.');
    let holder = changed as Record<string, unknown>;
    for (const step of steps.slice(0, -1)) holder = holder[step] as Record<string, unknown>;
    return [holder, steps.at(-1) ?? ''];
  };
  for (const [path, set] of Object.entries(difference.$set ?? {})) {
    const [holder, last] = holderOf(path);
    if (Array.isArray(holder)) expect(Number(last)).toBeLessThanOrEqual(holder.length);
    Object.defineProperty(holder, last, { value: set, enumerable: true, writable: true, configurable: true });
  }
  for (const path of Object.keys(difference.$unset ?? {})) {
    const [holder, last] = holderOf(path);
    Reflect.deleteProperty(holder, last);
  }
  return changed;
}

describe('the difference of two documents', () => {
  it('makes of the one the other', () => {
    let updates = 0;
    fc.assert(
      fc.property(content, content, (before, after) => {
        const [was, is] = [document(before, 1), document(after, 2)];
        const difference = differenceOf(was, is);
        if (difference === undefined) return;
        updates += 1;
        expect(applied(rowOf(was), difference)).toEqual(rowOf(is));
      }),
      { numRuns: 2_000 },
    );
    expect(updates).toBeGreaterThan(1_000);
  });

  it('of a bucket that grew is what was added, not the bucket', () => {
    const messages = Array.from({ length: 99 }, (_, seq) => ({ seq, text: 'x'.repeat(1_000) }));
    const before = document({ count: 99, messages }, 1);
    const after = document({ count: 100, messages: [...messages, { seq: 99, text: 'new' }] }, 2);
    expect(differenceOf(before, after)).toEqual({
      $set: { position: 2, count: 100, 'messages.99': { seq: 99, text: 'new' } },
    });
  });

  it('of a message that was edited is its text', () => {
    const before = document({ messages: [{ text: 'a' }, { text: 'b', draft: true }] }, 1);
    const after = document({ messages: [{ text: 'a' }, { text: 'c' }] }, 2);
    expect(differenceOf(before, after)).toEqual({
      $set: { position: 2, 'messages.1.text': 'c' },
      $unset: { 'messages.1.draft': true },
    });
  });

  it('is none where all of it, or very much of it, is another', () => {
    const many = (value: number): Content => Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`f${i}`, value]));
    expect(differenceOf(document(many(1), 1), document(many(2), 1))).toBeUndefined();
    expect(differenceOf(document({}, 1), { ...document({}, 2), _id: 'acme/b' })).toBeUndefined();
  });
});

describe('documents as MongoDB holds them', () => {
  it('come back as they were, and no name of theirs is an operator, a path or a type', () => {
    const namesIn = (value: unknown): string[] =>
      typeof value !== 'object' || value === null
        ? []
        : Object.entries(value).flatMap(([key, inner]) => [...(Array.isArray(value) ? [] : [key]), ...namesIn(inner)]);
    fc.assert(
      fc.property(content, fields => {
        const row = rowOf(document(fields, 1));
        expect(documentOf(row)).toEqual(document(fields, 1));
        for (const stored of namesIn(row)) expect(stored).toMatch(/^(?!(_bsontype|__proto__)$)[^$.\0]+$/);
      }),
    );
  });

  it('tell every two names apart', () => {
    fc.assert(
      fc.property(fc.string({ unit: name }), fc.string({ unit: name }), (a, b) => {
        expect(storedName(a) === storedName(b)).toBe(a === b);
      }),
    );
  });

  it('have nothing that is undefined', () => {
    expect(storedValue({ a: undefined, b: [undefined, 1] })).toEqual({ b: [null, 1] });
    expect(Object.keys(storedValue({ a: undefined }) as object)).toEqual([]);
  });
});

const SCHEMA: ProjectionSchema = {
  name: 'differences',
  version: 1,
  collections: [{ name: 'documents', indexes: [{ name: 'by_tenant', fields: ['tenant', '_id'] }] }],
};

describe.skipIf(!findMongoDb().found)('on a MongoDB, a document', () => {
  const at = (position: number) => ({ position, createdMs: position });
  const opened = async () => {
    const url = (await sharedMongoDb()).freshUrl();
    const store = await openMongoDbReadStore({ url, timeoutMs: 30_000 });
    onTestFinished(() => store.close());
    return { url, generation: await store.generation(SCHEMA, 1) };
  };

  it('is after every change what it was meant to be', { timeout: 120_000 }, async () => {
    const { generation } = await opened();
    let position = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(content, { minLength: 2, maxLength: 4 }), async contents => {
        let before: StoredDocument | undefined;
        for (const fields of [...contents, undefined]) {
          const from = position === 0 ? undefined : at(position);
          position += 1;
          const after = fields && document(fields, position);
          const writes = [{ collection: 'documents', id: 'acme/a', before, after }];
          expect(await generation.commit({ from, to: at(position), writes })).toBe('committed');
          expect(await generation.load('documents', ['acme/a'])).toEqual([after]);
          before = after;
        }
      }),
      { numRuns: 25 },
    );
  });

  it('that is not what was loaded is written whole, and so is one that was thought to be new', async () => {
    const { url, generation } = await opened();
    const before = document({ messages: ['a'] }, 1);
    const write = (was: StoredDocument | undefined, after: StoredDocument) => ({
      writes: [{ collection: 'documents', id: 'acme/a', before: was, after }],
    });
    await generation.commit({ from: undefined, to: at(1), ...write(undefined, before) });
    await withClient(url, client => client.db().collection('differences_1_documents').deleteMany({}));
    const after = document({ messages: ['a', 'b'] }, 2);
    expect(await generation.commit({ from: at(1), to: at(2), ...write(before, after) })).toBe('committed');
    expect(await generation.load('documents', ['acme/a'])).toEqual([after]);
    const again = document({ messages: ['c'] }, 3);
    expect(await generation.commit({ from: at(2), to: at(3), ...write(undefined, again) })).toBe('committed');
    expect(await generation.load('documents', ['acme/a'])).toEqual([again]);
  });
});
