/**
 * Opening a log: finds its valid end, cuts a torn tail, and brings the index up to it. A torn tail is what a write that
 * was never acknowledged left behind; damage with a later group behind it is not that, and is refused by name.
 */
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lmdbFileIsWhole } from '../../data-folder/lmdb-file.ts';
import { CorruptLogError } from '../errors.ts';
import { LogIndex } from './log-index.ts';
import { recordAt, RECORD_HEADER_BYTES, type LogRecord } from './record.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { SegmentFiles, type Segment } from './segments.ts';
import { decodeMetadata, describedStream, isMetadataStream, METADATA_TYPE } from '../metadata.ts';
import { limitsOf } from './stream-limits.ts';
import type { LogReader } from './log-reader.ts';
import type { RecentIds } from './recent-ids.ts';
import type { StreamTable } from './streams.ts';

/** Positions gathered while catching up before they are written: bounds its memory. */
const REPLAY_POSITIONS_MAX = 20_000;
const READ_BYTES = 1024 * 1024;
/** A new segment and a new index, before anything is in them. */
const ROOM_BYTES = 128 * 1024;

export interface RecoveryProgress {
  readonly phase: 'index-rebuild' | 'index-catch-up';
  /** Bytes of the log read so far, and to read. */
  readonly done: number;
  readonly total: number;
}

/**
 * lmdb maps its lock file into memory, and on a full disk the first touch of that ends the process: this fails first.
 * @throws an error with a `code`, ENOSPC
 */
export async function expectRoom(directory: string): Promise<void> {
  const file = join(directory, 'room');
  try {
    await writeFile(file, Buffer.alloc(ROOM_BYTES));
  } finally {
    await rm(file, { force: true });
  }
}

/**
 * Segments are made before their index, so an index that stands alone is of a log whose segments are gone. A new log
 * would quietly take its place.
 * @throws CorruptLogError where such an index had events, or cannot be asked
 */
export async function refuseLostSegments(segments: string, index: string): Promise<void> {
  const file = join(index, 'data.mdb');
  if (!(await SegmentFiles.isEmpty(segments)) || !existsSync(file)) return;
  if (lmdbFileIsWhole(file) && (await reachOf(index)) <= SEGMENT_HEADER_BYTES) return;
  throw new CorruptLogError(
    segments,
    0,
    'it has no segment, though the index beside it is of a log that had events. Put the segments back from a backup; ' +
      'to begin a new log, name an empty data folder',
  );
}

async function reachOf(directory: string): Promise<number> {
  let index: LogIndex;
  try {
    index = new LogIndex(directory, Buffer.alloc(0));
  } catch {
    return Infinity;
  }
  try {
    return index.reachesTo;
  } finally {
    await index.close();
  }
}

/** Opens the index, emptied first where it is torn, another log's, or ahead of this one. */
export async function openIndex(directory: string, files: SegmentFiles): Promise<LogIndex> {
  const usable = lmdbFileIsWhole(join(directory, 'data.mdb')) ? await tryOpen(directory, files) : undefined;
  if (usable) return usable;
  await rm(directory, { recursive: true, force: true });
  const index = new LogIndex(directory, files.storageId);
  await index.isOfThisLog();
  return index;
}

async function tryOpen(directory: string, files: SegmentFiles): Promise<LogIndex | undefined> {
  let index: LogIndex;
  try {
    index = new LogIndex(directory, files.storageId);
  } catch {
    return undefined; // Whatever is wrong with it, it can be built again from the log.
  }
  if ((await index.isOfThisLog()) && (await hasRecordsTo(files, index.reachesTo))) return index;
  await index.close();
  return undefined;
}

/** Whether the log has what its index speaks of. The file may be longer than the log, by zeros laid ahead of records. */
async function hasRecordsTo(files: SegmentFiles, position: number): Promise<boolean> {
  const segment = files.active;
  const offset = position - segment.base;
  if (position > files.end) return false;
  if (offset <= SEGMENT_HEADER_BYTES) return true;
  const lengthAtEnd = await files.read(segment, offset - 4, 4);
  return lengthAtEnd.readUInt32LE(0) !== 0;
}

/**
 * Sets the size of the last segment to the end of its last whole append.
 * @param trustedTo an index checkpoint: nothing before it can be a torn tail
 * @throws CorruptLogError for damage that is not a torn tail
 */
