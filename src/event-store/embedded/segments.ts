/**
 * The folder of segment files: `<base position, 20 digits>.segment`, each a header (segment-header.ts) and then records.
 * A position is a byte offset in the log as a whole: base of the segment plus offset in its file as it was written,
 * headers counted, so no two records of the log ever share one. All but the last segment are sealed: complete, and never
 * written again, but for being replaced as a whole by their compacted form (scavenger.ts).
 */
import { randomBytes } from 'node:crypto';
import { fdatasync, read as readCallback } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CorruptLogError } from '../errors.ts';
import { syncPath } from '../../data-folder/sync.ts';
import { UnavailableError } from '../../errors.ts';
import { OffsetTable } from './offset-table.ts';
import { encodeHeader, readHeader, readHeaderOf, SEGMENT_HEADER_BYTES } from './segment-header.ts';
import type { FileHandle } from 'node:fs/promises';

const SUFFIX = '.segment';
const DRAFT = '.new';
const NAME_PATTERN = /^\d{20}\.segment$/;
/** Read handles kept open at the most; a log of 256 segments of 128 MB is 32 GB. */
const OPEN_FILES_MAX = 256;
/** Tables of compacted segments kept in memory: 64 KB each at the most. */
const TABLES_MAX = 256;
/** A segment is replaced once a scavenge: a read meets two replacements at the most. */
const REPLACED_ATTEMPTS_MAX = 5;

export interface Segment {
  readonly base: number;
  readonly file: string;
  /** Bytes of the log it stands for: header and valid records as they were written. Of the active one: what is durable. */
  size: number;
  /** Present where scavenging has been here: its file is shorter than `size`. */
  readonly compacted?: { readonly tableOffset: number; readonly fileBytes: number } | undefined;
}

/** What is being read was replaced by its compacted form: look the segment up again. */
class SegmentReplacedError extends Error {
  override readonly name = 'SegmentReplacedError';
}

interface Reader {
  readonly handle: Promise<FileHandle>;
  users: number;
  /** The file was open, and the right one, when it was last asked. */
  opened: boolean;
  /** Its segment was replaced: the last user closes it. */
  orphaned: boolean;
}

function segmentOf(file: string, { base, compacted, fileBytes }: Awaited<ReturnType<typeof readHeader>>): Segment {
  if (!compacted) return { base, file, size: fileBytes };
  return { base, file, size: compacted.logBytes, compacted: { tableOffset: compacted.tableOffset, fileBytes } };
}

function segmentName(base: number): string {
  return `${String(base).padStart(20, '0')}${SUFFIX}`;
}

export class SegmentFiles {
  readonly directory: string;
  readonly storageId: Buffer;
  readonly segments: Segment[];
  /** Another process may write to the folder, and replace segments. */
  private readonly readOnly: boolean;
  private readonly readers = new Map<Segment, Reader>();
  private readonly replaced = new WeakSet<Segment>();
  private readonly tables = new Map<Segment, Promise<OffsetTable>>();
  private replacing: Promise<void> = Promise.resolve();
  private closed = false;

  private constructor(directory: string, storageId: Buffer, segments: Segment[], readOnly = false) {
    this.directory = directory;
    this.readOnly = readOnly;
    this.storageId = storageId;
    this.segments = segments;
  }

  /** Whether opening the folder would begin a new log. */
  static async isEmpty(directory: string): Promise<boolean> {
    await mkdir(directory, { recursive: true });
    return (await namesIn(directory)).length === 0;
  }

