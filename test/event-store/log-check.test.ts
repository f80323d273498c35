/** The checker is shown a whole log, and then one planted fault of each kind: it must name the first, by file and byte. */
import { readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { open as openLmdb, type Database } from 'lmdb';
import { expect, it } from 'vitest';
import { CorruptLogError } from '../../src/event-store/errors.ts';
import { checkEmbeddedLog } from '../../src/event-store/log-check.embedded.ts';
import { failure, newEvent, newEvents } from './events.ts';
import { crashed, flipBit, openLog, overwrite, recordPlaces, segmentFiles } from './log-folder.ts';

const any = { expectedRevision: 'any' } as const;

/** A closed log of several segments, one of them compacted, with metadata, a tombstone and an index. */
async function closedLog(): Promise<string> {
  const { store, directory } = await openLog({ segmentBytes: 2_000, tailBytesMax: 500 });
  for (let i = 0; i < 30; i++) await store.append(`s${i % 3}`, newEvents(2), any);
  await store.append('gone', newEvents(2), any);
  await store.tombstoneStream('gone', any);
  await store.setStreamMetadata('s0', { truncateBefore: 8n }, any);
  for (let i = 0; i < 30; i++) await store.append(`s${i % 3}`, [newEvent(i), newEvent(i)], any);
  await store.scavenge({ savedShareMin: 0, bytesPerSecondMax: 1e12 });
  await store.close();
  return directory;
}

async function check(directory: string) {
  return checkEmbeddedLog({ directory, inUse: false });
}

async function faultOf(directory: string): Promise<CorruptLogError> {
  const error = await failure(check(directory));
  expect(error).toBeInstanceOf(CorruptLogError);
  return error as CorruptLogError;
}

/** Changes a record and gives it the checksum of what it says now: a fault that only the walk can see. */
async function forge(file: string, offset: number, edit: (record: Buffer) => void): Promise<void> {
  const bytes = await readFile(file);
  const record = bytes.subarray(offset, offset + bytes.readUInt32LE(offset));
  edit(record);
  record.writeUInt32LE(crc32(record.subarray(8, -4)), 4);
  await overwrite(file, offset, record);
}

/** The last segment that is as it was written, and where its records stand. */
async function writtenSegment(directory: string) {
  const file = (await segmentFiles(directory)).at(-2) ?? '';
  return { file, places: await recordPlaces(file) };
}

async function editIndex(directory: string, edit: (rows: { streams: Rows; places: Rows }) => Promise<unknown>) {
  const encodings = { encoding: 'binary', keyEncoding: 'binary' } as const;
  const root = openLmdb<Buffer, Buffer>({ path: join(directory, 'index'), maxDbs: 4, ...encodings });
  const database = (name: string) => root.openDB<Buffer, Buffer>({ name, ...encodings });
  await edit({ streams: database('streams'), places: database('places') });
  await root.close();
}
type Rows = Database<Buffer, Buffer>;

it('a whole log passes, compacted segments and all; without an index too, and while it is written', async () => {
  const directory = await closedLog();
  const whole = await check(directory);
  expect(whole).toMatchObject({ index: 'whole', streams: 5 });
  expect(whole.stubs).toBeGreaterThan(4);
  expect(whole.events + whole.stubs).toBe(124);
  expect(await check(await crashed(directory))).toMatchObject({ ...whole, index: 'absent' });

  const { store } = await openLog({ directory, indexFlushMs: 5 });
  let stop = false;
  const writing = (async () => {
    while (!stop) await store.append('s0', newEvents(20), any);
  })();
  for (let i = 0; i < 10; i++) await checkEmbeddedLog({ directory, inUse: true });
  stop = true;
  await writing;
});

it('segments that are scavenged while it walks are no damage', async () => {
  const { store, directory } = await openLog({ segmentBytes: 2_000, tailBytesMax: 500 });
  for (let i = 0; i < 60; i++) await store.append(`s${i % 3}`, newEvents(2), any);
  for (const [round, before] of [20n, 30n].entries()) {
    let scavenging: Promise<{ segmentsRewritten: number }> | undefined;
    const look = async () => {
      await store.setStreamMetadata('s1', { truncateBefore: before }, any);
      await (scavenging ??= store.scavenge({ savedShareMin: 0, bytesPerSecondMax: 1e12 }));
      return undefined;
    };
    const found = await checkEmbeddedLog({ directory, inUse: true, look });
    expect((await scavenging)?.segmentsRewritten, `round ${round}`).toBeGreaterThan(1);
    expect(found.stubs, `round ${round}`).toBeGreaterThan(0);
  }
});

it('nothing in the folder is changed by it', async () => {
  const directory = await closedLog();
  const look = async () => Promise.all((await segmentFiles(directory)).map(file => readFile(file)));
  const before = await look();
  await check(directory);
  expect(await look()).toEqual(before);
});

it('a flipped bit anywhere in a record is named by its file and byte', async () => {
  const directory = await closedLog();
  const { file, places } = await writtenSegment(directory);
  const place = places[3];
  for (const within of [0, 5, 9, 20, 40, 60, 80, (place?.length ?? 0) - 1]) {
    const offset = (place?.offset ?? 0) + within;
    await flipBit(file, offset);
    expect(await faultOf(directory)).toMatchObject({ file, offset: place?.offset });
    await flipBit(file, offset);
  }
  await check(directory);
});

it('a segment that is missing, cut off or of another log is named', async () => {
  const directory = await closedLog();
  const files = await segmentFiles(directory);
  const middle = files[files.length >> 1] ?? '';
  const lost = await crashed(directory, { index: true });
  await rm((await segmentFiles(lost))[files.length >> 1] ?? '');
  expect((await faultOf(lost)).message).toContain('the log goes on at position');
  const foreign = await crashed(directory, { index: true });
  const other = await readFile((await segmentFiles(await closedLog()))[0] ?? '');
  await overwrite((await segmentFiles(foreign))[0] ?? '', 0, other.subarray(0, 64));
  expect((await faultOf(foreign)).message).toContain('another log');
  await truncate(middle, 300);
  expect((await faultOf(directory)).message).toMatch(/damaged at byte/);
});

it('the end of the log cut off is seen by the index, which knew more', async () => {
  const directory = await closedLog();
  const files = await segmentFiles(directory);
  await truncate(files.at(-1) ?? '', 64);
  expect((await faultOf(directory)).message).toContain('its index knows it up to');
});

it('a lost, a doubled and a swapped event, each with right checksums, are named with stream and revision', async () => {
  for (const [difference, says] of [
    [1, 'it follows revision'],
    [-1, 'it follows revision'],
  ] as const) {
    const directory = await closedLog();
    const { file, places } = await writtenSegment(directory);
    const { offset = 0 } = places[2] ?? {};
    await forge(file, offset, record => record.writeUInt32LE(record.readUInt32LE(16) + difference, 16));
    const fault = await faultOf(directory);
    expect(fault).toMatchObject({ file, offset });
    expect(fault.message).toContain(says);
    expect(fault.message).toMatch(/position \d+, s\d@\d+/);
  }
  const directory = await closedLog();
  const { file, places } = await writtenSegment(directory);
  const [first, second] = [places[0], places[1]];
  expect(first?.length).toBe(second?.length);
  const bytes = await readFile(file);
  const copyOf = (place = first) =>
    Buffer.from(bytes.subarray(place?.offset, (place?.offset ?? 0) + (place?.length ?? 0)));
  await overwrite(file, first?.offset ?? 0, copyOf(second));
  await overwrite(file, second?.offset ?? 0, copyOf(first));
  expect(await faultOf(directory)).toMatchObject({ file, offset: first?.offset });
});

it('an event behind a tombstone, and an append that never ends, are named', async () => {
  const directory = await closedLog();
  const { file, places } = await writtenSegment(directory);
  const unended = places.find(({ lastOfAppend }) => lastOfAppend)?.offset ?? 0;
  await forge(file, unended, record => record.writeUInt8(record.readUInt8(52) & ~1, 52));
  expect((await faultOf(directory)).message).toContain('the append before it has not ended');
  const other = await closedLog();
  const { file: otherFile, places: otherPlaces } = await writtenSegment(other);
  const { offset = 0 } = otherPlaces[0] ?? {};
  await forge(otherFile, offset, record => {
    record.writeUInt32LE(0xffffffff, 16);
    record.writeUInt32LE(0x7fffffff, 20);
  });
  expect((await faultOf(other)).message).toContain('behind the tombstone');
});

it('a fault in a compacted segment is named with its byte, whichever check finds it', async () => {
  const directory = await closedLog();
  const files: string[] = [];
  for (const file of await segmentFiles(directory)) if ((await readFile(file)).readUInt32LE(8) === 2) files.push(file);
  const [file = ''] = files;
  await flipBit(file, 64 + 20);
  expect(await faultOf(directory)).toMatchObject({ file, offset: 64 });
  await flipBit(file, 64 + 20);
  const bytes = await readFile(file);
  const second = 64 + bytes.readUInt32LE(64);
  const third = second + bytes.readUInt32LE(second);
  await forge(file, third, record => record.writeUInt32LE(record.readUInt32LE(16) + 1, 16));
  const fault = await faultOf(directory);
  expect(fault).toMatchObject({ file, offset: third });
  expect(fault.message).toContain('it follows revision');
});

it.for([
  [
    'a position that is another event’s',
    'stands at position',
    ({ places }: { places: Rows }) => {
      const [{ key, value } = { key: Buffer.alloc(0), value: Buffer.alloc(0) }] = [...places.getRange({})];
      value.writeDoubleLE(value.readDoubleLE(0) + 8, 0);
      return places.put(Buffer.from(key), value);
    },
  ],
  [
    'a row of positions that is lost',
    'the index says nothing',
    ({ places }: { places: Rows }) => places.remove(Buffer.from([...places.getKeys()][0] ?? '')),
  ],
  ['a stream that is lost', 'has no row', ({ streams }: { streams: Rows }) => streams.remove(Buffer.from('s1'))],
  [
    'a stream that the log does not have',
    'of which the log has no event',
    ({ streams }: { streams: Rows }) => {
      const row = Buffer.from(streams.get(Buffer.from('s1')) ?? Buffer.alloc(0));
      row.writeUInt32LE(999, 0);
      return streams.put(Buffer.from('nobody'), row);
    },
  ],
  [
    'a wrong head',
    'head of the stream s2',
    ({ streams }: { streams: Rows }) => {
      const row = Buffer.from(streams.get(Buffer.from('s2')) ?? Buffer.alloc(0));
      row.writeDoubleLE(row.readDoubleLE(5) - 1, 5);
      return streams.put(Buffer.from('s2'), row);
    },
  ],
  [
    'a limit that no metadata sets',
    'truncateBefore of the stream s0',
    ({ streams }: { streams: Rows }) => {
      const row = Buffer.from(streams.get(Buffer.from('s0')) ?? Buffer.alloc(0));
      row.writeDoubleLE(3, 21);
      return streams.put(Buffer.from('s0'), row);
    },
  ],
  [
    'positions past the last revision',
    'whose last revision is',
    ({ places }: { places: Rows }) => {
      const key = Buffer.from([...places.getKeys()][0] ?? '');
      key.writeUIntBE(5_000, 4, 6);
      const row = Buffer.alloc(8);
      row.writeDoubleLE(70, 0);
      return places.put(key, row);
    },
  ],
] as const)('of the index: %s', async ([, says, edit]) => {
  const directory = await closedLog();
  await editIndex(directory, async rows => {
    await edit(rows);
  });
  const fault = await faultOf(directory);
  expect(fault.message).toContain(says);
  expect(fault.message).toContain('delete the index folder');
});
