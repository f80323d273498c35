/**
 * The segment being written. `write` resolves when the bytes would survive a power cut: on Linux one synchronous write
 * (O_DSYNC), elsewhere a write and an fdatasync. Zeros are laid ahead of the end so that a group overwrites blocks the
 * file already has, and its sync need not wait for the file system's journal.
 */
import { constants, write as writeCallback } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { fdatasyncAsync, type Segment } from './segments.ts';

const SYNCED_WRITES = process.platform === 'linux';
const AHEAD_BYTES = 1024 * 1024;
/** What a small group takes; more may still fail. */
const PROBE_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(AHEAD_BYTES);

export class ActiveSegment {
  readonly segment: Segment;
  private readonly handle: FileHandle;
  /** A second handle, so that laying zeros does not sync at each write. */
  private readonly zeroHandle: FileHandle;
  /** The file has blocks up to here. */
  private laidTo: number;
  private readonly sizeMax: number;
  private laying: Promise<void> | undefined;

  private constructor(segment: Segment, sizeMax: number, handle: FileHandle, zeroHandle: FileHandle) {
    this.segment = segment;
    this.sizeMax = sizeMax;
    this.handle = handle;
    this.zeroHandle = zeroHandle;
    this.laidTo = segment.size;
  }

  /** Cuts off whatever stands behind the segment's valid end, durably. */
  static async open(segment: Segment, sizeMax: number): Promise<ActiveSegment> {
    const flags = constants.O_RDWR | (SYNCED_WRITES ? constants.O_DSYNC : 0);
    const handle = await open(segment.file, flags);
    const zeroHandle = await open(segment.file, constants.O_RDWR);
    const active = new ActiveSegment(segment, sizeMax, handle, zeroHandle);
    await active.cut();
    return active;
  }

  /** Writes at the durable end. The caller waits for one write before it asks for the next, and moves `segment.size`. */
  async write(buffer: Buffer): Promise<void> {
    const { size } = this.segment;
    if (this.laying && size + buffer.length > this.laidTo) await this.laying;
    await writeFully(this.handle.fd, buffer, size);
    if (!SYNCED_WRITES) await fdatasyncAsync(this.handle.fd);
    this.laidTo = Math.max(this.laidTo, size + buffer.length);
    if (!this.laying && this.laidTo - (size + buffer.length) < AHEAD_BYTES / 2) this.layAhead();
  }

  /** Whether the disk takes bytes behind the end of the file: zeros, as are laid ahead. @throws what the system says */
  async probe(): Promise<void> {
    await this.laying;
    const { fd } = this.zeroHandle;
    await writeFully(fd, ZEROS.subarray(0, PROBE_BYTES), this.laidTo);
    await fdatasyncAsync(fd);
    this.laidTo += PROBE_BYTES;
  }

  private layAhead(): void {
    const from = this.laidTo;
    const bytes = Math.min(AHEAD_BYTES, this.sizeMax - from);
    if (bytes <= 0) return;
    const { fd } = this.zeroHandle;
    this.laying = writeFully(fd, ZEROS.subarray(0, bytes), from)
      .then(() => fdatasyncAsync(fd))
      .then(
        () => {
          this.laidTo = from + bytes;
        },
        () => undefined, // Without room for zeros the next groups extend the file, or say that the disk is full.
      )
      .finally(() => {
        this.laying = undefined;
      });
  }

  /** Takes back everything behind the durable end, so that no byte of a failed write can ever be read as a record. */
  async cut(): Promise<void> {
    await this.laying;
    await this.zeroHandle.truncate(this.segment.size);
    await this.zeroHandle.sync();
    this.laidTo = this.segment.size;
  }

  /** Cuts the zeros off and lets go of the file. */
  async close(): Promise<void> {
    try {
      await this.cut();
    } finally {
      await this.handle.close();
      await this.zeroHandle.close();
    }
  }
}

function writeFully(fd: number, buffer: Buffer, offset: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (done: number): void => {
      writeCallback(fd, buffer, done, buffer.length - done, offset + done, (error, written) => {
        if (error) reject(error);
        else if (done + written < buffer.length) next(done + written);
        else resolve();
      });
    };
    next(0);
  });
}