export async function findEnd(files: SegmentFiles, trustedTo: number, recordBytesMax: number): Promise<void> {
  const segment = files.active;
  const fileBytes = segment.size;
  const start = Math.max(SEGMENT_HEADER_BYTES, trustedTo - segment.base);
  let at = start;
  let end = start;
  let buffer: Buffer = Buffer.alloc(0);
  let bufferAt = at;
  for (;;) {
    let parsed = recordAt(buffer, at - bufferAt, segment.base + at, recordBytesMax);
    if (parsed.kind === 'incomplete') {
      buffer = await files.read(segment, at, Math.max(READ_BYTES, parsed.bytesNeeded));
      bufferAt = at;
      parsed = recordAt(buffer, 0, segment.base + at, recordBytesMax);
    }
    if (parsed.kind !== 'record') break;
    at += parsed.length;
    if (parsed.record.lastOfAppend) end = at;
  }
  const later = await findLaterGroup(files, segment, at, fileBytes, recordBytesMax);
  if (later !== undefined) {
    throw new CorruptLogError(
      segment.file,
      at,
      `what stands here is no record, though the log goes on at byte ${later}`,
    );
  }
  segment.size = end;
}

/** The offset of a whole record behind `damage` whose group was begun after it, so that the damage was once durable. */
async function findLaterGroup(
  files: SegmentFiles,
  segment: Segment,
  damage: number,
  fileBytes: number,
  recordBytesMax: number,
): Promise<number | undefined> {
  for (let from = damage + 1; from < fileBytes; from += READ_BYTES) {
    const buffer = await files.read(segment, from, READ_BYTES + RECORD_HEADER_BYTES);
    for (let i = 0; i + RECORD_HEADER_BYTES <= buffer.length; i++) {
      const position = segment.base + from + i;
      if (buffer.readUInt32LE(i + 8) !== position % 2 ** 32 || buffer.readUInt32LE(i) === 0) continue;
      const bytes = Math.min(recordBytesMax, buffer.readUInt32LE(i));
      const parsed = recordAt(await files.read(segment, from + i, bytes), 0, position, recordBytesMax);
      if (parsed.kind === 'record' && parsed.record.groupPosition > segment.base + damage) return from + i;
    }
  }
  return undefined;
}

/** Reads what the index lacks from the log, in chunks, flushing as it goes. */
export async function catchUpIndex(
  reader: LogReader,
  streams: StreamTable,
  from: number,
  end: number,
  onProgress: (progress: RecoveryProgress) => void,
): Promise<void> {
  const phase = from === 0 ? 'index-rebuild' : 'index-catch-up';
  let next = from;
  let found = false;
  for (;;) {
    const chunk = await reader.chunkFrom(next);
    if (!chunk) break;
    for (const record of chunk.records) replay(streams, record);
    next = chunk.end;
    found = true;
    if (streams.pendingPositions < REPLAY_POSITIONS_MAX) continue;
    await streams.flush(next);
    onProgress({ phase, done: next - from, total: end - from });
  }
  await streams.flush(end);
  if (found) onProgress({ phase, done: end - from, total: end - from });
}

/** Rows of an unfinished flush may be ahead of this event; they say the same and are written again. */
function replay(streams: StreamTable, record: LogRecord): void {
  const entry = streams.open(record.stream);
  streams.recordDurable(entry, record.revisionNumber, record.positionNumber);
  if (record.scavenged) streams.raiseFloor(entry, record.revisionNumber + 1);
  if (record.type === METADATA_TYPE && isMetadataStream(record.stream)) {
    const described = streams.open(describedStream(record.stream));
    streams.limitsDurable(described, limitsOf(decodeMetadata(record.data)));
    described.accepted = { ...described.durable };
  }
  entry.accepted = { ...entry.durable };
}

/** Ids that are read before something turns out damaged are remembered all the same. */
export async function refillRecentIds(
  recent: RecentIds,
  reader: LogReader,
  end: number,
  idsMax: number,
): Promise<void> {
  const found: { id: string; stream: string; revision: number }[] = [];
  try {
    for (let before = end; found.length < idsMax;) {
      const chunk = await reader.chunkBefore(before);
      if (!chunk) break;
      for (const { id, stream, revisionNumber } of chunk.records) found.push({ id, stream, revision: revisionNumber });
      before = chunk.start;
    }
  } finally {
    for (const { id, stream, revision } of found.reverse()) recent.add(id, stream, revision);
  }
}
