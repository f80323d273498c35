/**
 * What the store knows of each stream: its head and limits twice, as *accepted* (what appends are checked against) and
 * as *durable* (what readers see), and the positions that the index does not hold yet. Entries that hold anything the
 * index lacks stay; the rest are a bounded cache over the index.
 */
import { isMetadataStream } from '../metadata.ts';
import { NO_LIMITS, type StreamLimits } from './stream-limits.ts';
import { PLACES_ROW_MAX, type IndexFlush, type LogIndex, type PlacesRow } from './log-index.ts';
import { TOMBSTONE } from './record.ts';

/** A stream's state at one moment. `head` -1: no event yet. */
export interface StreamState {
  head: number;
  headPosition: number;
  tombstoned: boolean;
  limits: StreamLimits;
  /** Scavenging has dropped events below this revision; nothing below it is read, whatever the limits become. */
  floor: number;
}

export class StreamEntry {
  readonly name: string;
  readonly nameBytes: Buffer;
  readonly no: number;
  /** Whether it is the metadata of another stream. */
  readonly describes: boolean;
  accepted: StreamState;
  durable: StreamState;
  /** Positions of the revisions from `pendingFirst`, durable and not in the index yet. */
  pendingFirst = 0;
  pending: number[] = [];
  /** The durable state has changed since the last flush. */
  dirty = false;
  /** Appends accepted and not yet durable, and subscribers that wait for this stream. */
  pins = 0;
  readonly waiters = new Set<() => void>();

  constructor(name: string, no: number, state: StreamState) {
    this.name = name;
    this.nameBytes = Buffer.from(name);
    this.no = no;
    this.describes = isMetadataStream(name);
    this.accepted = { ...state };
    this.durable = state;
  }

  get evictable(): boolean {
    return !this.dirty && this.pins === 0 && this.pending.length === 0 && this.waiters.size === 0;
  }

  /** An event of this stream is durable. */
  recordDurable(revision: number, position: number): void {
    this.durable.headPosition = position;
    this.dirty = true;
    if (revision === TOMBSTONE) {
      this.durable.tombstoned = true;
      return;
    }
    this.durable.head = revision;
    if (this.pending.length === 0) this.pendingFirst = revision;
    else if (revision !== this.pendingFirst + this.pending.length) {
      throw new Error(`${this.name}: revision ${revision} follows ${this.pendingFirst + this.pending.length - 1}.`);
    }
    this.pending.push(position);
  }
}

export class StreamTable {
  private readonly index: LogIndex;
  private readonly halfMax: number;
  private young = new Map<string, StreamEntry>();
  /** The young half is full at so many entries. Those that had to stay double it, or they would be moved ever again. */
  private youngMax: number;
  private old = new Map<string, StreamEntry>();
  private nextNo: number;
  /** Positions held for the next flush, over all streams. */
  pendingPositions = 0;
  private readonly dirtyEntries = new Set<StreamEntry>();

  /** @param entriesMax streams kept in memory beside those that the index lacks */
  constructor(index: LogIndex, entriesMax: number) {
    this.index = index;
    this.halfMax = Math.max(1, Math.ceil(entriesMax / 2));
    this.youngMax = this.halfMax;
    this.nextNo = index.nextNo;
  }

  get size(): number {
    return this.young.size + this.old.size;
  }

  /** Undefined for a stream that has neither events nor metadata. */
  find(name: string): StreamEntry | undefined {
    const young = this.young.get(name);
    if (young) return young;
    const old = this.old.get(name);
    if (old) {
      this.old.delete(name);
      return this.keep(old);
    }
    const row = this.index.stream(name);
    if (!row) return undefined;
    const { head, headPosition, tombstoned, truncateBefore, maxCount, maxAgeSeconds, floor } = row;
    const limits = { truncateBefore, maxCount, maxAgeSeconds };
    return this.keep(new StreamEntry(name, row.no, { head, headPosition, tombstoned, limits, floor }));
  }

