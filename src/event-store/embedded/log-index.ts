/**
 * The index behind the segments, in lmdb: where each revision of a stream stands in the log, and each stream's head and
 * limits. It may lag behind the log (its checkpoint says how far it reaches) and can be deleted at any time: opening
 * the store reads the rest, or all, from the segments again. Every record read through it is checked against the stream
 * and revision it was looked up by, so a damaged index is found, never believed.
 *
 * Rows: `streams`: name -> StreamRow; `places`: stream number, first revision -> up to 512 positions of successive
 * revisions; `meta`. A flush writes many small transactions, rows first, checkpoint last. A crash in between leaves rows
 * that say the truth early; the same revision may then stand in two rows, and both are right.
 */
import { open, type Database, type RootDatabase } from 'lmdb';

export interface StreamRow {
  /** The stream's number in the index. */
  readonly no: number;
  /** -1 where the stream has only metadata. */
  readonly head: number;
  /** Position of the head; -1 with it. */
  readonly headPosition: number;
  readonly tombstoned: boolean;
  /** 0 where nothing is truncated, Infinity for a soft-deleted stream. */
  readonly truncateBefore: number;
  /** Infinity where there is no limit. */
  readonly maxCount: number;
  readonly maxAgeSeconds: number;
  /** Scavenging has dropped events below this revision. */
  readonly floor: number;
}

/** One row of `places`: the positions of `first`, `first + 1`, … */
export interface PlacesRow {
  readonly no: number;
  readonly first: number;
  readonly positions: readonly number[];
}

export const PLACES_ROW_MAX = 512;
/** Larger transactions make lmdb's free list crawl. */
const TRANSACTION_ROWS_MAX = 256;
const INDEX_FORMAT = 1;
const STREAM_ROW_BYTES = 53;
/** Of rows written before logs were scavenged. */
const STREAM_ROW_BYTES_WITHOUT_FLOOR = 45;
const CHECKPOINT = Buffer.from('checkpoint');
const NEXT_NO = Buffer.from('nextNo');
const FLUSHING_TO = Buffer.from('flushingTo');
const IDENTITY = Buffer.from('identity');

export interface IndexFlush {
  readonly streams: readonly { readonly name: string; readonly row: StreamRow }[];
  readonly places: readonly PlacesRow[];
  readonly nextNo: number;
  /** All rows of events before this position are in. */
  readonly checkpoint: number;
}

type Put = readonly [database: Database<Buffer, Buffer>, key: Buffer, value: Buffer];

export class LogIndex {
  private readonly root: RootDatabase<Buffer, Buffer>;
  private readonly streams: Database<Buffer, Buffer>;
  private readonly places: Database<Buffer, Buffer>;
  private readonly meta: Database<Buffer, Buffer>;
  private readonly identity: Buffer;

  /** @param storageId the log it belongs to; an index of another log, or of another format, counts as empty */
  constructor(directory: string, storageId: Buffer, { readOnly = false } = {}) {
    const encodings = { encoding: 'binary', keyEncoding: 'binary' } as const;
    // Batching by turn keeps a promise of its own, whose rejection on a full disk nobody could handle.
    this.root = open<Buffer, Buffer>({ path: directory, maxDbs: 4, eventTurnBatching: false, readOnly, ...encodings });
    this.streams = this.root.openDB<Buffer, Buffer>({ name: 'streams', ...encodings });
    this.places = this.root.openDB<Buffer, Buffer>({ name: 'places', ...encodings });
    this.meta = this.root.openDB<Buffer, Buffer>({ name: 'meta', ...encodings });
    this.identity = Buffer.concat([Buffer.of(INDEX_FORMAT), storageId]);
  }

  /** Whether the rows are this log's. Writes its identity into an empty index. */
  async isOfThisLog(): Promise<boolean> {
    const identity = this.meta.get(IDENTITY);
    if (identity) return identity.equals(this.identity);
    if (this.streams.getKeysCount({ limit: 1 }) > 0) return false;
    await this.write([[this.meta, IDENTITY, this.identity]]);
    return true;
  }

  private number(key: Buffer, fallback: number): number {
    return this.meta.get(key)?.readDoubleLE(0) ?? fallback;
  }

  /** Rows of all events before this position are in. */
  get checkpoint(): number {
    return this.number(CHECKPOINT, 0);
  }

  /** The highest position any row may speak of, whether or not its flush was finished. */
  get reachesTo(): number {
    return Math.max(this.checkpoint, this.number(FLUSHING_TO, 0));
  }

  get nextNo(): number {
    return this.number(NEXT_NO, 1);
  }

  stream(name: string): StreamRow | undefined {
    const row = this.streams.get(Buffer.from(name));
    return row && decodeStreamRow(row);
  }

  /**
   * Appends to `into` the positions of revisions `from` to `to` (inclusive), in order, as far as they are indexed
   * without a hole.
   */
  positions(no: number, from: number, to: number, into: number[]): void {
    let next = from;
    while (next <= to) {
      const before = next;
      const covering = this.covering(no, next);
      if (!covering) return;
      next = copyPositions(covering.row, covering.first, next, to, into);
      const range = this.places.getRange({ start: placesKey(no, next), end: placesKey(no, to + 1) });
      for (const { key, value } of range) {
        const first = key.readUIntBE(4, 6);
        if (first !== next) break;
        next = copyPositions(value, first, next, to, into);
      }
      if (next === before) return;
    }
  }

