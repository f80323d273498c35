/**
 * Reads records: by position (through the index), onwards and backwards in chunks (scans and subscriptions). Memory
 * first, then the segments; every byte that comes from disk passes its checksum or the read fails with the file and
 * offset. Nothing past the durable end is ever returned.
 */
import { CorruptLogError } from '../errors.ts';
import { recordAt, RECORD_OVERHEAD_BYTES, type LogRecord, type RecordAt } from './record.ts';
import { CompactedReader } from './compacted-reader.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import type { Segment, SegmentFiles } from './segments.ts';
import type { Chunk, Tail } from './tail.ts';

/** Bytes read at a time by scans: some 1,000 chat messages, a millisecond's work. */
const SCAN_BYTES = 256 * 1024;
/** Records taken from memory at a time, about as many; one group may hold more. */
const MEMORY_RECORDS_MAX = 512;
/** Bytes read for a single record at first; most are smaller. */
const RECORD_GUESS_BYTES = 4 * 1024;
/** Records closer than this are fetched by one read. */
const GAP_BYTES_MAX = 16 * 1024;
/** Bytes one such read may span. */
const SPAN_BYTES_MAX = 512 * 1024;

export class LogReader {
  private readonly files: SegmentFiles;
  private readonly tail: Tail;
  private readonly recordBytesMax: number;
  private readonly compacted: CompactedReader;

  constructor(files: SegmentFiles, tail: Tail, recordBytesMax: number) {
    this.files = files;
    this.tail = tail;
    this.recordBytesMax = recordBytesMax;
    this.compacted = new CompactedReader(files, recordBytesMax, SCAN_BYTES);
  }

  /** The records at these positions, in the order given (ascending or descending). */
  records(positions: readonly number[]): Promise<LogRecord[]> {
    return this.files.steady(() => this.readRecords(positions));
  }

  private async readRecords(positions: readonly number[]): Promise<LogRecord[]> {
    const found = new Map<number, LogRecord>();
    const missing: number[] = [];
    for (const position of positions) {
      const record = this.tail.recordAt(position);
      if (record) found.set(position, record);
      else missing.push(position);
    }
    missing.sort((a, b) => a - b);
    const reads: Promise<void>[] = [];
    for (let at = 0; at < missing.length;) {
      const spanEnd = this.spanEnd(missing, at);
      reads.push(this.readSpan(missing.slice(at, spanEnd), found));
      at = spanEnd;
    }
    await Promise.all(reads);
    return positions.map(position => {
      const record = found.get(position);
      if (!record) throw new Error(`No record was read at position ${position}.`);
      return record;
    });
  }

  /** How many of the sorted positions from `at` on one read can bring. */
  private spanEnd(positions: readonly number[], at: number): number {
    const first = positions[at] ?? 0;
    const segment = this.segmentAt(first);
    let end = at + 1;
    for (; end < positions.length; end++) {
      const position = positions[end] ?? 0;
      const isFar = position - (positions[end - 1] ?? 0) > GAP_BYTES_MAX || position - first > SPAN_BYTES_MAX;
      if (isFar && !segment.compacted) break;
      if (position >= segment.base + segment.size) break;
    }
    return end;
  }

  private async readSpan(positions: readonly number[], into: Map<number, LogRecord>): Promise<void> {
    const first = positions[0] ?? 0;
    const last = positions.at(-1) ?? first;
    const segment = this.segmentAt(first);
    if (segment.compacted) return this.compacted.records(segment, positions, into);
    const buffer = await this.files.read(segment, first - segment.base, last - first + RECORD_GUESS_BYTES);
    for (const position of positions) {
      const parsed = recordAt(buffer, position - first, position, this.recordBytesMax);
      into.set(position, parsed.kind === 'record' ? parsed.record : await this.readOne(segment, position));
    }
  }

  /** One record whose length is not known: the damage, if it is that, is named. */
  private async readOne(segment: Segment, position: number): Promise<LogRecord> {
    const parsed = await this.probe(segment, position);
    if (parsed.kind === 'record') return parsed.record;
    const what = parsed.kind === 'damaged' ? parsed.what : 'the log ends inside a record';
    throw new CorruptLogError(segment.file, position - segment.base, what);
  }

  /** What stands at a position, read as far as its length says. `incomplete`: the segment ends inside it. */
  private async probe(segment: Segment, position: number): Promise<RecordAt> {
    let bytes = RECORD_GUESS_BYTES;
    for (;;) {
      const buffer = await this.files.read(segment, position - segment.base, bytes);
      const parsed = recordAt(buffer, 0, position, this.recordBytesMax);
      if (parsed.kind !== 'incomplete' || buffer.length < bytes) return parsed;
      bytes = Math.max(parsed.bytesNeeded, bytes + 1);
    }
  }

  private segmentAt(position: number): Segment {
    const segment = this.files.find(position);
    if (!segment)
      throw new CorruptLogError(this.files.active.file, 0, `position ${position} is past the end of the log`);
    return segment;
  }

  /** The file and the byte in it at which a record stands. */
  async placeOf(position: number): Promise<{ readonly file: string; readonly offset: number }> {
    const segment = this.segmentAt(position);
    const { file, base } = segment;
    return { file, offset: segment.compacted ? await this.compacted.offsetOf(segment, position) : position - base };
  }

  /** Whether the records from a position on are in memory, so that reading them waits for nothing. */
  inMemory(position: number): boolean {
    return this.tail.holds(position);
  }