  /** The stream, made known if it is new. It reaches the index only with an event or metadata. */
  open(name: string): StreamEntry {
    const state = { head: -1, headPosition: -1, tombstoned: false, limits: NO_LIMITS, floor: 0 };
    return this.find(name) ?? this.keep(new StreamEntry(name, this.nextNo++, state));
  }

  private keep(entry: StreamEntry): StreamEntry {
    if (this.young.size >= this.youngMax) this.age();
    this.young.set(entry.name, entry);
    return entry;
  }

  /** Forgets the half that was not used since the last time, but for what only memory knows. */
  private age(): void {
    const dropped = this.old;
    this.old = this.young;
    this.young = new Map();
    for (const entry of dropped.values()) if (!entry.evictable) this.young.set(entry.name, entry);
    this.youngMax = this.young.size + Math.max(this.halfMax, this.young.size);
  }

  recordDurable(entry: StreamEntry, revision: number, position: number): void {
    entry.recordDurable(revision, position);
    if (revision !== TOMBSTONE) this.pendingPositions++;
    this.dirtyEntries.add(entry);
    for (const wake of entry.waiters) wake();
  }

  limitsDurable(entry: StreamEntry, limits: StreamLimits): void {
    entry.durable.limits = limits;
    entry.dirty = true;
    this.dirtyEntries.add(entry);
  }

  /** Events below this revision are dropped, or about to be. */
  raiseFloor(entry: StreamEntry, floor: number): void {
    if (floor <= entry.durable.floor) return;
    entry.durable.floor = floor;
    entry.accepted.floor = floor;
    entry.dirty = true;
    this.dirtyEntries.add(entry);
  }

  /**
   * Positions of the durable revisions `from` to `to`, inclusive.
   * @returns fewer than asked only where the index has a hole, which is damage
   */
  positions(entry: StreamEntry, from: number, to: number): number[] {
    const positions: number[] = [];
    const inIndexTo = entry.pending.length > 0 ? Math.min(to, entry.pendingFirst - 1) : to;
    if (from <= inIndexTo) this.index.positions(entry.no, from, inIndexTo, positions);
    if (positions.length < inIndexTo - from + 1) return positions;
    for (let revision = Math.max(from, entry.pendingFirst); revision <= to && entry.pending.length > 0; revision++) {
      const position = entry.pending[revision - entry.pendingFirst];
      if (position === undefined) break;
      positions.push(position);
    }
    return positions;
  }

  /**
   * Writes everything durable so far to the index.
   * @param checkpoint the durable end, read in the same turn as this is called
   */
  async flush(checkpoint: number): Promise<void> {
    const entries = [...this.dirtyEntries];
    this.dirtyEntries.clear();
    const counts = entries.map(entry => entry.pending.length);
    const flush: IndexFlush = {
      streams: entries.map(entry => ({ name: entry.name, row: rowOf(entry) })),
      places: entries.flatMap(placesOf),
      nextNo: this.nextNo,
      checkpoint,
    };
    try {
      await this.index.flush(flush);
    } catch (error) {
      for (const entry of entries) this.dirtyEntries.add(entry);
      throw error;
    }
    entries.forEach((entry, i) => {
      const count = counts[i] ?? 0;
      entry.pending.splice(0, count);
      entry.pendingFirst += count;
      this.pendingPositions -= count;
      if (!this.dirtyEntries.has(entry)) entry.dirty = false;
    });
  }
}

function rowOf(entry: StreamEntry): IndexFlush['streams'][number]['row'] {
  const { head, headPosition, tombstoned, limits, floor } = entry.durable;
  return { no: entry.no, head, headPosition, tombstoned, ...limits, floor };
}

function placesOf(entry: StreamEntry): PlacesRow[] {
  const rows: PlacesRow[] = [];
  for (let at = 0; at < entry.pending.length; at += PLACES_ROW_MAX) {
    const positions = entry.pending.slice(at, at + PLACES_ROW_MAX);
    rows.push({ no: entry.no, first: entry.pendingFirst + at, positions });
  }
  return rows;
}
