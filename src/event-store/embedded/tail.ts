/**
 * The last groups of the log, kept in memory as they were written and bounded in bytes. It is the live buffer of every
 * subscriber at once: who keeps up never touches the disk, who does not falls out of it and reads the segments.
 */
import { LogRecord } from './record.ts';

/** Successive records of the log. `end` is where the next one begins. */
export interface Chunk {
  readonly records: readonly LogRecord[];
  readonly end: number;
}

interface TailChunk {
  /** End of the group before; a new segment's header may lie between it and the first record. */
  readonly from: number;
  readonly end: number;
  readonly buffer: Buffer;
  decoded: Chunk | undefined;
}

export class Tail {
  private readonly bytesMax: number;
  private chunks: TailChunk[] = [];
  private bytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** @param buffer the group's records, from the first byte to the last; kept, so never written again */
  push(from: number, end: number, buffer: Buffer): void {
    this.chunks.push({ from, end, buffer, decoded: undefined });
    this.bytes += buffer.buffer.byteLength;
    let drop = 0;
    while (this.bytes > this.bytesMax && drop < this.chunks.length) {
      this.bytes -= this.chunks[drop]?.buffer.buffer.byteLength ?? 0;
      drop++;
    }
    if (drop > 0) this.chunks.splice(0, drop);
  }

  /** Forgets the groups that begin before a position. */
  dropBefore(position: number): void {
    const kept = this.chunks.filter(({ from }) => from >= position);
    this.chunks = kept;
    this.bytes = kept.reduce((sum, { buffer }) => sum + buffer.buffer.byteLength, 0);
  }

  /** Whether memory reaches back to a position that is before the log's end. */
  holds(position: number): boolean {
    return this.find(position) !== undefined;
  }

  /** The group that holds a position, or undefined where memory does not reach back to it. */
  private find(position: number): TailChunk | undefined {
    const chunk = this.chunks[this.placeOf(position)];
    return chunk && position >= chunk.from ? chunk : undefined;
  }

  /** Of the first group that ends behind the position. */
  private placeOf(position: number): number {
    let low = 0;
    let high = this.chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.chunks[middle]?.end ?? 0) > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /**
   * The records from a position (a record's, or a group's end) to the end of its group, and of as many groups behind it as
   * bring `recordsMax` in all: groups may be of one record each, and who is behind must not get them one by one.
   */
  chunkAt(position: number, recordsMax: number): Chunk | undefined {
    const place = this.placeOf(position);
    const first = this.chunks[place];
    if (!first || position < first.from) return undefined;
    const own = recordsFrom(decoded(first), position);
    const more = this.groupsBehind(place, recordsMax - own.records.length);
    const last = more.at(-1);
    return last ? { records: own.records.concat(...more.map(({ records }) => records)), end: last.end } : own;
  }

  /** Whole groups that hold no more records together. */
  private groupsBehind(place: number, recordsMax: number): Chunk[] {
    const groups: Chunk[] = [];
    let left = recordsMax;
    for (let next = place + 1; left > 0; next++) {
      const chunk = this.chunks[next];
      if (!chunk) break;
      const group = decoded(chunk);
      left -= group.records.length;
      if (left >= 0) groups.push(group);
    }
    return groups;
  }

  /** The record at exactly this position. */
  recordAt(position: number): LogRecord | undefined {
    const chunk = this.find(position);
    if (!chunk) return undefined;
    const start = chunk.end - chunk.buffer.length;
    return position < start ? undefined : new LogRecord(chunk.buffer, position - start);
  }
}

/** Once, for all who ask. */
function decoded(chunk: TailChunk): Chunk {
  return (chunk.decoded ??= { records: decodeTrusted(chunk.buffer), end: chunk.end });
}

function recordsFrom(chunk: Chunk, position: number): Chunk {
  const first = chunk.records.findIndex(record => record.positionNumber >= position);
  return first <= 0 ? chunk : { records: chunk.records.slice(first), end: chunk.end };
}

/** The records of a buffer this process wrote itself: no checksum is looked at. */
function decodeTrusted(buffer: Buffer): LogRecord[] {
  const records: LogRecord[] = [];
  for (let at = 0; at < buffer.length;) {
    const record = new LogRecord(buffer, at);
    records.push(record);
    at += record.length;
  }
  return records;
}