  /**
   * Opens what is there, or makes the first segment of a new log unless it is only to be read. Sizes are those of the files: the caller finds the
   * valid end of the last one.
   * @throws CorruptLogError for a header that is not ours, another log's segment, or a missing one
   */
  static async open(directory: string, { readOnly = false } = {}): Promise<SegmentFiles> {
    if (!readOnly) await mkdir(directory, { recursive: true });
    if (!readOnly) await removeDrafts(directory);
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
      if (readOnly) throw new CorruptLogError(directory, 0, 'it has no segment');
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
      segments.push(segmentOf(file, header));
    }
    if (storageId === undefined) throw new Error('unreachable: there is at least one segment');
    return new SegmentFiles(directory, storageId, segments, readOnly);
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
    const handle = await open(`${file}${DRAFT}`, 'w');
    try {
      await handle.write(encodeHeader({ storageId: this.storageId, base }));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${file}${DRAFT}`, file);
    await syncPath(this.directory);
    const segment = { base, file, size: SEGMENT_HEADER_BYTES };
    this.segments.push(segment);
    return segment;
  }

  /**
   * Puts a compacted file, complete and on disk, in the place of a sealed segment: after a crash it is the old or the
   * new one. Reads of the old one under way end, or are told to look again.
   */
  async replace(old: Segment, draft: string, compacted: NonNullable<Segment['compacted']>): Promise<void> {
    const at = this.segments.indexOf(old);
    if (at < 0 || old === this.active) throw new Error(`${old.file} is no sealed segment of this log.`);
    this.replaced.add(old);
    this.replacing = (async () => {
      await rename(draft, old.file);
      this.segments[at] = { base: old.base, file: old.file, size: old.size, compacted };
      await syncPath(this.directory);
    })();
    try {
      await this.replacing;
    } catch (error) {
      if (this.segments[at] === old) this.replaced.delete(old);
      throw error;
    } finally {
      this.tables.delete(old);
      const reader = this.readers.get(old);
      this.readers.delete(old);
      if (reader) reader.orphaned = true;
      if (reader?.users === 0) await closeReader(reader);
    }
  }

  /** Runs a read again that met a segment while it was replaced. */
  async steady<T>(read: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await read();
      } catch (error) {
        if (!(error instanceof SegmentReplacedError) || attempt >= REPLACED_ATTEMPTS_MAX) throw error;
        await this.replacing.catch(() => undefined);
      }
    }
  }

  /** Where the records of a compacted segment stand. @throws CorruptLogError */
  table(segment: Segment): Promise<OffsetTable> {
    let table = this.tables.get(segment);
    if (table) return table;
    const oldest = this.tables.size >= TABLES_MAX ? this.tables.keys().next().value : undefined;
    if (oldest) this.tables.delete(oldest);
    table = this.readTable(segment);
    this.tables.set(segment, table);
    table.catch(() => this.tables.delete(segment));
    return table;
  }

  private async readTable(segment: Segment): Promise<OffsetTable> {
    const { tableOffset = 0, fileBytes = 0 } = segment.compacted ?? {};
    const wanted = fileBytes - tableOffset;
    const buffer = wanted > 0 ? await this.readFile(segment, tableOffset, wanted) : Buffer.alloc(0);
    const table = OffsetTable.decode(buffer);
    if (!table) throw new CorruptLogError(segment.file, tableOffset, 'the table of its records fails its checksum');
    return table;
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

  /** Reads up to `length` bytes of one segment's file, fewer where its records end. */
  async read(segment: Segment, offset: number, length: number): Promise<Buffer> {
    const wanted = Math.min(length, (segment.compacted?.tableOffset ?? segment.size) - offset);
    return wanted <= 0 ? Buffer.alloc(0) : this.readFile(segment, offset, wanted);
  }

  private async readFile(segment: Segment, offset: number, wanted: number): Promise<Buffer> {
    if (this.closed) throw new UnavailableError('The event store is closed.');
    if (this.replaced.has(segment)) throw new SegmentReplacedError();
    const reader = this.reader(segment);
    reader.users++;
    try {
      const { fd } = await reader.handle;
      // While it was opened, what has its name may have become another file.
      if (this.replaced.has(segment) && !reader.opened) throw new SegmentReplacedError();
      reader.opened = true;
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
      if (error instanceof CorruptLogError || error instanceof SegmentReplacedError) throw error;
      throw new UnavailableError(`The log cannot be read: ${segment.file}`, { cause: error });
    } finally {
      await this.release(reader);
    }
  }

  private async release(reader: Reader): Promise<void> {
    reader.users--;
    if ((this.closed || reader.orphaned) && reader.users === 0) await closeReader(reader);
  }

  private reader(segment: Segment): Reader {
    let reader = this.readers.get(segment);
    if (reader) return reader;
    if (this.readers.size >= OPEN_FILES_MAX) this.closeIdleReader();
    reader = {
      handle: this.readOnly ? this.openUnreplaced(segment) : open(segment.file, 'r'),
      users: 0,
      opened: false,
      orphaned: false,
    };
    reader.handle.catch(() => this.readers.delete(segment));
    this.readers.set(segment, reader);
    return reader;
  }

  /** A file once open stays what it was; until then another process may have put another in its place. */
  private async openUnreplaced(segment: Segment): Promise<FileHandle> {
    const handle = await open(segment.file, 'r');
    try {
      const header = await readHeaderOf(handle, segment.file);
      if (header.compacted?.tableOffset === segment.compacted?.tableOffset) return handle;
      const fileBytes = (await handle.stat()).size;
      const at = this.segments.indexOf(segment);
      if (at >= 0) this.segments[at] = segmentOf(segment.file, { ...header, fileBytes });
      this.replaced.add(segment);
      this.tables.delete(segment);
      throw new SegmentReplacedError();
    } catch (error) {
      await handle.close();
      throw error;
    }
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

/** What was being made when the process ended. */
async function removeDrafts(directory: string): Promise<void> {
  for (const name of await readdir(directory)) if (name.endsWith(DRAFT)) await rm(join(directory, name));
}

/** In the order of the log; a segment that was never finished is none. */
async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter(name => !name.endsWith(DRAFT)).sort();
}

async function closeReader(reader: Reader): Promise<void> {
  const handle = await reader.handle.catch(() => undefined);
  await handle?.close();
}

export function endOf(segment: Segment | undefined): number {
  return segment ? segment.base + segment.size : 0;
}

export function fdatasyncAsync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(fd, error => {
      if (error) reject(error);
      else resolve();
    });
  });
}
