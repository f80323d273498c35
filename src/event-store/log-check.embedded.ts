/**
 * Walks a whole log without changing a byte of it, and names the first fault: every segment and record, revisions
 * without a hole, positions that rise, groups that end, and the index against all of it, both ways. Memory: some 200
 * bytes a stream.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { lmdbFileIsWhole } from '../data-folder/lmdb-file.ts';
import { APPEND_BYTES_MAX } from './requests.ts';
import { IndexCheck } from './embedded/index-check.ts';
import { LogIndex } from './embedded/log-index.ts';
import { LogReader } from './embedded/log-reader.ts';
import { TOMBSTONE, type LogRecord } from './embedded/record.ts';
import { findEnd } from './embedded/recovery.ts';
import { fileBytes } from './embedded/scavenger.ts';
import { SegmentFiles } from './embedded/segments.ts';
import { Tail } from './embedded/tail.ts';
import { CorruptLogError } from './errors.ts';
import type { RecordedEvent } from './event-store.ts';

const RECORD_BYTES_MAX = APPEND_BYTES_MAX + 8 * 1024;
/** While a server writes, its next group may come between two looks at the end of the log. */
const END_ATTEMPTS_MAX = 5;

export interface LogCheckOptions {
  /** Holds `segments/` and `index/`. */
  readonly directory: string;
  /** Somebody else is writing to it: it is walked up to the end that it has now. */
  readonly inUse: boolean;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
  /** Shown every chunk of events, without stubs; what it finds is named as a fault of that event. */
  readonly look?: (events: readonly RecordedEvent[]) => Promise<{ event: RecordedEvent; what: string } | undefined>;
}

export interface LogCheckResult {
  readonly segments: number;
  readonly bytes: number;
  readonly events: number;
  /** Stubs of events that were scavenged. */
  readonly stubs: number;
  readonly streams: number;
  /** `absent` is no fault: it is built at the next start. */
  readonly index: 'whole' | 'absent';
}

/** @throws CorruptLogError for the first fault */
export async function checkEmbeddedLog(options: LogCheckOptions): Promise<LogCheckResult> {
  const { directory, inUse, onProgress, look } = options;
  const indexFolder = join(directory, 'index');
  const files = await SegmentFiles.open(join(directory, 'segments'), { readOnly: true });
  const index = openIndex(indexFolder, files.storageId);
  try {
    const indexCheck = index && new IndexCheck(join(indexFolder, 'data.mdb'), index);
    await settleEnd(files, inUse);
    const reader = new LogReader(files, new Tail(0), RECORD_BYTES_MAX);
    const walk = new Walk();
    const fault = async (record: LogRecord, what: string): Promise<CorruptLogError> => {
      const { file, offset } = await reader.placeOf(record.positionNumber);
      const at = `position ${record.positionNumber}, ${record.stream}@${String(record.revision)}`;
      return new CorruptLogError(file, offset, `${at}: ${what}`);
    };
    const { end } = files;
    if (index && index.checkpoint > end && !inUse) {
      throw new CorruptLogError(
        files.active.file,
        files.active.size,
        `the log ends at position ${end}, its index knows it up to ${index.checkpoint}`,
      );
    }
    for (let next = 0; next < end;) {
      const chunk = await reader.chunkOnDisk(next);
      if (!chunk) break;
      // The last segment, sealed and scavenged since, has more than it had.
      const records = chunk.records.filter(({ positionNumber }) => positionNumber < end);
      for (const record of records) {
        const what = walk.see(record);
        if (what !== undefined) throw await fault(record, what);
        indexCheck?.see(record);
      }
      const found = await look?.(records.filter(record => !record.scavenged));
      const faulty = found && records.find(({ position }) => position === found.event.position);
      if (faulty) throw await fault(faulty, found.what);
      next = chunk.end;
      onProgress?.({ done: Math.min(next, end), total: end });
    }
    const unended = walk.end();
    if (unended) throw await fault(unended, 'its append is not whole');
    indexCheck?.end(inUse);
    const bytes = files.segments.reduce((sum, segment) => sum + fileBytes(segment), 0);
    return { ...walk.counts(), segments: files.segments.length, bytes, index: index ? 'whole' : 'absent' };
  } finally {
    await index?.close();
    await files.close();
  }
}

async function settleEnd(files: SegmentFiles, inUse: boolean): Promise<void> {
  const { active } = files;
  const fileSize = active.size;
  for (let attempt = 1; ; attempt++) {
    // Sealed and scavenged since the folder was listed.
    if (files.active.compacted) return;
    try {
      active.size = fileSize;
      await findEnd(files, 0, RECORD_BYTES_MAX);
      return;
    } catch (error) {
      if (!inUse || attempt >= END_ATTEMPTS_MAX) throw error;
    }
  }
}

/** @throws CorruptLogError where there is one, and it is none of this log's */
function openIndex(directory: string, storageId: Buffer): LogIndex | undefined {
  const file = join(directory, 'data.mdb');
  if (!existsSync(file)) return undefined;
  const fault = (what: string) => new CorruptLogError(file, 0, `${what}; the next start builds it anew`);
  if (!lmdbFileIsWhole(file)) throw fault('the index is cut off');
  let index: LogIndex;
  try {
    index = new LogIndex(directory, storageId, { readOnly: true });
  } catch (error) {
    throw fault(`the index cannot be opened (${String(error)})`);
  }
  if (index.namesThisLog) return index;
  void index.close();
  throw fault('the index is of another log');
}

/** What must hold from one record to the next. */
class Walk {
  /** Stream -> its last revision; TOMBSTONE where nothing may follow. */
  private readonly heads = new Map<string, number>();
  private last: LogRecord | undefined;
  private events = 0;
  private stubs = 0;

  /** What is wrong with a record that comes after those seen so far. */
  see(record: LogRecord): string | undefined {
    const { stream, positionNumber: position, revisionNumber: revision } = record;
    const before = this.last?.positionNumber ?? -1;
    if (position <= before) return `its position does not follow ${before}`;
    if (record.groupPosition > position) return 'its group begins behind it';
    if (this.last && !this.last.lastOfAppend && record.groupPosition > this.last.groupPosition)
      return 'it begins a group, and the append before it has not ended';
    const head = this.heads.get(stream) ?? -1;
    if (head === TOMBSTONE) return 'it stands behind the tombstone of its stream';
    if (revision !== TOMBSTONE && revision !== head + 1) return `it follows revision ${head} of its stream`;
    this.heads.set(stream, revision);
    this.last = record;
    if (record.scavenged) this.stubs++;
    else this.events++;
    return undefined;
  }

  /** The last record, where the log may not end with it. */
  end(): LogRecord | undefined {
    return this.last?.lastOfAppend === false ? this.last : undefined;
  }

  counts(): { readonly events: number; readonly stubs: number; readonly streams: number } {
    return { events: this.events, stubs: this.stubs, streams: this.heads.size };
  }
}
