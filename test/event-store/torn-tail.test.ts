/** What a write that was never acknowledged leaves behind is cut; whole appends before it stay, and the log goes on. */
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findEnd } from '../../src/event-store/embedded/recovery.ts';
import { SegmentFiles } from '../../src/event-store/embedded/segments.ts';
import { newEvent, newEvents } from './events.ts';
import { crashed, emptyFolder, openLog, RECORD_BYTES_MAX, recordPlaces, segmentFiles, wholeLog } from './log-folder.ts';

/** Bytes of no meaning, the same in every run. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes.writeUInt8((state >>> 16) & 0xff, i);
  }
  return bytes;
}

/** Two groups, and a last one of three appends: of one event, of three, of one. */
async function writtenLog() {
  const { store, directory } = await openLog();
  const append = (stream: string, count: number) =>
    store.append(stream, newEvents(count, { data: Buffer.from('{}') }), { expectedRevision: 'any' });
  await append('a', 1);
  await Promise.all([append('a', 1), append('b', 2)]);
  await Promise.all([append('a', 1), append('b', 3), append('c', 1)]);
  const folder = await crashed(directory);
  const events = await wholeLog(store);
  const [file = ''] = await segmentFiles(folder);
  const places = await recordPlaces(file);
  expect(places).toHaveLength(9);
  const group = places.filter(place => place.groupPosition === places.at(-1)?.groupPosition);
  expect(group).toHaveLength(5);
  const groupStart = group[0]?.offset ?? 0;
  const end = (places.at(-1)?.offset ?? 0) + (places.at(-1)?.length ?? 0);
  return { folder, file, bytes: await readFile(file), places, groupStart, end, events };
}

/** The end of the last append all of whose bytes, and all bytes before, are as they were written. */
function wholeAppendsEnd(log: Awaited<ReturnType<typeof writtenLog>>, damaged: Buffer): number {
  let end = 64;
  for (const { offset, length, lastOfAppend } of log.places) {
    if (!damaged.subarray(offset, offset + length).equals(log.bytes.subarray(offset, offset + length))) break;
    if (lastOfAppend) end = offset + length;
  }
  return end;
}

/** Where the log ends that stands in these bytes. */
async function endOf(folder: string, segment: Buffer): Promise<number> {
  await writeFile(join(folder, 'segments', '00000000000000000000.segment'), segment);
  const files = await SegmentFiles.open(join(folder, 'segments'));
  try {
    await findEnd(files, 0, RECORD_BYTES_MAX);
    return files.end;
  } finally {
    await files.close();
  }
}

describe('a tail torn at any byte of the last group', () => {
  it.for<[string, (bytes: Buffer, cut: number) => Buffer]>([
    ['the file ends there', (bytes, cut) => bytes.subarray(0, cut)],
    ['zeros follow', (bytes, cut) => Buffer.concat([bytes.subarray(0, cut), Buffer.alloc(bytes.length - cut)])],
    ['noise follows', (bytes, cut) => Buffer.concat([bytes.subarray(0, cut), noise(3000)])],
    [
      'noise follows, then the rest as it was written',
      (bytes, cut) => Buffer.concat([bytes.subarray(0, cut), noise(10), bytes.subarray(cut + 10)]),
    ],
    [
      'one byte is missing from what follows',
      (bytes, cut) => Buffer.concat([bytes.subarray(0, cut), bytes.subarray(cut + 1)]),
    ],
  ])('is cut behind the last whole append: %s', async ([, tear]) => {
    const log = await writtenLog();
    const folder = await emptyFolder();
    for (let cut = log.groupStart; cut < log.end; cut++) {
      const damaged = tear(log.bytes.subarray(0, log.end + 200), cut);
      expect(await endOf(folder, damaged), `torn at byte ${cut}`).toBe(wholeAppendsEnd(log, damaged));
    }
  });

  it('leaves a log that opens, shows whole appends only, and goes on where it was cut', async () => {
    const log = await writtenLog();
    const inGroup = log.places.filter(place => place.offset >= log.groupStart);
    for (const [i, place] of inGroup.entries()) {
      const copy = await crashed(log.folder);
      const [file = ''] = await segmentFiles(copy);
      await truncate(file, place.offset + 1 + Math.floor((place.length * i) / 5));
      const { store } = await openLog({ directory: copy });
      // Behind the four events of the groups before: the append of one; only with all three the one of three.
      const expected = log.events.slice(0, [4, 5, 5, 5, 8][i]);
      expect(await wholeLog(store)).toEqual(expected);
      await store.append('b', [newEvent()], { expectedRevision: i === 4 ? 4n : 1n });
      await store.close();
      const { store: again } = await openLog({ directory: copy });
      const after = await wholeLog(again);
      expect(after.slice(0, -1)).toEqual(expected);
      expect(after.at(-1)).toMatch(i === 4 ? /^b@5 / : /^b@2 /);
    }
  });

  it('an append that was never whole leaves no id behind: the same one sent again lands, once', async () => {
    const { store, directory } = await openLog();
    await store.append('a', newEvents(1), { expectedRevision: 'any' });
    const events = newEvents(3);
    await store.append('a', events, { expectedRevision: 0n });
    const copy = await crashed(directory);
    const [file = ''] = await segmentFiles(copy);
    const last = (await recordPlaces(file)).at(-1);
    await truncate(file, (last?.offset ?? 0) + 5);
    const { store: again } = await openLog({ directory: copy });
    expect(await again.append('a', events, { expectedRevision: 'any' })).toMatchObject({ revision: 3n });
    expect(await again.append('a', events, { expectedRevision: 'any' })).toMatchObject({ revision: 3n });
    expect(await wholeLog(again)).toHaveLength(4);
  });
});
