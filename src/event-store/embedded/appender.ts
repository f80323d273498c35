/**
 * Appends: checks one against the accepted state of its stream and gives it to the writer in the same turn, so that the
 * order of calls is the order of the log. Whatever is answered without writing (a conflict, a recognised repeat) waits
 * until the state it was drawn from is durable.
 */
import { WrongExpectedRevisionError } from '../errors.ts';
import { decodeMetadata, describedStream, METADATA_TYPE, metadataStream } from '../metadata.ts';
import { checkEvents, checkExpected, checkName } from '../requests.ts';
import { checkAppend, type AppendCheck } from './append-check.ts';
import { TOMBSTONE, type RecordParts } from './record.ts';
import { firstReadable, limitsOf } from './stream-limits.ts';
import { UnavailableError } from '../../errors.ts';
import type { AppendResult, EventData, ExpectedRevision } from '../event-store.ts';
import type { Durability } from './durability.ts';
import type { LogReader } from './log-reader.ts';
import type { GroupItem, LogWriter } from './log-writer.ts';
import type { RecentIds } from './recent-ids.ts';
import type { StreamLimits } from './stream-limits.ts';
import type { StreamEntry, StreamTable } from './streams.ts';

const TYPES_CACHED_MAX = 1_000;

/** Events that go into one stream with an append. `first`: the revision of the first, TOMBSTONE for the last ever. */
export interface StreamWrite {
  readonly entry: StreamEntry;
  readonly first: number;
  readonly events: readonly EventData[];
}

/** The limits that metadata among the events sets on the stream it describes. */
interface LimitsChange {
  readonly described: StreamEntry;
  readonly limits: StreamLimits;
}

export class Appender {
  private readonly streams: StreamTable;
  private readonly writer: LogWriter;
  private readonly reader: LogReader;
  private readonly recent: RecentIds;
  private readonly durability: Durability;
  private readonly now: () => number;
  private readonly pendingRowsMax: number;
  /** When the newest event was created: times in the log never run backwards, whatever the clock does. */
  private newestMs: number;
  private readonly types = new Map<string, Buffer>();

  constructor(parts: {
    streams: StreamTable;
    writer: LogWriter;
    reader: LogReader;
    recent: RecentIds;
    durability: Durability;
    now: () => number;
    /** Of the newest event in the log. */
    newestMs: number;
    /** Positions that wait for the index; past it appends are refused as unavailable. */
    pendingRowsMax: number;
  }) {
    this.newestMs = parts.newestMs;
    this.pendingRowsMax = parts.pendingRowsMax;
    this.streams = parts.streams;
    this.writer = parts.writer;
    this.reader = parts.reader;
    this.recent = parts.recent;
    this.durability = parts.durability;
    this.now = parts.now;
  }

  /** When the newest event of the log was created. */
  get newest(): number {
    return this.newestMs;
  }

  /**
   * @param revive called instead of writing where the stream is soft-deleted and this append brings it back
   */
  async append(
    name: string,
    events: readonly EventData[],
    expected: ExpectedRevision,
    revive: (name: string, events: readonly EventData[], expected: ExpectedRevision) => Promise<AppendResult>,
  ): Promise<AppendResult> {
    checkName(name);
    checkEvents(name, events);
    checkExpected(expected);
    const entry = this.streams.open(name);
    const check = this.check(entry, events, expected);
    if (check instanceof Error) {
      if (!(await this.stillTrue(entry))) return this.append(name, events, expected, revive);
      throw check;
    }
    if (check.kind === 'append' && events.length > 0) {
      if (entry.accepted.limits.truncateBefore === Infinity) return revive(name, events, expected);
      const first = entry.accepted.head + 1;
      const positions = await this.commit([{ entry, first, events }]);
      return appendResult(first + events.length - 1, positions[events.length - 1]);
    }
    const { head, headPosition } = entry.accepted;
    if (!(await this.stillTrue(entry))) return this.append(name, events, expected, revive);
    return check.kind === 'append'
      ? appendResult(head, headPosition)
      : this.answerRepeat(name, events, expected, check);
  }

  /** The check, its refusal given back instead of thrown. */
  check(entry: StreamEntry, events: readonly EventData[], expected: ExpectedRevision): AppendCheck | Error {
    const { name, accepted: state } = entry;
    const hasMetadata = state.head < 0 && (this.streams.find(metadataStream(name))?.accepted.head ?? -1) >= 0;
    try {
      return checkAppend({ name, state, hasMetadata }, events, expected, id => this.recent.find(id, name));
    } catch (error) {
      if (error instanceof Error) return error;
      throw error;
    }
  }

  /** Waits until a stream's accepted state, its metadata included, is durable. False: it was taken back meanwhile. */
  async stillTrue(entry: StreamEntry): Promise<boolean> {
    const { failures } = this.durability;
    const metadata = this.streams.find(metadataStream(entry.name));
    await this.durability.settled(Math.max(entry.accepted.headPosition, metadata?.accepted.headPosition ?? -1));
    return failures === this.durability.failures;
  }