  /**
   * The records from a position on, as many as one read brings; undefined at the durable end.
   * @param position a record's, or the end of the one before
   */
  async chunkFrom(position: number): Promise<Chunk | undefined> {
    return this.tail.chunkAt(position, MEMORY_RECORDS_MAX) ?? (await this.chunkOnDisk(position));
  }

  /** The same from the segments, whatever is in memory. */
  chunkOnDisk(position: number): Promise<Chunk | undefined> {
    return this.files.steady(() => this.chunkFromDisk(position));
  }

  private async chunkFromDisk(position: number): Promise<Chunk | undefined> {
    const segment = this.files.find(position);
    if (!segment) return undefined;
    if (segment.compacted) {
      return (await this.compacted.chunkFrom(segment, position)) ?? this.chunkFromDisk(segment.base + segment.size);
    }
    const start = Math.max(position - segment.base, SEGMENT_HEADER_BYTES);
    if (start >= segment.size) return this.chunkFromDisk(segment.base + segment.size);
    const { size } = segment;
    let bytes = SCAN_BYTES;
    for (;;) {
      const buffer = await this.files.read(segment, start, bytes);
      const chunk = this.parse(segment, start, buffer, start + buffer.length >= size);
      if (chunk.records.length > 0) return chunk;
      bytes = Math.max(chunk.bytesNeeded, bytes + 1);
    }
  }

  /** All whole records of a buffer that was read at `start` of a segment. */
  private parse(segment: Segment, start: number, buffer: Buffer, complete: boolean): Chunk & { bytesNeeded: number } {
    const records: LogRecord[] = [];
    let at = 0;
    while (at < buffer.length) {
      const parsed = recordAt(buffer, at, segment.base + start + at, this.recordBytesMax);
      if (parsed.kind === 'incomplete') {
        if (complete) throw new CorruptLogError(segment.file, start + at, 'the log ends inside a record');
        return { records, end: segment.base + start + at, bytesNeeded: parsed.bytesNeeded };
      }
      if (parsed.kind === 'damaged') {
        // What stands before the damage is whole and may be served; the next read begins at the damage.
        if (records.length === 0) throw new CorruptLogError(segment.file, start + at, parsed.what);
        return { records, end: segment.base + start + at, bytesNeeded: 0 };
      }
      records.push(parsed.record);
      at += parsed.length;
    }
    return { records, end: segment.base + start + at, bytesNeeded: 0 };
  }

  /** The records before a position (exclusive; a record's, or the durable end), nearest first; undefined at the start. */
  chunkBefore(position: number): Promise<{ records: LogRecord[]; start: number } | undefined> {
    return this.files.steady(() => this.readBefore(position));
  }

  private async readBefore(position: number): Promise<{ records: LogRecord[]; start: number } | undefined> {
    const segment = this.files.find(position - 1);
    if (!segment) return undefined;
    if (segment.compacted) {
      const chunk = await this.compacted.chunkBefore(segment, position);
      return chunk ?? (segment.base === 0 ? undefined : this.readBefore(segment.base));
    }
    const endOffset = position - segment.base;
    if (endOffset <= SEGMENT_HEADER_BYTES) return segment.base === 0 ? undefined : this.readBefore(segment.base);
    let bytes = SCAN_BYTES;
    for (;;) {
      const from = Math.max(SEGMENT_HEADER_BYTES, endOffset - bytes);
      const buffer = await this.files.read(segment, from, endOffset - from);
      const records: LogRecord[] = [];
      let at = buffer.length;
      while (at >= RECORD_OVERHEAD_BYTES) {
        const length = buffer.readUInt32LE(at - 4);
        if (length > at) break;
        const parsed = recordAt(buffer, at - length, segment.base + from + at - length, this.recordBytesMax);
        if (parsed.kind !== 'record') break;
        records.push(parsed.record);
        at -= length;
      }
      if (records.length > 0) return { records, start: segment.base + from + at };
      // What stands behind the damage was whole and has been served; this read began at it.
      if (from === SEGMENT_HEADER_BYTES || bytes > this.recordBytesMax) {
        throw new CorruptLogError(segment.file, endOffset, 'no whole record ends here');
      }
      bytes *= 2;
    }
  }

  /**
   * The first record position at or after any given one, which may come from outside and lie inside a record: walks its
   * segment from the start when it does.
   */
  align(position: number): Promise<number> {
    return this.files.steady(() => this.alignOnDisk(position));
  }

  private async alignOnDisk(position: number): Promise<number> {
    const segment = this.files.find(position);
    if (!segment) return position;
    if (segment.compacted) {
      const chunk = await this.compacted.chunkFrom(segment, position);
      return chunk?.records[0]?.positionNumber ?? segment.base + segment.size;
    }
    const offset = position - segment.base;
    if (offset <= SEGMENT_HEADER_BYTES) return segment.base + SEGMENT_HEADER_BYTES;
    if ((await this.probe(segment, position)).kind === 'record') return position;
    for (let next = segment.base + SEGMENT_HEADER_BYTES; next < segment.base + segment.size;) {
      const chunk = await this.chunkFromDisk(next);
      if (!chunk) break;
      const found = chunk.records.find(record => record.positionNumber >= position);
      if (found) return found.positionNumber;
      next = chunk.end;
    }
    return segment.base + segment.size;
  }
}
