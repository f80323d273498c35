/**
 * Catch-up subscriptions. Each is a cursor that reads forwards, from memory near the end of the log and from the
 * segments behind it; nothing is queued for a subscriber, so one that is slow costs nothing but its own place.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { StreamDeletedError } from '../errors.ts';
import { checkName } from '../requests.ts';
import { firstReadable } from './stream-limits.ts';
import { compileFilter, type StreamReads } from './stream-reads.ts';
import type { SubscribeToAllOptions, SubscribeToStreamOptions, SubscriptionMessage } from '../event-store.ts';
import type { Durability } from './durability.ts';
import type { LogReader } from './log-reader.ts';
import type { LogRecord } from './record.ts';
import type { StreamEntry, StreamTable } from './streams.ts';

/** Events in one message at the most. */
const MESSAGE_EVENTS_MAX = 512;
const PAGE_EVENTS = 256;
const CHECKPOINT_EVERY_EVENTS = 1_024;

export class Subscriptions {
  private readonly streams: StreamTable;
  private readonly reads: StreamReads;
  private readonly reader: LogReader;
  private readonly durability: Durability;
  private readonly durableEnd: () => number;
  /** Aborts when the store closes. */
  private readonly closing: AbortSignal;

  constructor(parts: {
    streams: StreamTable;
    reads: StreamReads;
    reader: LogReader;
    durability: Durability;
    durableEnd: () => number;
    closing: AbortSignal;
  }) {
    this.streams = parts.streams;
    this.reads = parts.reads;
    this.reader = parts.reader;
    this.durability = parts.durability;
    this.durableEnd = parts.durableEnd;
    this.closing = parts.closing;
  }

  async *toAll(options: SubscribeToAllOptions): AsyncGenerator<SubscriptionMessage> {
    const passes = compileFilter(options.filter);
    const checkpointEvery = options.checkpointEveryEvents ?? CHECKPOINT_EVERY_EVENTS;
    const wake = new Wake([options.signal, this.closing], listener => this.durability.listen(listener));
    try {
      let next = await this.startOf(options.after);
      let behind = true;
      let considered = 0;
      while (!wake.aborted()) {
        // A new segment without a record moves the end by its header, and there is nothing to read behind `next` yet.
        const fromMemory = this.reader.inMemory(next);
        const chunk = next < this.durableEnd() ? await this.reader.chunkFrom(next) : undefined;
        if (!chunk) {
          if (behind) yield { kind: 'caught-up' };
          behind = false;
          await wake.wait();
          continue;
        }
        if (!fromMemory) behind = true;
        next = chunk.end;
        for (const message of messages(chunk.records.filter(passes))) {
          yield message;
          if (wake.aborted()) return;
        }
        considered += chunk.records.length;
        const last = chunk.records.at(-1);
        if (considered >= checkpointEvery && last) {
          considered = 0;
          yield { kind: 'checkpoint', position: last.position };
        }
        if (next < this.durableEnd()) await nextTurn();
      }
    } finally {
      wake.release();
    }
  }

  private async startOf(after: SubscribeToAllOptions['after']): Promise<number> {
    if (after === 'start') return 0;
    if (after === 'end') return this.durableEnd();
    const aligned = await this.reader.align(Number(after));
    if (aligned !== Number(after) || aligned >= this.durableEnd()) return aligned;
    const chunk = await this.reader.chunkFrom(aligned);
    return aligned + (chunk?.records[0]?.length ?? 0);
  }

  async *toStream(name: string, options: SubscribeToStreamOptions): AsyncGenerator<SubscriptionMessage> {
    checkName(name);
    const { after } = options;
    let next = after === 'start' ? 0 : typeof after === 'bigint' ? Number(after) + 1 : this.headOf(name) + 1;
    let behind = true;
    let live = false;
    const wake = new Wake([options.signal, this.closing], listener => this.listenTo(name, listener));
    try {
      while (!wake.aborted()) {
        const entry = this.streams.open(name);
        const { head, limits, tombstoned } = entry.durable;
        if (!tombstoned && limits.truncateBefore !== Infinity) next = Math.max(next, firstReadable(entry.durable));
        if (!tombstoned && limits.truncateBefore !== Infinity && next <= head) {
          const to = Math.min(head, next + PAGE_EVENTS - 1);
          const page = (await this.reads.page(name, next, to)).filter(record => !this.reads.hidden(entry, record));
          if (to < head) behind = true;
          next = to + 1;
          yield* messages(page);
          if (to < head) await nextTurn();
          continue;
        }
        if (tombstoned) {
          if (live) yield* messages(await this.tombstoneOf(entry));
          throw new StreamDeletedError(name);
        }
        if (behind) yield { kind: 'caught-up' };
        behind = false;
        live = true;
        await wake.wait();
      }
    } finally {
      wake.release();
    }
  }

  private headOf(name: string): number {
    return this.streams.find(name)?.durable.head ?? -1;
  }

  private tombstoneOf(entry: StreamEntry): Promise<LogRecord[]> {
    return this.reader.records([entry.durable.headPosition]);
  }

  /** Waiting keeps the entry in memory, so that the next append finds its listeners. */
  private listenTo(name: string, listener: () => void): () => void {
    const entry = this.streams.open(name);
    entry.waiters.add(listener);
    return () => entry.waiters.delete(listener);
  }
}

function* messages(records: readonly LogRecord[]): Generator<SubscriptionMessage> {
  for (let at = 0; at < records.length; at += MESSAGE_EVENTS_MAX) {
    const events = records.length <= MESSAGE_EVENTS_MAX ? records : records.slice(at, at + MESSAGE_EVENTS_MAX);
    yield { kind: 'events', events };
  }
}

/** One subscriber's alarm clock: set while it waits, rung by an append or an abort, never lost in between. */
class Wake {
  private readonly signals: readonly AbortSignal[];
  private readonly stopListening: () => void;
  private readonly ring = (): void => {
    this.rung = true;
    this.resolve?.();
  };
  private resolve: (() => void) | undefined;
  private rung = false;

  constructor(signals: readonly (AbortSignal | undefined)[], listen: (listener: () => void) => () => void) {
    this.signals = signals.filter(signal => signal !== undefined);
    for (const signal of this.signals) signal.addEventListener('abort', this.ring);
    this.stopListening = listen(this.ring);
  }

  aborted(): boolean {
    return this.signals.some(signal => signal.aborted);
  }

  async wait(): Promise<void> {
    if (!this.rung) await new Promise<void>(resolve => (this.resolve = resolve));
    this.resolve = undefined;
    this.rung = false;
  }

  release(): void {
    this.stopListening();
    for (const signal of this.signals) signal.removeEventListener('abort', this.ring);
  }
}