  private async answerRepeat(
    name: string,
    events: readonly EventData[],
    expected: ExpectedRevision,
    check: Exclude<AppendCheck, { kind: 'append' }>,
  ): Promise<AppendResult> {
    const entry = this.streams.open(name);
    const first = check.kind === 'repeat' ? check.revision : check.from;
    const count = check.kind === 'repeat' ? 1 : events.length;
    const positions = this.streams.positions(entry, first, first + count - 1);
    if (check.kind === 'compare') {
      const records = await this.reader.records(positions);
      if (!events.every((event, i) => records[i]?.id === event.id)) {
        throw new WrongExpectedRevisionError(name, expected, BigInt(entry.durable.head));
      }
    }
    // As the real server does: where the event itself can no longer be read, its position is not told.
    const readable = first + count - 1 >= firstReadable(entry.durable);
    return appendResult(first + count - 1, readable ? positions.at(-1) : undefined);
  }

  /**
   * Writes all of it, or none. Resolves with the events' positions when they are durable.
   * @throws UnavailableError
   */
  commit(writes: readonly StreamWrite[]): Promise<number[]> {
    const { pendingPositions } = this.streams;
    if (pendingPositions >= this.pendingRowsMax) {
      throw new UnavailableError(`${pendingPositions} events wait for the index, which cannot be written; try again.`);
    }
    const records = this.recordsOf(writes);
    const changes = this.limitsChanges(writes);
    return new Promise((resolve, reject) => {
      const item = new AppendItem(this.streams, this.recent, writes, changes, resolve, reject);
      item.accept(this.writer.enqueue(records, item));
    });
  }

  private limitsChanges(writes: readonly StreamWrite[]): LimitsChange[] {
    const changes: LimitsChange[] = [];
    for (const { entry, events } of writes) {
      const last = entry.describes ? events.findLast(({ type }) => type === METADATA_TYPE) : undefined;
      if (!last) continue;
      const described = this.streams.open(describedStream(entry.name));
      changes.push({ described, limits: limitsOf(decodeMetadata(last.data)) });
    }
    return changes;
  }

  private recordsOf(writes: readonly StreamWrite[]): RecordParts[] {
    const createdMs = Math.max(this.now(), this.newestMs);
    this.newestMs = createdMs;
    const records: RecordParts[] = [];
    const last = writes.at(-1)?.events.at(-1);
    for (const { entry, first, events } of writes) {
      for (const [i, event] of events.entries()) {
        records.push({
          revision: first + i,
          createdMs,
          id: event.id,
          lastOfAppend: event === last && i === events.length - 1,
          json: event.contentType === 'application/json',
          stream: entry.nameBytes,
          type: this.typeBytes(event.type),
          data: event.data,
          metadata: event.metadata,
        });
      }
    }
    return records;
  }

  private typeBytes(type: string): Buffer {
    let bytes = this.types.get(type);
    if (bytes) return bytes;
    if (this.types.size >= TYPES_CACHED_MAX) this.types.clear();
    bytes = Buffer.from(type);
    this.types.set(type, bytes);
    return bytes;
  }
}

/** One append on its way: moves the accepted state at once, the durable one when its group is, or takes it back. */
class AppendItem implements GroupItem {
  private readonly streams: StreamTable;
  private readonly recent: RecentIds;
  private readonly writes: readonly StreamWrite[];
  private readonly changes: readonly LimitsChange[];
  private readonly resolve: (positions: number[]) => void;
  private readonly reject: (error: UnavailableError) => void;
  private positions: number[] = [];

  constructor(
    streams: StreamTable,
    recent: RecentIds,
    writes: readonly StreamWrite[],
    changes: readonly LimitsChange[],
    resolve: (positions: number[]) => void,
    reject: (error: UnavailableError) => void,
  ) {
    this.streams = streams;
    this.recent = recent;
    this.writes = writes;
    this.changes = changes;
    this.resolve = resolve;
    this.reject = reject;
  }

  accept(positions: number[]): void {
    this.positions = positions;
    let next = 0;
    for (const { entry, first, events } of this.writes) {
      entry.pins++;
      for (const [i, { id }] of events.entries()) this.recent.add(id, entry.name, first + i);
      next += events.length;
      entry.accepted.headPosition = positions[next - 1] ?? -1;
      if (first === TOMBSTONE) entry.accepted.tombstoned = true;
      else entry.accepted.head = first + events.length - 1;
    }
    for (const { described, limits } of this.changes) {
      described.pins++;
      described.accepted.limits = limits;
    }
  }

  durable(): void {
    let next = 0;
    for (const { entry, first, events } of this.writes) {
      for (let i = 0; i < events.length; i++) {
        this.streams.recordDurable(entry, first + i, this.positions[next++] ?? -1);
      }
      entry.pins--;
    }
    for (const { described, limits } of this.changes) {
      this.streams.limitsDurable(described, limits);
      described.pins--;
    }
    this.resolve(this.positions);
  }

  failed(error: UnavailableError): void {
    for (const { entry, first, events } of this.writes) {
      events.forEach((event, i) => {
        this.recent.remove(event.id, entry.name, first + i);
      });
      entry.accepted = { ...entry.durable };
      entry.pins--;
    }
    for (const { described } of this.changes) {
      described.accepted.limits = described.durable.limits;
      described.pins--;
    }
    this.reject(error);
  }
}

export function appendResult(revision: number, position: number | undefined): AppendResult {
  return {
    revision: BigInt(revision),
    position: position === undefined || position < 0 ? undefined : BigInt(position),
  };
}
