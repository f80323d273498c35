/** Reads of one stream and of `$all`, both ways. A read sees what was durable when it began, truncated as it is now. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { UnavailableError } from '../../errors.ts';
import { BadEventStoreRequestError, CorruptLogError, StreamDeletedError, StreamNotFoundError } from '../errors.ts';
import { checkMaxCount, checkName } from '../requests.ts';
import { describedStream, isMetadataStream } from '../metadata.ts';
import { EventIterator } from './event-iterator.ts';
import { TOMBSTONE } from './record.ts';
import { firstReadable } from './stream-limits.ts';
import type { EventFilter, ReadAllOptions, ReadStreamOptions, RecordedEvent, StreamBounds } from '../event-store.ts';
import type { LogReader } from './log-reader.ts';
import type { LogRecord } from './record.ts';
import type { StreamEntry, StreamTable } from './streams.ts';

/** Revisions fetched at a time: the most, and the first time, when nothing is known of their size. */
const PAGE_EVENTS = 256;
const FIRST_PAGE_EVENTS = 64;
/** What a page aims at, by the size of the records of the one before. */
const PAGE_BYTES = 1_048_576;

export class StreamReads {
  private readonly streams: StreamTable;
  private readonly reader: LogReader;
  private readonly durableEnd: () => number;
  private readonly now: () => number;
  /** Aborts when the store closes. */
  private readonly closing: AbortSignal;

  /** Resolves when a scan may go on: appends come first. */
  private readonly giveWay: () => Promise<void>;

  constructor(parts: {
    streams: StreamTable;
    reader: LogReader;
    durableEnd: () => number;
    now: () => number;
    closing: AbortSignal;
    giveWay: () => Promise<void>;
  }) {
    this.giveWay = parts.giveWay;
    this.streams = parts.streams;
    this.reader = parts.reader;
    this.durableEnd = parts.durableEnd;
    this.now = parts.now;
    this.closing = parts.closing;
  }

  /** Between a read's pages: a read of what is in memory waits for nothing else, and must not hold the loop. */
  private async turn(): Promise<void> {
    await nextTurn();
    if (this.closing.aborted) throw new UnavailableError('The event store was closed during the read.');
  }

  async *readStream(name: string, options: ReadStreamOptions): AsyncGenerator<RecordedEvent> {
    checkName(name);
    checkMaxCount(options.maxCount);
    const entry = this.readable(name);
    const { head } = entry.durable;
    const first = firstReadable(entry.durable);
    const backwards = options.direction === 'backwards';
    const from = startRevision(options, head);
    let next = backwards ? Math.min(from, head) : Math.max(from, first);
    let left = options.maxCount ?? Infinity;
    let pageEvents = FIRST_PAGE_EVENTS;
    while (left > 0 && next >= first && next <= head) {
      const count = Math.min(left, pageEvents, backwards ? next - first + 1 : head - next + 1);
      const low = backwards ? next - count + 1 : next;
      const page = await this.page(name, low, low + count - 1);
      if (backwards) page.reverse();
      const bytes = page.reduce((sum, record) => sum + record.length, 0);
      pageEvents = Math.max(1, Math.min(PAGE_EVENTS, Math.floor((PAGE_BYTES * page.length) / bytes)));
      for (const record of page) {
        if (this.hidden(entry, record)) continue;
        yield record;
        left--;
      }
      next = backwards ? low - 1 : low + count;
      if (left > 0 && next >= first && next <= head) await this.turn();
    }
  }

  /** The records of revisions `from` to `to`, which are durable. */
  async page(name: string, from: number, to: number): Promise<LogRecord[]> {
    const positions = this.streams.positions(this.streams.open(name), from, to);
    const records = await this.reader.records(positions);
    records.forEach((record, i) => {
      if (record.revisionNumber !== from + i || record.stream !== name) throw damagedIndex(name, from + i);
    });
    if (records.length < to - from + 1) throw damagedIndex(name, from + records.length);
    return records;
  }

