/**
 * Group commit. Records are encoded into the group that is gathering; one group at a time is on its way to the disk, and
 * when it is durable the next one, with all that came meanwhile, follows. A failed write fails its group and the one
 * that gathers behind it (their positions would leave a gap); the file is cut back to the durable end before anything is
 * written again.
 */
import { UnavailableError } from '../../errors.ts';
import { ActiveSegment } from './active-segment.ts';
import { encodeRecord, recordBytes, type RecordParts } from './record.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { endOf, type SegmentFiles } from './segments.ts';

export interface LogWriterLimits {
  /** A segment that has reached it is sealed and the next one begun. */
  readonly segmentBytes: number;
  /** Bytes that may gather behind the group on its way; more is refused as unavailable. */
  readonly queueBytesMax: number;
}

/** One append inside a group: told once, in order, what became of it. */
export interface GroupItem {
  durable(): void;
  failed(error: UnavailableError): void;
}

export interface LogWriterHooks {
  /** A group is durable; its items hear of it right after. `from`: the end before it. */
  groupDurable(from: number, end: number, buffer: Buffer): void;
  /** After the items of a group, or of the failed groups, have been told. */
  groupSettled(failed: boolean): void;
}

interface Group {
  /** End of the log before it. */
  readonly from: number;
  /** The first record's position; a new segment's header lies between when `rolls`. */
  readonly start: number;
  readonly rolls: boolean;
  buffer: Buffer;
  length: number;
  readonly items: GroupItem[];
}

const FIRST_BUFFER_BYTES = 16 * 1024;
/** A group's buffer begins at twice the last group's bytes, but never above this, and grows as it must. */
const GUESS_BYTES_MAX = 1024 * 1024;

export class LogWriter {
  private readonly files: SegmentFiles;
  private readonly limits: LogWriterLimits;
  private readonly hooks: LogWriterHooks;
  private active: ActiveSegment;
  private gathering: Group | undefined;
  private writing: Group | undefined;
  private running: Promise<void> | undefined;
  /** The last write failed and the file may hold some of it. */
  private mustCut = false;
  private lastGroupBytes = FIRST_BUFFER_BYTES;
  private closed = false;

  private constructor(files: SegmentFiles, limits: LogWriterLimits, hooks: LogWriterHooks, active: ActiveSegment) {
    this.files = files;
    this.limits = limits;
    this.hooks = hooks;
    this.active = active;
  }

  static async open(files: SegmentFiles, limits: LogWriterLimits, hooks: LogWriterHooks): Promise<LogWriter> {
    return new LogWriter(files, limits, hooks, await ActiveSegment.open(files.active, limits.segmentBytes));
  }

  /** Whether a group is on its way to the disk. */
  get isWriting(): boolean {
    return this.writing !== undefined;
  }

  /** Everything before it is durable. */
  get durableEnd(): number {
    return this.files.end;
  }

  /**
   * Puts one append's records, all or nothing, into the gathering group.
   * @returns the positions they will have
   * @throws UnavailableError when too much is waiting already, or the log is closed
   */
  enqueue(records: readonly RecordParts[], item: GroupItem): number[] {
    if (this.closed) throw new UnavailableError('The log is closed.');
    let bytes = 0;
    for (const { stream, type, data, metadata } of records) {
      bytes += recordBytes(stream.length, type.length, data.length, metadata.length);
    }
    const group = this.gathering ?? this.beginGroup();
    if (group.length > 0 && group.length + bytes > this.limits.queueBytesMax) {
      throw new UnavailableError(`The log has ${group.length} bytes waiting to be written; try again.`);
    }
    if (group.length + bytes > group.buffer.length) grow(group, group.length + bytes);
    const positions: number[] = [];
    for (const record of records) {
      const position = group.start + group.length;
      positions.push(position);
      group.length = encodeRecord(group.buffer, group.length, position, record);
    }
    group.items.push(item);
    this.running ??= this.run();
    return positions;
  }

