/** A log's folder as the tests of recovery need it: opened, copied as a crash would leave it, damaged, and read whole. */
import { cp, mkdir, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { openEmbeddedEventStore, type EmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { recordAt } from '../../src/event-store/embedded/record.ts';
import { SEGMENT_HEADER_BYTES } from '../../src/event-store/embedded/segment-header.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { collect, range } from './events.ts';
import type { EventStore, RecordedEvent } from '../../src/event-store/event-store.ts';

export const RECORD_BYTES_MAX = 2_000_000;

type Settings = Partial<Parameters<typeof openEmbeddedEventStore>[0]>;

/** Opens a log, in a folder of its own unless one is named; closed at the end of the test if it is still open. */
export async function openLog(settings: Settings = {}): Promise<{ store: EmbeddedEventStore; directory: string }> {
  const directory = settings.directory ?? (await tempFolder());
  const store = await openEmbeddedEventStore({ ...settings, directory });
  onTestFinished(() => store.close());
  return { store, directory };
}

/** The folder as a power cut at this instant would leave it: what was written, with or without the index. */
export async function crashed(directory: string, { index = false } = {}): Promise<string> {
  const copy = await tempFolder();
  await cp(join(directory, 'segments'), join(copy, 'segments'), { recursive: true });
  if (index) await cp(join(directory, 'index'), join(copy, 'index'), { recursive: true });
  return copy;
}

export async function segmentFiles(directory: string): Promise<string[]> {
  const names = await readdir(join(directory, 'segments'));
  return names.sort().map(name => join(directory, 'segments', name));
}

export interface RecordPlace {
  readonly offset: number;
  readonly length: number;
  readonly lastOfAppend: boolean;
  readonly groupPosition: number;
}

/** Where the records of a segment stand in its file. */
export async function recordPlaces(file: string): Promise<RecordPlace[]> {
  const bytes = await readFile(file);
  const base = Number(bytes.readBigUInt64LE(32));
  const places: RecordPlace[] = [];
  for (let offset = SEGMENT_HEADER_BYTES; offset < bytes.length;) {
    const parsed = recordAt(bytes, offset, base + offset, RECORD_BYTES_MAX);
    if (parsed.kind !== 'record') break;
    const { lastOfAppend, groupPosition } = parsed.record;
    places.push({ offset, length: parsed.length, lastOfAppend, groupPosition });
    offset += parsed.length;
  }
  return places;
}

/** Writes bytes into a file, in place. */
export async function overwrite(file: string, offset: number, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.write(bytes, 0, bytes.length, offset);
  } finally {
    await handle.close();
  }
}

export async function flipBit(file: string, offset: number, bit = 0): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, offset);
    byte.writeUInt8(byte.readUInt8(0) ^ (1 << bit));
    await handle.write(byte, 0, 1, offset);
  } finally {
    await handle.close();
  }
}

export async function emptyFolder(): Promise<string> {
  const folder = await tempFolder();
  await mkdir(join(folder, 'segments'), { recursive: true });
  return folder;
}

/** An event in a word: `stream@revision id`. */
export function nameOf(event: RecordedEvent): string {
  return `${event.stream}@${event.revision} ${event.id}`;
}

/**
 * Everything in the log, in order, after a look at what must always hold: positions rise, revisions are dense, every
 * stream reads as all shows it (both ways), and both directions of all agree.
 */
export async function wholeLog(store: EventStore): Promise<string[]> {
  const events = await collect(store.readAll());
  const streams = new Map<string, RecordedEvent[]>();
  let last = -1n;
  for (const event of events) {
    expect(event.position).toBeGreaterThan(last);
    last = event.position;
    const known = streams.get(event.stream);
    if (known) known.push(event);
    else streams.set(event.stream, [event]);
  }
  for (const [name, all] of streams) {
    expect(all.map(event => event.revision)).toEqual(range(0, all.length));
    const read = await collect(store.readStream(name));
    expect(read.map(nameOf)).toEqual(all.map(nameOf));
    expect(read.map(event => event.position)).toEqual(all.map(event => event.position));
    expect((await store.streamBounds(name)).head).toBe(BigInt(all.length - 1));
  }
  const names = events.map(nameOf);
  const backwards = await collect(store.readAll({ direction: 'backwards' }));
  expect(backwards.map(nameOf).reverse()).toEqual(names);
  return names;
}
