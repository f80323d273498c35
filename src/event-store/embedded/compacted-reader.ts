/**
 * Reads of compacted segments: a position leads to an offset through the segment's table (offset-table.ts) and a walk of
 * at most one of its steps. Records rise in position and each passes its checksum, as everywhere; what stands between
 * the positions of two of them was dropped.
 */
import { CorruptLogError } from '../errors.ts';
import { positionAt, recordAt, RECORD_OVERHEAD_BYTES, type LogRecord } from './record.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import type { Segment, SegmentFiles } from './segments.ts';
import type { Chunk } from './tail.ts';

/** Records of a compacted segment's file from one offset to another. */
interface Walked {
  readonly records: readonly LogRecord[];
  readonly from: number;
  readonly to: number;
}

export class CompactedReader {
  private readonly files: SegmentFiles;
  private readonly recordBytesMax: number;
  private readonly scanBytes: number;

  constructor(files: SegmentFiles, recordBytesMax: number, scanBytes: number) {
    this.files = files;
    this.recordBytesMax = recordBytesMax;
    this.scanBytes = scanBytes;
  }

  /** The records at these ascending positions of one segment. */
  async records(segment: Segment, positions: readonly number[], into: Map<number, LogRecord>): Promise<void> {
    const table = await this.files.table(segment);
    for (let at = 0; at < positions.length;) {
      const entry = table.find(positions[at] ?? 0);
      const from = table.offset(entry) ?? SEGMENT_HEADER_BYTES;
      const to = table.offset(entry + 1) ?? endOf(segment);
      const { records } = await this.walk(segment, from, to);
      const next = table.position(entry + 1) ?? Infinity;
      for (; at < positions.length && (positions[at] ?? 0) < next; at++) {
        const position = positions[at] ?? 0;
        const record = records.find(({ positionNumber }) => positionNumber === position);
        if (!record) throw new CorruptLogError(segment.file, from, `no record of position ${position} stands here`);
        into.set(position, record);
      }
    }
  }

  /** The records from a position on, as many as one read brings. Never empty: what is past the last is the caller's. */
  async chunkFrom(segment: Segment, position: number): Promise<Chunk | undefined> {
    const table = await this.files.table(segment);
    for (let from = table.offset(table.find(position)) ?? SEGMENT_HEADER_BYTES; from < endOf(segment);) {
      const { records, to } = await this.walk(segment, from, from + this.scanBytes);
      const first = records.findIndex(({ positionNumber }) => positionNumber >= position);
      const last = records.at(-1);
      from = to;
      if (first < 0 || !last) continue;
      const end = to >= endOf(segment) ? segment.base + segment.size : last.positionNumber + last.length;
      return { records: first === 0 ? records : records.slice(first), end };
    }
    return undefined;
  }

  /** The records before a position of this segment, nearest first; undefined at its start. */
  async chunkBefore(segment: Segment, position: number): Promise<{ records: LogRecord[]; start: number } | undefined> {
    const before = await this.offsetOf(segment, position);
    if (before <= SEGMENT_HEADER_BYTES) return undefined;
    for (let bytes = this.scanBytes; ; bytes *= 2) {
      const from = Math.max(SEGMENT_HEADER_BYTES, before - bytes);
      const buffer = await this.files.read(segment, from, before - from);
      const records: LogRecord[] = [];
      for (let at = buffer.length; at >= RECORD_OVERHEAD_BYTES;) {
        const length = buffer.readUInt32LE(at - 4);
        if (length > at) break;
        const parsed = recordAt(buffer, at - length, positionAt(buffer, at - length) ?? -1, this.recordBytesMax);
        if (parsed.kind !== 'record') break;
        records.push(parsed.record);
        at -= length;
      }
      const first = records.at(-1);
      if (first) return { records, start: first.positionNumber };
      if (from === SEGMENT_HEADER_BYTES || bytes > this.recordBytesMax)
        throw new CorruptLogError(segment.file, before, 'no whole record ends here');
    }
  }

  /** Where in its file the first record at or after a position stands. */
  async offsetOf(segment: Segment, position: number): Promise<number> {
    if (position >= segment.base + segment.size) return endOf(segment);
    const table = await this.files.table(segment);
    const entry = table.find(position);
    const from = table.offset(entry) ?? SEGMENT_HEADER_BYTES;
    const { records, to } = await this.walk(segment, from, table.offset(entry + 1) ?? endOf(segment));
    let offset = from;
    for (const record of records) {
      if (record.positionNumber >= position) return offset;
      offset += record.length;
    }
    return to;
  }

  /** The whole records between two offsets, at least one unless `from` is the end. */
  private async walk(segment: Segment, from: number, wantedTo: number): Promise<Walked> {
    let bytes = wantedTo - from;
    for (;;) {
      const buffer = await this.files.read(segment, from, bytes);
      const records: LogRecord[] = [];
      let at = 0;
      let last = segment.base;
      while (at < buffer.length) {
        const position = positionAt(buffer, at) ?? last;
        const parsed = recordAt(buffer, at, position, this.recordBytesMax);
        if (parsed.kind === 'incomplete') {
          if (from + buffer.length >= endOf(segment))
            throw new CorruptLogError(segment.file, from + at, 'the log ends inside a record');
          bytes = Math.max(bytes, at + parsed.bytesNeeded);
          break;
        }
        const what = parsed.kind === 'damaged' ? parsed.what : outOfPlace(segment, last, position);
        if (what !== undefined) {
          // What stands before the damage is whole and may be served; the next read begins at the damage.
          if (records.length > 0) return { records, from, to: from + at };
          throw new CorruptLogError(segment.file, from + at, what);
        }
        if (parsed.kind === 'record') {
          records.push(parsed.record);
          at += parsed.length;
          last = position;
        }
      }
      if (records.length > 0 || buffer.length === 0) return { records, from, to: from + at };
    }
  }
}

function outOfPlace(segment: Segment, last: number, position: number): string | undefined {
  if (position > last && position < segment.base + segment.size) return undefined;
  return `a record of position ${position} where one behind ${last} belongs`;
}

/** Where the records end in its file. */
function endOf(segment: Segment): number {
  return segment.compacted?.tableOffset ?? segment.size;
}
