/**
 * The folder of segment files: `<base position, 20 digits>.segment`, each a 64-byte header and then records. A position
 * is a byte offset in the log as a whole: base of the segment plus offset in its file, headers counted, so no two
 * records of the log ever share one. All but the last segment are sealed: complete and never written again.
 *
 *   header: 'VERBATIM' | format u32 | zero u32 | storage id 16 bytes | base u64 | zero … | crc32 u32 of the 60 bytes before
 */
import { randomBytes } from 'node:crypto';
import { fdatasync, read as readCallback } from 'node:fs';
import { mkdir, open, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { CorruptLogError } from '../errors.ts';
import { syncPath } from '../../data-folder/sync.ts';
import { UnavailableError } from '../../errors.ts';
import type { FileHandle } from 'node:fs/promises';

export const SEGMENT_HEADER_BYTES = 64;
const MAGIC = Buffer.from('VERBATIM');
const FORMAT = 1;
const SUFFIX = '.segment';
const NAME_PATTERN = /^\d{20}\.segment$/;
/** Read handles kept open at the most; a log of 256 segments of 128 MB is 32 GB. */
const OPEN_FILES_MAX = 256;

export interface Segment {
  readonly base: number;
  readonly file: string;
  /** Bytes of header and valid records. Of the active segment: what is durable. */
  size: number;
}

interface Reader {
  readonly handle: Promise<FileHandle>;
  users: number;
}

function segmentName(base: number): string {
  return `${String(base).padStart(20, '0')}${SUFFIX}`;
}

function encodeHeader(storageId: Buffer, base: number): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(header, 0);
  header.writeUInt32LE(FORMAT, 8);
  storageId.copy(header, 16);
  header.writeBigUInt64LE(BigInt(base), 32);
  header.writeUInt32LE(crc32(header.subarray(0, 60)), 60);
  return header;
}

export class SegmentFiles {
  readonly directory: string;
  readonly storageId: Buffer;
  readonly segments: Segment[];
  private readonly readers = new Map<Segment, Reader>();
  private closed = false;

  private constructor(directory: string, storageId: Buffer, segments: Segment[]) {
    this.directory = directory;
    this.storageId = storageId;
    this.segments = segments;
  }

  /** Whether opening the folder would begin a new log. */
  static async isEmpty(directory: string): Promise<boolean> {
    await mkdir(directory, { recursive: true });
    return (await namesIn(directory)).length === 0;
  }

  /**
   * Opens what is there, or makes the first segment of a new log. Sizes are those of the files: the caller finds the
   * valid end of the last one.
   * @throws CorruptLogError for a header that is not ours, another log's segment, or a missing one
   */
  static async open(directory: string): Promise<SegmentFiles> {
    await mkdir(directory, { recursive: true });
    const names = await namesIn(directory);
    const foreign = names.find(name => !NAME_PATTERN.test(name));
    if (foreign !== undefined) {
      throw new CorruptLogError(
        join(directory, foreign),
        0,
        'this file is none of the log, and the folder is only for it',
      );
    }
    if (names.length === 0) {
      const files = new SegmentFiles(directory, randomBytes(16), []);
      await files.create(0);
      return files;
    }
    const segments: Segment[] = [];
    let storageId: Buffer | undefined;
    for (const name of names) {
      const file = join(directory, name);
      const header = await readHeader(file);
      storageId ??= header.storageId;
      if (!header.storageId.equals(storageId)) throw new CorruptLogError(file, 16, 'a segment of another log');
      const expected = endOf(segments.at(-1));
      if (header.base !== expected || name !== segmentName(header.base)) {
        throw new CorruptLogError(
          file,
          32,
          `the log goes on at position ${expected}, this segment begins at ${header.base}`,
        );
      }
      segments.push({ base: header.base, file, size: (await stat(file)).size });
    }
    if (storageId === undefined) throw new Error('unreachable: there is at least one segment');
    return new SegmentFiles(directory, storageId, segments);
  }

  /** The segment that is written. */
  get active(): Segment {
    const segment = this.segments.at(-1);
    if (!segment) throw new Error('A log always has a segment.');
    return segment;
  }

  /** Where the next record goes. */
  get end(): number {
    return endOf(this.segments.at(-1));
  }