  /** Too old, or dropped after the read began. */
  hidden(entry: StreamEntry, record: LogRecord): boolean {
    if (record.scavenged) return true;
    const { maxAgeSeconds } = entry.durable.limits;
    return maxAgeSeconds !== Infinity && record.createdMs < this.now() - maxAgeSeconds * 1000;
  }

  private readable(name: string): StreamEntry {
    const entry = this.streams.find(name);
    if (entry?.durable.tombstoned) throw new StreamDeletedError(name);
    const described = isMetadataStream(name) ? this.streams.find(describedStream(name)) : undefined;
    if (described?.durable.tombstoned) throw new StreamDeletedError(described.name);
    if (!entry || entry.durable.head < 0 || entry.durable.limits.truncateBefore === Infinity) {
      throw new StreamNotFoundError(name);
    }
    return entry;
  }

  async bounds(name: string): Promise<StreamBounds> {
    checkName(name);
    const entry = this.streams.find(name);
    if (!entry) return { first: 0n, head: -1n };
    const { head, limits, tombstoned } = entry.durable;
    if (tombstoned) return { first: BigInt(head + 1), head: BigInt(head) };
    const first = firstReadable(entry.durable);
    if (limits.maxAgeSeconds === Infinity || first > head) return { first: BigInt(first), head: BigInt(head) };
    for await (const event of this.readStream(name, { maxCount: 1 }))
      return { first: event.revision, head: BigInt(head) };
    return { first: BigInt(head + 1), head: BigInt(head) };
  }

  readAll(options: ReadAllOptions): AsyncGenerator<RecordedEvent> {
    const chunks = options.direction === 'backwards' ? this.chunksBack(options) : this.chunks(options);
    // Whether it may be asked for so many is the chunks' to say, when they are first read.
    return new EventIterator(chunks, compileFilter(options.filter), Math.max(1, options.maxCount ?? Infinity));
  }

  private async *chunks(options: ReadAllOptions): AsyncGenerator<readonly LogRecord[]> {
    checkMaxCount(options.maxCount);
    const end = this.durableEnd();
    if (options.from === 'end') return;
    let next = typeof options.from === 'bigint' ? await this.reader.align(Number(options.from)) : 0;
    while (next < end) {
      const chunk = await this.reader.chunkFrom(next);
      if (!chunk) return;
      yield chunk.end <= end ? chunk.records : chunk.records.filter(record => record.positionNumber < end);
      next = chunk.end;
      await this.giveWay();
      await this.turn();
    }
  }

  private async *chunksBack(options: ReadAllOptions): AsyncGenerator<readonly LogRecord[]> {
    checkMaxCount(options.maxCount);
    if (options.from === 'start') return;
    const end = this.durableEnd();
    let before = typeof options.from === 'bigint' ? Math.min(await this.reader.align(Number(options.from)), end) : end;
    for (;;) {
      const chunk = await this.reader.chunkBefore(before);
      if (!chunk) return;
      yield chunk.records;
      before = chunk.start;
      await this.giveWay();
      await this.turn();
    }
  }
}

function startRevision(options: ReadStreamOptions, head: number): number {
  const { from } = options;
  if (typeof from === 'bigint') {
    if (from < 0n) throw new BadEventStoreRequestError('from', 'A revision is 0 or more.');
    return Number(from);
  }
  if (options.direction === 'backwards') return from === 'start' ? 0 : head;
  if (from === 'end') throw new BadEventStoreRequestError('from', 'Nothing is to be read forwards from the end.');
  return 0;
}

/** The filter as a function of a record, its prefixes encoded once. What was scavenged passes none. */
export function compileFilter(filter: EventFilter | undefined): (record: LogRecord) => boolean {
  if (!filter) return record => !record.scavenged;
  const prefixes = filter.prefixes.map(prefix => Buffer.from(prefix));
  const { by } = filter;
  return record => !record.scavenged && prefixes.some(prefix => record.beginsWith(by, prefix));
}

function damagedIndex(name: string, revision: number): Error {
  const what = revision === TOMBSTONE ? 'its end' : `revision ${revision}`;
  return new CorruptLogError(
    'index',
    0,
    `it does not lead to ${what} of ${name}; delete the index folder and start again`,
  );
}
