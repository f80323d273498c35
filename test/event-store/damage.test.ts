/** Damage that is no torn tail: found, named by file and offset, never served, and never taken for the log's end. */
import { cp, mkdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { CorruptLogError } from '../../src/event-store/errors.ts';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { collect, failure, Follower, newEvent, newEvents } from './events.ts';
import { crashed, flipBit, nameOf, openLog, overwrite, recordPlaces, segmentFiles, wholeLog } from './log-folder.ts';
import type { RecordedEvent } from '../../src/event-store/event-store.ts';

/** A log of several segments: streams s0 to s2 by turns, one event an append. */
async function segmentedLog(settings: { tailBytesMax?: number } = {}) {
  const { store, directory } = await openLog({ segmentBytes: 1000, ...settings });
  for (let i = 0; i < 60; i++) await store.append(`s${i % 3}`, [newEvent(i)], { expectedRevision: 'any' });
  const files = await segmentFiles(directory);
  expect(files.length).toBeGreaterThan(3);
  return { store, directory, files, events: await collect(store.readAll()) };
}

function eventAt(events: readonly RecordedEvent[], i: number): RecordedEvent {
  const event = events[i];
  if (!event) throw new Error(`There is no event ${i}.`);
  return event;
}

/** What of an iteration came before its error, and the error. */
async function untilError(source: AsyncIterable<RecordedEvent>): Promise<{ names: string[]; error: unknown }> {
  const names: string[] = [];
  try {
    for await (const event of source) names.push(nameOf(event));
    return { names, error: undefined };
  } catch (error) {
    return { names, error };
  }
}

describe('a bit flipped in a sealed segment', () => {
  it('is found in every bit of a record, by reads of the stream and of all, and named', async () => {
    const { store, files, events } = await segmentedLog({ tailBytesMax: 1 });
    const file = files[1] ?? '';
    const place = (await recordPlaces(file))[2];
    if (!place) throw new Error('The second segment holds more than two records.');
    const base = BigInt(basename(file, '.segment'));
    const hit = events.findIndex(event => event.position === base + BigInt(place.offset));
    const { stream, revision, position } = eventAt(events, hit);
    for (let at = 0; at < place.length * 8; at += 3) {
      const offset = place.offset + (at >> 3);
      await flipBit(file, offset, at % 8);
      const read = await failure(collect(store.readStream(stream, { from: revision, maxCount: 1 })));
      expect(read).toBeInstanceOf(CorruptLogError);
      expect(read).toMatchObject({ file, offset: place.offset });
      const all = await failure(collect(store.readAll({ from: position, maxCount: 1 })));
      expect(all).toBeInstanceOf(CorruptLogError);
      await flipBit(file, offset, at % 8);
    }
    expect(await wholeLog(store)).toEqual(events.map(nameOf));
  });

  it('keeps nothing else from being read: before it, behind it, other streams, and a log that opens', async () => {
    const { store, directory, files, events } = await segmentedLog();
    await store.close();
    const file = files[1] ?? '';
    const place = (await recordPlaces(file))[2];
    const base = Number(basename(file, '.segment'));
    const hit = events.findIndex(event => event.position === BigInt(base + (place?.offset ?? 0)));
    await flipBit(file, (place?.offset ?? 0) + 80);
    const errors: Error[] = [];
    const { store: again } = await openLog({ directory, onError: error => errors.push(error) });
    const names = events.map(nameOf);

    const forwards = await untilError(again.readAll());
    expect(forwards.error).toMatchObject({ name: 'CorruptLogError', file });
    expect(forwards.names).toEqual(names.slice(0, hit));
    const backwards = await untilError(again.readAll({ direction: 'backwards' }));
    expect(backwards.error).toMatchObject({ name: 'CorruptLogError', file });
    expect(backwards.names).toEqual(names.slice(hit + 1).reverse());
    const behind = await collect(again.readAll({ from: events[hit + 1]?.position ?? 0n }));
    expect(behind.map(nameOf)).toEqual(names.slice(hit + 1));

    const damaged = eventAt(events, hit);
    for (const stream of ['s0', 's1', 's2']) {
      const expected = events.filter(event => event.stream === stream && event !== damaged).map(nameOf);
      const { head } = await again.streamBounds(stream);
      const readable: string[] = [];
      for (let revision = 0n; revision <= head; revision++) {
        const one = await untilError(again.readStream(stream, { from: revision, maxCount: 1 }));
        if (one.error !== undefined) expect([stream, revision]).toEqual([damaged.stream, damaged.revision]);
        readable.push(...one.names);
      }
      expect(readable).toEqual(expected);
    }
    const follower = new Follower(signal => again.subscribeToAll({ after: 'start', signal }));
    expect(await follower.ended).toMatchObject({ name: 'CorruptLogError', file });
    expect(follower.events.map(nameOf)).toEqual(names.slice(0, hit));
    await again.append('s0', [newEvent()], { expectedRevision: 'any' });
    // The ids of recent events are gathered from the end backwards, and stop at the damage: that is said, once.
    expect(errors).toMatchObject([{ name: 'CorruptLogError', file }]);
  });

  it('in its header is named when the log is opened', async () => {
    const { store, directory, files } = await segmentedLog();
    await store.close();
    await flipBit(files[1] ?? '', 40);
    const refusal = await failure(openEmbeddedEventStore({ directory }));
    expect(refusal).toBeInstanceOf(CorruptLogError);
    expect(refusal).toMatchObject({ file: files[1], offset: 0 });
  });
});

describe('a bit flipped in the segment that is written', () => {
  const threeGroups = async () => {
    const { store, directory } = await openLog();
    for (let i = 0; i < 3; i++) await store.append('a', newEvents(2), { expectedRevision: 'any' });
    return { store, directory, events: (await collect(store.readAll())).map(nameOf) };
  };

  it('with a later group behind it: the log refuses to open and says where', async () => {
    const { directory } = await threeGroups();
    const source = await crashed(directory);
    const [file = ''] = await segmentFiles(source);
    const places = await recordPlaces(file);
    for (const record of [0, 1, 2, 3]) {
      const place = places[record];
      for (const byte of [0, 4, 8, 20, 50, 70, (place?.length ?? 0) - 1]) {
        const copy = await crashed(source);
        const [damaged = ''] = await segmentFiles(copy);
        await flipBit(damaged, (place?.offset ?? 0) + byte);
        const refusal = await failure(openEmbeddedEventStore({ directory: copy }));
        expect(refusal).toBeInstanceOf(CorruptLogError);
        expect(refusal).toMatchObject({ file: damaged, offset: place?.offset });
        expect((await readFile(damaged)).length).toBe((await stat(file)).size);
      }
    }
  });

  it('in the last group is cut with it, as a torn tail is', async () => {
    const { directory, events } = await threeGroups();
    const copy = await crashed(directory);
    const [file = ''] = await segmentFiles(copy);
    await flipBit(file, ((await recordPlaces(file))[5]?.offset ?? 0) + 75);
    const { store } = await openLog({ directory: copy });
    expect(await wholeLog(store)).toEqual(events.slice(0, 4));
  });

  it('of a log that was closed: it is no torn tail, the log opens, and reads name it', async () => {
    const { store, directory, events } = await threeGroups();
    await store.close();
    const [file = ''] = await segmentFiles(directory);
    const last = (await recordPlaces(file))[5]?.offset ?? 0;
    await flipBit(file, last + 75);
    const { store: again } = await openLog({ directory });
    const { names, error } = await untilError(again.readAll());
    expect(error).toMatchObject({ name: 'CorruptLogError', file, offset: last });
    expect(names).toEqual(events.slice(0, 5));
    await again.append('a', newEvents(1), { expectedRevision: 5n });
    await expect(collect(again.readStream('a'))).rejects.toThrow(CorruptLogError);
    expect((await collect(again.readStream('a', { from: 6n }))).length).toBe(1);
  });
});

describe('a folder that is not the log as it was', () => {
  const refusalOf = async (change: (directory: string, files: string[]) => Promise<void>) => {
    const { store, directory } = await segmentedLog();
    await store.close();
    await change(directory, await segmentFiles(directory));
    const refusal = await failure(openEmbeddedEventStore({ directory }));
    expect(refusal).toBeInstanceOf(CorruptLogError);
    return refusal as CorruptLogError;
  };

  it('a foreign file is refused by name', async () => {
    const refusal = await refusalOf(directory => writeFile(join(directory, 'segments', 'notes.txt'), 'hello'));
    expect(basename(refusal.file)).toBe('notes.txt');
  });

  it("another log's segment is refused by name", async () => {
    const other = await segmentedLog();
    await other.store.close();
    const refusal = await refusalOf(async (_, files) => cp(other.files[1] ?? '', files[1] ?? ''));
    expect(refusal.message).toContain('another log');
    expect(basename(refusal.file)).toBe(basename(other.files[1] ?? ''));
  });

  it.for([0, 1])('a missing segment (%i) is refused by the name of the one behind it', async missing => {
    let behind = '';
    const refusal = await refusalOf(async (_, files) => {
      behind = files[missing + 1] ?? '';
      await rm(files[missing] ?? '');
    });
    expect(refusal.file).toBe(behind);
    expect(refusal.message).toContain('goes on at position');
  });

  it('a sealed segment cut short, or grown, is refused', async () => {
    for (const bytes of [-1, 1]) {
      const refusal = await refusalOf(async (_, files) =>
        truncate(files[1] ?? '', (await stat(files[1] ?? '')).size + bytes),
      );
      expect(refusal.message).toContain('goes on at position');
    }
  });

  it('a segment under another name is refused', async () => {
    const refusal = await refusalOf(async (_, files) => {
      await cp(files[1] ?? '', (files[1] ?? '').replace(/\d{20}/, '00000000000000000777'));
      await rm(files[1] ?? '');
    });
    expect(basename(refusal.file)).toBe('00000000000000000777.segment');
  });

  it('a file of another kind, and one cut within its header, are refused', async () => {
    expect((await refusalOf((_, files) => writeFile(files[0] ?? '', 'hello'))).offset).toBe(0);
    expect((await refusalOf((_, files) => writeFile(files[0] ?? '', Buffer.alloc(9000, 'x')))).offset).toBe(0);
    expect((await refusalOf((_, files) => truncate(files.at(-1) ?? '', 63))).offset).toBe(0);
  });

  it('a format of the future is refused by its number', async () => {
    const refusal = await refusalOf(async (_, files) => {
      const header = (await readFile(files[0] ?? '')).subarray(0, 64);
      header.writeUInt32LE(3, 8);
      header.writeUInt32LE(crc32(header.subarray(0, 60)), 60);
      await overwrite(files[0] ?? '', 0, header);
    });
    expect(refusal.message).toContain('format 3');
  });

  it('a segment that was begun and never finished is no part of it', async () => {
    const { store, directory, events } = await segmentedLog();
    await store.close();
    await writeFile(join(directory, 'segments', '00000000000000099999.segment.new'), 'half a hea');
    const { store: again } = await openLog({ directory });
    expect(await wholeLog(again)).toEqual(events.map(nameOf));
  });

  it('that cannot be read or written is unavailable, and says why', async () => {
    const { store, directory } = await segmentedLog();
    await store.close();
    await rm(join(directory, 'index'), { recursive: true });
    await writeFile(join(directory, 'index'), 'a file where a folder belongs');
    const { store: again } = await openLog({ directory });
    expect((await wholeLog(again)).length).toBe(60);
    await again.close();
    const blocked = join(directory, 'blocked');
    await writeFile(blocked, 'a file where a folder belongs');
    expect(await failure(openEmbeddedEventStore({ directory: blocked }))).toMatchObject({ name: 'UnavailableError' });
    await mkdir(join(directory, 'folders', 'segments', '00000000000000000000.segment'), { recursive: true });
    const refusal = await failure(openEmbeddedEventStore({ directory: join(directory, 'folders') }));
    expect(refusal).toMatchObject({ name: 'UnavailableError' });
  });

  it('that was refused opens in the same process once it is mended', async () => {
    const { store, directory, events } = await segmentedLog();
    await store.close();
    const stray = join(directory, 'segments', 'notes.txt');
    await writeFile(stray, 'hello');
    await failure(openEmbeddedEventStore({ directory }));
    await rm(stray);
    const file = (await segmentFiles(directory))[1] ?? '';
    await flipBit(file, 100);
    await rm(join(directory, 'index'), { recursive: true });
    // Without its index the damaged part must be read, and cannot be.
    expect(await failure(openEmbeddedEventStore({ directory }))).toMatchObject({ name: 'CorruptLogError', file });
    await flipBit(file, 100);
    const { store: again } = await openLog({ directory });
    expect(await wholeLog(again)).toEqual(events.map(nameOf));
  });
});

describe('segments that are gone', () => {
  it('are never taken for a new log while the index speaks of events', async () => {
    const { store, directory } = await segmentedLog();
    await store.close();
    const segments = join(directory, 'segments');
    await rm(segments, { recursive: true });
    for (let attempt = 0; attempt < 2; attempt++) {
      const refused = await failure(openEmbeddedEventStore({ directory }));
      expect(refused).toBeInstanceOf(CorruptLogError);
      expect(refused).toMatchObject({ file: segments });
      expect(await segmentFiles(directory)).toEqual([]);
    }
    const index = join(directory, 'index', 'data.mdb');
    await truncate(index, (await stat(index)).size >> 1);
    expect(await failure(openEmbeddedEventStore({ directory }))).toBeInstanceOf(CorruptLogError);
  });

  it('are no loss where the log never had an event', async () => {
    const { store, directory } = await openLog();
    await store.close();
    await rm(join(directory, 'segments'), { recursive: true });
    const { store: again } = await openLog({ directory });
    expect(await wholeLog(again)).toEqual([]);
  });
});