  /** Makes the next segment, header and folder entry durable. Its base is the end of the one before. */
  async create(base: number): Promise<Segment> {
    const file = join(this.directory, segmentName(base));
    const handle = await open(`${file}.new`, 'w');
    try {
      await handle.write(encodeHeader(this.storageId, base));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${file}.new`, file);
    await syncPath(this.directory);
    const segment = { base, file, size: SEGMENT_HEADER_BYTES };
    this.segments.push(segment);
    return segment;
  }

  /** The segment that holds a position; undefined past the end. */
  find(position: number): Segment | undefined {
    let low = 0;
    let high = this.segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.segments[middle]?.base ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    const segment = this.segments[low];
    return segment && position < segment.base + segment.size ? segment : undefined;
  }

  /** Reads up to `length` bytes of one segment, fewer where its valid bytes end. */
  async read(segment: Segment, offset: number, length: number): Promise<Buffer> {
    const wanted = Math.min(length, segment.size - offset);
    if (wanted <= 0) return Buffer.alloc(0);
    if (this.closed) throw new UnavailableError('The event store is closed.');
    const reader = this.reader(segment);
    reader.users++;
    try {
      const { fd } = await reader.handle;
      const buffer = Buffer.allocUnsafeSlow(wanted);
      const got = await new Promise<number>((resolve, reject) => {
        readCallback(fd, buffer, 0, wanted, offset, (error, bytes) => {
          if (error) reject(error);
          else resolve(bytes);
        });
      });
      if (got < wanted)
        throw new CorruptLogError(segment.file, offset + got, 'the file is shorter than the log it held');
      return buffer;
    } catch (error) {
      if (error instanceof CorruptLogError) throw error;
      throw new UnavailableError(`The log cannot be read: ${segment.file}`, { cause: error });
    } finally {
      await this.release(reader);
    }
  }

  private async release(reader: Reader): Promise<void> {
    reader.users--;
    if (this.closed && reader.users === 0) await closeReader(reader);
  }

  private reader(segment: Segment): Reader {
    let reader = this.readers.get(segment);
    if (reader) return reader;
    if (this.readers.size >= OPEN_FILES_MAX) this.closeIdleReader();
    reader = { handle: open(segment.file, 'r'), users: 0 };
    reader.handle.catch(() => this.readers.delete(segment));
    this.readers.set(segment, reader);
    return reader;
  }

  private closeIdleReader(): void {
    for (const [segment, reader] of this.readers) {
      if (reader.users > 0) continue;
      this.readers.delete(segment);
      void closeReader(reader);
      return;
    }
  }

  /** A file that is being read is closed by its last reader. */
  async close(): Promise<void> {
    this.closed = true;
    for (const reader of this.readers.values()) if (reader.users === 0) await closeReader(reader);
    this.readers.clear();
  }
}

/** In the order of the log; a segment that was never finished is none. */
async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter(name => !name.endsWith('.new')).sort();
}

async function closeReader(reader: Reader): Promise<void> {
  const handle = await reader.handle.catch(() => undefined);
  await handle?.close();
}

export function endOf(segment: Segment | undefined): number {
  return segment ? segment.base + segment.size : 0;
}

async function readHeader(file: string): Promise<{ storageId: Buffer; base: number }> {
  const handle = await open(file, 'r');
  try {
    const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
    const { bytesRead } = await handle.read(header, 0, SEGMENT_HEADER_BYTES, 0);
    if (bytesRead < SEGMENT_HEADER_BYTES || !header.subarray(0, 8).equals(MAGIC)) {
      throw new CorruptLogError(file, 0, 'this is not a segment of a Verbatim log');
    }
    if (crc32(header.subarray(0, 60)) !== header.readUInt32LE(60)) {
      throw new CorruptLogError(file, 0, 'the segment header fails its checksum');
    }
    const format = header.readUInt32LE(8);
    if (format !== FORMAT) {
      throw new CorruptLogError(file, 8, `log format ${format}; this program reads format ${FORMAT}`);
    }
    return { storageId: Buffer.from(header.subarray(16, 32)), base: Number(header.readBigUInt64LE(32)) };
  } finally {
    await handle.close();
  }
}

export function fdatasyncAsync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(fd, error => {
      if (error) reject(error);
      else resolve();
    });
  });
}
