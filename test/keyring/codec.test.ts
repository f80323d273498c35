import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { BrokenSealError, MissingKeyError, createSealedCodec } from '../../src/keyring/codec.sealed.ts';
import type { Codec, SealField, Unsealed } from '../../src/keyring/codec.ts';
import { MemoryKeyring } from '../support/memory-keyring.ts';

const FIELDS: readonly SealField[] = [
  { path: ['text'], subject: 'visitor' },
  { path: ['files', '*', 'name'], subject: 'visitor' },
  { path: ['attributes', '*'], subject: 'visitor' },
  { path: ['source', 'author'], subject: 'author' },
];
const place = { tenant: 'acme', stream: 'conversation-acme.42', id: 'e1' };
const DATA = {
  seq: 3,
  text: 'My secret is 42',
  files: [
    { id: 'f1', name: 'passport.png' },
    { id: 'f2', name: 'visa.png' },
  ],
  attributes: { city: 'Bern', '': 'empty name' },
  source: { id: 's1', author: 'ann_the_first' },
};
const event = (more: Partial<Unsealed> = {}): Unsealed => ({ ...place, data: DATA, fields: FIELDS, ...more });

let keyring: MemoryKeyring;
let codec: Codec;
beforeEach(() => {
  keyring = new MemoryKeyring();
  codec = createSealedCodec({ keyring });
});

/** Through JSON, as the log does. */
async function sealed(unsealed: Unsealed): Promise<object> {
  return JSON.parse(JSON.stringify((await codec.seal([unsealed]))[0])) as object;
}

describe('The sealed codec', () => {
  it('opens what it sealed, and lets nothing of it be read in between', async () => {
    const before = structuredClone(DATA);
    const stored = await sealed(event());
    expect(DATA).toEqual(before);
    const text = JSON.stringify(stored);
    for (const secret of ['secret', 'passport', 'visa', 'Bern', 'empty', 'ann_the_first'])
      expect(text).not.toContain(secret);
    expect(stored).toMatchObject({ seq: 3, files: [{ id: 'f1' }, { id: 'f2' }], source: { id: 's1' } });
    expect(await codec.open([{ ...place, data: stored }])).toEqual([DATA]);
  });

  it('opens any value, through JSON, as JSON would have it', async () => {
    const value = fc.oneof(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 2 }));
    const data = fc.record(
      {
        text: value,
        attributes: fc.dictionary(fc.string(), value, { noNullPrototype: true }),
        source: fc.record({ author: value, id: fc.string() }, { requiredKeys: [] }),
        files: fc.array(fc.record({ name: value, id: fc.string() })),
        other: value,
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(data, async data => {
        const plain = JSON.parse(JSON.stringify(data)) as object;
        const [opened] = await codec.open([{ ...place, data: await sealed(event({ data: plain })) }]);
        expect(opened).toEqual(plain);
      }),
      { numRuns: 200 },
    );
  });

  it('seals the same text anew each time', async () => {
    const boxes = await Promise.all(Array.from({ length: 50 }, () => sealed(event())));
    expect(new Set(boxes.map(box => JSON.stringify(box))).size).toBe(50);
  });

  it('stores what has nothing personal as it is', async () => {
    const data = { seq: 1, channel: 'web' };
    expect(await sealed(event({ data }))).toEqual(data);
    expect(await codec.open([{ ...place, data }])).toEqual([data]);
    expect(await keyring.tenants()).toEqual([]);
  });

  it('opens a box only where it was sealed', async () => {
    const data = (await sealed(event())) as { $sealed: { subject: string; paths: string[][]; box: string }[] };
    const altered = (change: (copy: typeof data) => void) => {
      const copy = structuredClone(data);
      change(copy);
      return copy;
    };
    await keyring.obtain([
      { tenant: 'acme', subject: 'eve' },
      { tenant: 'other', subject: 'visitor' },
      { tenant: 'other', subject: 'author' },
    ]);
    const moved = [
      { ...place, id: 'e2', data },
      { ...place, stream: 'conversation-acme.43', data },
      { ...place, tenant: 'other', data },
      { ...place, data: altered(({ $sealed: [box] }) => box && (box.subject = 'eve')) },
      { ...place, data: altered(({ $sealed: [box] }) => box && (box.paths[0] = ['reason'])) },
      { ...place, data: altered(({ $sealed: [box] }) => box && (box.box = `${box.box.slice(0, -8)}AAAAAAA=`)) },
      { ...place, data: altered(({ $sealed: [box] }) => box && (box.box = 'AAAA')) },
    ];
    for (const batch of moved) await expect(codec.open([batch])).rejects.toThrow(BrokenSealError);
    expect(await codec.open([{ ...place, data: altered(() => undefined) }])).toEqual([DATA]);
  });

  it('reads what was erased as null, in the place it had, and the rest as it was', async () => {
    const stored = await sealed(event());
    await keyring.destroy([{ tenant: 'acme', subject: 'visitor' }]);
    const erased = {
      ...DATA,
      text: null,
      files: [
        { id: 'f1', name: null },
        { id: 'f2', name: null },
      ],
      attributes: { city: null, '': null },
    };
    expect(await codec.open([{ ...place, data: structuredClone(stored) }])).toEqual([erased]);
    await keyring.destroy([{ tenant: 'acme', subject: 'author' }]);
    expect(await codec.open([{ ...place, data: stored }])).toEqual([{ ...erased, source: { id: 's1', author: null } }]);
  });

  it('seals nothing for whom was erased, and says so', async () => {
    await keyring.destroy([{ tenant: 'acme', subject: 'author' }]);
    await expect(codec.seal([event()])).rejects.toMatchObject({ name: 'Rejection', code: 'erased' });
    expect(await codec.seal([event({ data: { text: 'hi' } })])).toHaveLength(1);
  });

  it('names a box whose key was never there', async () => {
    const stored = await sealed(event());
    const stranger = createSealedCodec({ keyring: new MemoryKeyring() });
    await expect(stranger.open([{ ...place, data: stored }])).rejects.toThrow(MissingKeyError);
  });

  it('asks for each key once a batch', async () => {
    const asked: string[][] = [];
    const spied = createSealedCodec({
      keyring: {
        obtain: subjects => (asked.push(subjects.map(({ subject }) => subject)), keyring.obtain(subjects)),
        find: subjects => (asked.push(subjects.map(({ subject }) => subject)), keyring.find(subjects)),
      },
    });
    const batch = [event(), event({ id: 'e2' }), event({ id: 'e3' })];
    const stored = await spied.seal(batch);
    await spied.open(
      batch.map(({ id }, i) => ({ ...place, id, data: JSON.parse(JSON.stringify(stored[i])) as object })),
    );
    expect(asked).toEqual([
      ['visitor', 'author'],
      ['visitor', 'author'],
    ]);
  });
});