  /** The row that covers a revision: the nearest at or below it, or one further below where a crash left overlaps. */
  private covering(no: number, revision: number): { first: number; row: Buffer } | undefined {
    const end = placesKey(no, Math.max(0, revision - PLACES_ROW_MAX));
    for (const { key, value } of this.places.getRange({ start: placesKey(no, revision), end, reverse: true })) {
      if (key.readUInt32BE(0) !== no) return undefined;
      const first = key.readUIntBE(4, 6);
      if (revision < first + value.length / 8) return { first, row: value };
    }
    // `end` is exclusive in a reverse range, so the one row at its very edge is looked at by itself.
    const first = Math.max(0, revision - PLACES_ROW_MAX);
    const row = this.places.get(end);
    return row && revision < first + row.length / 8 ? { first, row } : undefined;
  }

  /** Resolves when all of it is committed (not synced: the log is the truth, the index is rebuilt from it). */
  async flush(flush: IndexFlush): Promise<void> {
    const puts: Put[] = [
      [this.meta, FLUSHING_TO, double(flush.checkpoint)],
      [this.meta, NEXT_NO, double(flush.nextNo)],
    ];
    for (const row of flush.places) puts.push([this.places, placesKey(row.no, row.first), doubles(row.positions)]);
    for (const { name, row } of flush.streams) puts.push([this.streams, Buffer.from(name), encodeStreamRow(row)]);
    for (let at = 0; at < puts.length; at += TRANSACTION_ROWS_MAX) {
      await this.write(puts.slice(at, at + TRANSACTION_ROWS_MAX));
    }
    await this.write([[this.meta, CHECKPOINT, double(flush.checkpoint)]]);
  }

  /** One transaction. Always a batch: the promise of a put by itself never settles where the disk is full. */
  private async write(puts: readonly Put[]): Promise<void> {
    try {
      await this.root.batch(() => {
        for (const [database, key, value] of puts) void database.put(key, value);
      });
    } catch (error) {
      // Why the commit failed is a second promise, which is rejected too.
      if (error instanceof Error && 'commitError' in error) Promise.resolve(error.commitError).catch(() => undefined);
      throw error;
    }
  }

  /** Whether it says that it is this log's; only asks. */
  get namesThisLog(): boolean {
    return this.meta.get(IDENTITY)?.equals(this.identity) ?? false;
  }

  *allStreams(): Generator<{ readonly name: string; readonly row: StreamRow }> {
    for (const { key, value } of this.streams.getRange({})) yield { name: key.toString(), row: decodeStreamRow(value) };
  }

  /** In the order of stream numbers and revisions. */
  *allPlaces(): Generator<PlacesRow> {
    for (const { key, value } of this.places.getRange({})) {
      const positions: number[] = [];
      copyPositions(value, 0, 0, value.length / 8 - 1, positions);
      yield { no: key.readUInt32BE(0), first: key.readUIntBE(4, 6), positions };
    }
  }

  /** Resolves when everything committed would survive a power cut. */
  async synced(): Promise<void> {
    await this.root.flushed;
  }

  async close(): Promise<void> {
    await this.root.close();
  }
}

function placesKey(no: number, first: number): Buffer {
  const key = Buffer.allocUnsafe(10);
  key.writeUInt32BE(no, 0);
  key.writeUIntBE(first, 4, 6);
  return key;
}

function copyPositions(row: Buffer, first: number, from: number, to: number, into: number[]): number {
  const last = Math.min(to, first + row.length / 8 - 1);
  for (let revision = from; revision <= last; revision++) into.push(row.readDoubleLE((revision - first) * 8));
  return Math.max(from, last + 1);
}

function double(value: number): Buffer {
  return doubles([value]);
}

function doubles(values: readonly number[]): Buffer {
  const buffer = Buffer.allocUnsafe(values.length * 8);
  values.forEach((value, i) => buffer.writeDoubleLE(value, i * 8));
  return buffer;
}

function encodeStreamRow(row: StreamRow): Buffer {
  const buffer = Buffer.allocUnsafe(STREAM_ROW_BYTES);
  buffer.writeUInt32LE(row.no, 0);
  buffer.writeUInt8(row.tombstoned ? 1 : 0, 4);
  buffer.writeDoubleLE(row.head, 5);
  buffer.writeDoubleLE(row.headPosition, 13);
  buffer.writeDoubleLE(row.truncateBefore, 21);
  buffer.writeDoubleLE(row.maxCount, 29);
  buffer.writeDoubleLE(row.maxAgeSeconds, 37);
  buffer.writeDoubleLE(row.floor, 45);
  return buffer;
}

function decodeStreamRow(buffer: Buffer): StreamRow {
  return {
    no: buffer.readUInt32LE(0),
    tombstoned: buffer.readUInt8(4) === 1,
    head: buffer.readDoubleLE(5),
    headPosition: buffer.readDoubleLE(13),
    truncateBefore: buffer.readDoubleLE(21),
    maxCount: buffer.readDoubleLE(29),
    maxAgeSeconds: buffer.readDoubleLE(37),
    floor: buffer.length === STREAM_ROW_BYTES_WITHOUT_FLOOR ? 0 : buffer.readDoubleLE(45),
  };
}
