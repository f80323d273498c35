/** Writes a compacted segment beside the one it is to replace: records and stubs, then their table, the header last. */
import { open, rm, type FileHandle } from 'node:fs/promises';
import { OffsetTable, TABLE_STEP_BYTES, type TableEntry } from './offset-table.ts';
import { encodeHeader, SEGMENT_HEADER_BYTES } from './segment-header.ts';
import type { LogRecord } from './record.ts';
import type { Segment } from './segments.ts';

/** Synced so often, so that no sync has much to write: appends to the log wait for the same disk. */
const SYNC_BYTES = 2 * 1024 * 1024;
const FIRST_BUFFER_BYTES = 512 * 1024;

export class CompactedWriter {
  readonly file: string;
  private readonly segment: Segment;
  private readonly storageId: Buffer;
  private readonly handle: FileHandle;
  private readonly entries: TableEntry[] = [];
  private buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES);
  private buffered = 0;
  private offset = SEGMENT_HEADER_BYTES;
  private unsynced = 0;

  private constructor(segment: Segment, storageId: Buffer, file: string, handle: FileHandle) {
    this.segment = segment;
    this.storageId = storageId;
    this.file = file;
    this.handle = handle;
  }

  static async create(segment: Segment, storageId: Buffer): Promise<CompactedWriter> {
    const file = `${segment.file}.compacted.new`;
    return new CompactedWriter(segment, storageId, file, await open(file, 'w'));
  }

  add(record: LogRecord, asStub: boolean): void {
    const offset = this.offset + this.buffered;
    const last = this.entries.at(-1);
    if (!last || offset - last.offset >= TABLE_STEP_BYTES)
      this.entries.push({ position: record.positionNumber, offset });
    this.makeRoom(record.length);
    this.buffered = asStub ? record.stubTo(this.buffer, this.buffered) : record.copyTo(this.buffer, this.buffered);
  }

  private makeRoom(bytes: number): void {
    if (this.buffered + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.buffered + bytes));
    this.buffer.copy(larger, 0, 0, this.buffered);
    this.buffer = larger;
  }

  /** Writes what was added; called after each chunk that was read, which bounds the buffer. */
  async drain(): Promise<void> {
    await writeFully(this.handle, this.buffer.subarray(0, this.buffered), this.offset);
    this.offset += this.buffered;
    this.unsynced += this.buffered;
    this.buffered = 0;
    if (this.unsynced < SYNC_BYTES) return;
    this.unsynced = 0;
    await this.handle.datasync();
  }

  /** Resolves when the whole file is on disk. */
  async finish(): Promise<{ readonly tableOffset: number; readonly fileBytes: number }> {
    await this.drain();
    const tableOffset = this.offset;
    const table = OffsetTable.encode(this.entries);
    await writeFully(this.handle, table, tableOffset);
    const { base, size } = this.segment;
    const header = encodeHeader({ storageId: this.storageId, base, compacted: { logBytes: size, tableOffset } });
    await writeFully(this.handle, header, 0);
    await this.handle.sync();
    await this.handle.close();
    return { tableOffset, fileBytes: tableOffset + table.length };
  }

  /** After a failure; the draft may have become the segment by then, and is not touched. */
  async discard(): Promise<void> {
    await this.handle.close().catch(() => undefined);
    await rm(this.file, { force: true });
  }
}

async function writeFully(handle: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}