  /** Tries, where nothing else is being written, whether the disk takes bytes again. */
  async probe(): Promise<boolean> {
    if (this.running || this.closed) return false;
    let works = false;
    this.running = (async () => {
      try {
        await this.prepare();
        await this.active.probe();
        works = true;
      } catch {
        this.mustCut = true; // Not yet; the next one may find that it does.
      }
      // In one turn, and nothing behind it: whoever appends in the next one begins a run of its own.
      if (this.gathering) await this.run();
      else this.running = undefined;
    })();
    await this.running;
    return works;
  }

  private beginGroup(): Group {
    const from = this.writing ? this.writing.start + this.writing.length : this.files.end;
    const base = this.writing?.rolls ? this.writing.from : this.files.active.base;
    const rolls = from - base >= this.limits.segmentBytes;
    const buffer = Buffer.allocUnsafeSlow(Math.min(GUESS_BYTES_MAX, this.lastGroupBytes * 2));
    this.gathering = { from, start: rolls ? from + SEGMENT_HEADER_BYTES : from, rolls, buffer, length: 0, items: [] };
    return this.gathering;
  }

  private async run(): Promise<void> {
    // The turn that brought the first append may bring more: they share its group.
    await Promise.resolve();
    while (this.gathering) {
      const group = this.gathering;
      this.gathering = undefined;
      this.writing = group;
      this.lastGroupBytes = group.length;
      try {
        await this.write(group);
      } catch (error) {
        this.fail(group, error);
        continue;
      }
      this.settle(group); // What is durable is never taken back: an error in here is a bug, and ends the process.
    }
    this.running = undefined;
  }

  private async prepare(): Promise<void> {
    if (this.mustCut) {
      await this.active.cut();
      this.mustCut = false;
    }
    if (this.active.segment !== this.files.active) await this.openActive();
  }

  private async write(group: Group): Promise<void> {
    await this.prepare();
    if (group.rolls) await this.seal(group.from);
    if (this.active.segment !== this.files.active) await this.openActive();
    this.mustCut = true;
    await this.active.write(group.buffer.subarray(0, group.length));
    this.mustCut = false;
  }

  /** The full segment gets its exact size first: a segment with a successor is whole. */
  private async seal(nextBase: number): Promise<void> {
    if (this.files.active.base === nextBase) return;
    await this.active.cut();
    await this.files.create(nextBase);
  }

  private async openActive(): Promise<void> {
    const sealed = this.active;
    this.active = await ActiveSegment.open(this.files.active, this.limits.segmentBytes);
    await sealed.close();
  }

  private settle(group: Group): void {
    const segment = this.files.active;
    segment.size += group.length;
    this.writing = undefined;
    const { buffer, length } = group;
    const records = length * 2 < buffer.length ? copyOf(buffer, length) : buffer.subarray(0, length);
    this.hooks.groupDurable(group.from, endOf(segment), records);
    for (const item of group.items) item.durable();
    this.hooks.groupSettled(false);
  }

  private fail(group: Group, cause: unknown): void {
    const behind = this.gathering;
    this.writing = undefined;
    this.gathering = undefined;
    const why = cause instanceof Error ? cause.message : String(cause);
    const error = new UnavailableError(`The log could not be written: ${why}`, { cause });
    for (const item of group.items) item.failed(error);
    for (const item of behind?.items ?? []) item.failed(error);
    this.hooks.groupSettled(true);
  }

  /** Waits for everything accepted, then refuses more. */
  async close(): Promise<void> {
    this.closed = true;
    await this.running;
    await this.active.close();
  }
}

function grow(group: Group, bytes: number): void {
  const larger = Buffer.allocUnsafeSlow(Math.max(bytes, group.buffer.length * 2));
  group.buffer.copy(larger, 0, 0, group.length);
  group.buffer = larger;
}

function copyOf(buffer: Buffer, length: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(length);
  buffer.copy(copy, 0, 0, length);
  return copy;
}
