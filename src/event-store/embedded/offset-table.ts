/**
 * Where records stand in a compacted segment: one entry for about every TABLE_STEP_BYTES of its file, ascending, so that
 * any record is found by reading that much. Behind the records: position f64 | offset f64, …, then crc32 u32.
 */
import { crc32 } from 'node:zlib';

/** 64 KB of memory for a whole segment of 128 MB once it has been read from. */
export const TABLE_STEP_BYTES = 32 * 1024;
const ENTRY_BYTES = 16;

export interface TableEntry {
  readonly position: number;
  readonly offset: number;
}

export class OffsetTable {
  private readonly values: Float64Array;

  private constructor(values: Float64Array) {
    this.values = values;
  }

  static encode(entries: readonly TableEntry[]): Buffer {
    const buffer = Buffer.alloc(entries.length * ENTRY_BYTES + 4);
    entries.forEach(({ position, offset }, i) => {
      buffer.writeDoubleLE(position, i * ENTRY_BYTES);
      buffer.writeDoubleLE(offset, i * ENTRY_BYTES + 8);
    });
    buffer.writeUInt32LE(crc32(buffer.subarray(0, -4)), buffer.length - 4);
    return buffer;
  }

  /** Undefined where the bytes are no table. */
  static decode(buffer: Buffer): OffsetTable | undefined {
    const bytes = buffer.length - 4;
    if (bytes < ENTRY_BYTES || bytes % ENTRY_BYTES !== 0) return undefined;
    if (crc32(buffer.subarray(0, bytes)) !== buffer.readUInt32LE(bytes)) return undefined;
    const values = new Float64Array(bytes / 8);
    for (let i = 0; i < values.length; i++) values[i] = buffer.readDoubleLE(i * 8);
    return new OffsetTable(values);
  }

  get length(): number {
    return this.values.length / 2;
  }

  /** The number of the last entry at or before a position; 0 where there is none. */
  find(position: number): number {
    let low = 0;
    let high = this.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.values[middle * 2] ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The offset of an entry; undefined behind the last. */
  offset(entry: number): number | undefined {
    return this.values[entry * 2 + 1];
  }

  position(entry: number): number | undefined {
    return this.values[entry * 2];
  }
}
