/** The index's rows as a crash in the middle of a flush leaves them, and the table of streams above them. */
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LogIndex, PLACES_ROW_MAX, type PlacesRow } from '../../src/event-store/embedded/log-index.ts';
import { StreamTable } from '../../src/event-store/embedded/streams.ts';
import { NO_LIMITS } from '../../src/event-store/embedded/stream-limits.ts';
import { tempFolder } from '../support/temp-folder.ts';

async function newIndex(): Promise<LogIndex> {
  const index = new LogIndex(await tempFolder(), Buffer.alloc(16));
  onTestFinished(() => index.close());
  await index.isOfThisLog();
  return index;
}

/** Where revision `revision` of stream `no` stands, in all these tests. */
const placeOf = (no: number, revision: number): number => no * 1_000_000 + revision * 10;

function row(no: number, first: number, count: number): PlacesRow {
  return { no, first, positions: Array.from({ length: count }, (_, i) => placeOf(no, first + i)) };
}

function positions(index: LogIndex, no: number, from: number, to: number): number[] {
  const found: number[] = [];
  index.positions(no, from, to, found);
  return found;
}

const expected = (no: number, from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => placeOf(no, from + i));

const flushOf = (places: PlacesRow[]) => ({ streams: [], places, nextNo: 10, checkpoint: 1 });

describe('positions', () => {
  it('come from rows that overlap in any way, as far as there is no hole', async () => {
    const index = await newIndex();
    let no = 0;
    const spans = fc.array(fc.tuple(fc.nat(1500), fc.integer({ min: 1, max: PLACES_ROW_MAX })), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(spans, fc.nat(1600), fc.nat(600), async (rows, from, length) => {
        no++;
        await index.flush(flushOf([row(no, 0, 300), row(no + 1, 0, 50), ...rows.map(([at, n]) => row(no, at, n))]));
        const covered = new Set<number>();
        // A row written again at the same first revision takes the place of the one before.
        const last = new Map<number, number>([[0, 300]]);
        for (const [at, n] of rows) last.set(at, n);
        for (const [at, n] of last) for (let i = 0; i < n; i++) covered.add(at + i);
        let end = from;
        while (end <= from + length && covered.has(end)) end++;
        expect(positions(index, no, from, from + length)).toEqual(expected(no, from, end - 1));
        no++;
      }),
      { numRuns: 150 },
    );
  });

  it('at the edges of full rows, and none of a neighbouring stream', async () => {
    const index = await newIndex();
    await index.flush(flushOf([row(1, 0, 512), row(1, 512, 512), row(1, 1024, 1), row(2, 0, 512), row(2, 513, 5)]));
    for (const from of [0, 1, 511, 512, 513, 1023, 1024]) {
      expect(positions(index, 1, from, 1024)).toEqual(expected(1, from, 1024));
      expect(positions(index, 1, from, from)).toEqual([placeOf(1, from)]);
    }
    expect(positions(index, 1, 1025, 1030)).toEqual([]);
    expect(positions(index, 2, 500, 520)).toEqual(expected(2, 500, 511));
    expect(positions(index, 2, 512, 520)).toEqual([]);
    expect(positions(index, 3, 0, 10)).toEqual([]);
    expect(positions(index, 0, 0, 10)).toEqual([]);
  });

  it('that a crash left far ahead of the checkpoint are met again when the events are read again', async () => {
    const index = await newIndex();
    // An unfinished flush wrote revisions 10 to 300; what catches up writes them again in rows of 100.
    await index.flush(flushOf([row(1, 0, 10), row(1, 10, 291)]));
    await index.flush(flushOf([row(1, 10, 100)]));
    expect(positions(index, 1, 0, 300)).toEqual(expected(1, 0, 109));
    await index.flush(flushOf([row(1, 110, 100), row(1, 210, 120)]));
    expect(positions(index, 1, 0, 329)).toEqual(expected(1, 0, 329));
  });
});

describe('the table of streams', () => {
  it('finds every position, whatever is pending, being written, or written', async () => {
    const index = await newIndex();
    const table = new StreamTable(index, 2);
    const heads = new Map<string, number>();
    const append = (name: string, count: number): void => {
      for (let i = 0; i < count; i++) {
        const entry = table.open(name);
        const revision = (heads.get(name) ?? -1) + 1;
        heads.set(name, revision);
        table.recordDurable(entry, revision, placeOf(entry.no, revision));
        entry.accepted = { ...entry.durable };
      }
    };
    const look = (): void => {
      for (const [name, head] of heads) {
        const entry = table.find(name);
        expect(entry?.durable.head).toBe(head);
        if (entry) expect(table.positions(entry, 0, head)).toEqual(expected(entry.no, 0, head));
      }
    };
    for (let round = 0; round < 12; round++) {
      for (let i = 0; i < 10; i++) append(`s${(round * 3 + i) % 17}`, (i * 37) % 90);
      look();
      const flushing = table.flush(round + 1);
      append(`s${round}`, 5);
      append(`t${round}`, 1);
      look();
      await flushing;
      look();
      expect(table.pendingPositions).toBe(6);
      await table.flush(round + 1);
      expect(table.pendingPositions).toBe(0);
      // Nothing is pending, so all but a bounded few can be forgotten.
      for (let i = 0; i < 8; i++) table.open(`nobody-${round}-${i}`);
      expect(table.size).toBeLessThan(30);
      look();
    }
  });

  it('keeps what only memory knows, and takes no longer for it: a hundred thousand new streams between flushes', async () => {
    const index = await newIndex();
    const table = new StreamTable(index, 100);
    const begun = performance.now();
    for (let i = 0; i < 100_000; i++) table.recordDurable(table.open(`s${i}`), 0, i);
    expect(performance.now() - begun).toBeLessThan(3_000);
    expect(table.size).toBe(100_000);
    expect(table.find('s7')?.durable.headPosition).toBe(7);
  });

  it('keeps an entry that somebody waits on or that holds an append on its way', async () => {
    const index = await newIndex();
    const table = new StreamTable(index, 2);
    const waited = table.open('waited');
    waited.waiters.add(() => undefined);
    const pinned = table.open('pinned');
    pinned.pins++;
    const forgotten = table.open('forgotten');
    for (let i = 0; i < 50; i++) table.open(`s${i}`);
    expect(table.find('waited')).toBe(waited);
    expect(table.find('pinned')).toBe(pinned);
    expect(table.find('forgotten')).toBeUndefined();
    expect(forgotten.durable.limits).toBe(NO_LIMITS);
  });

  it('writes again what could not be written', async () => {
    const index = await newIndex();
    const table = new StreamTable(index, 10);
    table.recordDurable(table.open('a'), 0, 100);
    const write = index.flush.bind(index);
    index.flush = () => Promise.reject(new Error('no room'));
    await expect(table.flush(200)).rejects.toThrow('no room');
    table.recordDurable(table.open('a'), 1, 200);
    index.flush = write;
    await table.flush(300);
    expect(table.pendingPositions).toBe(0);
    const fresh = new StreamTable(index, 10);
    const entry = fresh.find('a');
    expect(entry?.durable.head).toBe(1);
    expect(entry && fresh.positions(entry, 0, 1)).toEqual([100, 200]);
  });
});
