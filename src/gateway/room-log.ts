/**
 * Reads of a room's stream, in bounded pages, with a bound on how many run at once on this node. Everything a session
 * is sent that is not live comes through here.
 */
import type { Recorded } from '../domain/decider.ts';
import type { ConversationEvent } from '../domain/conversation/events.ts';
import type { EventStore, RecordedEvent, StreamBounds } from '../event-store/event-store.ts';
import { StreamDeletedError, StreamNotFoundError } from '../event-store/errors.ts';
import { RequestError } from '../errors.ts';
import type { GatewayLimits } from './limits.ts';

/** The part of the event serializer that reads. */
export interface EventOpener {
  open(batch: readonly RecordedEvent[]): Promise<Recorded<ConversationEvent>[]>;
}

/** Contiguous events of one room, in order. */
export type Run = readonly Recorded<ConversationEvent>[];

export type Page =
  /** Contiguous from the cursor on. `atHead`: there was nothing behind it when it was read. */
  | { readonly kind: 'page'; readonly run: Run; readonly atHead: boolean }
  /** The log no longer has what follows the cursor. */
  | { readonly kind: 'truncated'; readonly bounds: StreamBounds };

/** The end of a stream: contiguous up to the head it had when it was read. */
export interface TailRead {
  /** The first revision of the run; where it is empty, the one that comes next. */
  readonly first: bigint;
  readonly run: Run;
}

export interface HistoryPage {
  readonly run: Run;
  /** Whether something readable precedes it. */
  readonly more: boolean;
  readonly before: bigint;
}

interface CollectOptions {
  readonly direction?: 'backwards';
  readonly from: bigint | 'end';
  readonly maxCount: number;
  readonly enough?: (revision: bigint, events: number) => boolean;
}

/** Reads that may wait for one of the node's slots; beyond it a caller is told to come back. */
const READS_WAITING_MAX = 100_000;

export class RoomLog {
  private readonly store: EventStore;
  private readonly opener: EventOpener;
  private readonly limits: GatewayLimits;
  /** Reads of streams since the start. */
  reads = 0;
  private reading = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(store: EventStore, opener: EventOpener, limits: GatewayLimits) {
    this.store = store;
    this.opener = opener;
    this.limits = limits;
  }

  bounds(stream: string): Promise<StreamBounds> {
    return this.store.streamBounds(stream);
  }

  /** What follows the cursor, up to `before`: at most `pageEvents`, and no more once `pageBytes` are reached. */
  page(stream: string, cursor: bigint, before?: bigint): Promise<Page> {
    return this.withSlot(async () => {
      const { pageEvents, pageBytes } = this.limits;
      const next = cursor + 1n;
      const maxCount = before === undefined ? pageEvents : Math.min(pageEvents, Number(before - next));
      const { events } = await this.collect(stream, { from: next, maxCount }, pageBytes);
      // Asked after the read, so that what is empty because it was truncated is told from what is not there yet.
      const bounds = await this.store.streamBounds(stream);
      const first = events[0]?.revision ?? next;
      if (bounds.first > next || first !== next) return { kind: 'truncated', bounds };
      const run = await this.opener.open(events);
      return { kind: 'page', run, atHead: (run.at(-1)?.revision ?? cursor) >= bounds.head };
    });
  }

  /**
   * The last events of the stream until they are `enough`, as many as a page holds at most. Of those behind one that
   * cannot be read, where there are any.
   *
   * @param enough asked of each event read, from the head down: its revision, and how many there are with it
   * @throws StreamDeletedError, and what opening the last event throws
   */
  tail(stream: string, enough: (revision: bigint, events: number) => boolean): Promise<TailRead> {
    return this.withSlot(async () => {
      const { pageEvents, pageBytes } = this.limits;
      const options = { direction: 'backwards', from: 'end', maxCount: pageEvents, enough } as const;
      for (let missed = 0; ; missed++) {
        const { events, missing } = await this.collect(stream, options, pageBytes);
        const run = await this.openEnd(events.reverse());
        const [first] = run;
        if (first) return { first: first.revision, run };
        const { head } = await this.store.streamBounds(stream);
        // What is only truncated reads as empty. What was not there and now is may have just begun, or was deleted.
        if (!missing || head < 0n) return { first: head + 1n, run };
        if (missed > 0) throw new StreamDeletedError(stream);
      }
    });
  }

  /** Up to `limit` revisions before `before` (exclusive; undefined: from the head), as many as fit into a page. */
  history(stream: string, before: bigint | undefined, limit: number): Promise<HistoryPage> {
    return this.withSlot(async () => {
      const bounds = await this.store.streamBounds(stream);
      const end = before === undefined || before > bounds.head + 1n ? bounds.head + 1n : before;
      if (end <= bounds.first) return { run: [], more: false, before: end };
      const options = { direction: 'backwards', from: end - 1n, maxCount: limit } as const;
      const { events } = await this.collect(stream, options, this.limits.frameBytes);
      const run = await this.opener.open(events.reverse());
      return { run, more: (run[0]?.revision ?? end) > bounds.first, before: end };
    });
  }

  private async openEnd(events: readonly RecordedEvent[]): Promise<Run> {
    try {
      return await this.opener.open(events);
    } catch (error) {
      const run: Recorded<ConversationEvent>[] = [];
      for (const event of events.toReversed())
        try {
          run.unshift(...(await this.opener.open([event])));
        } catch {
          break;
        }
      if (run.length === 0) throw error;
      return run;
    }
  }

  private async collect(
    stream: string,
    { enough, ...options }: CollectOptions,
    bytesMax: number,
  ): Promise<{ readonly events: RecordedEvent[]; readonly missing: boolean }> {
    this.reads += 1;
    const events: RecordedEvent[] = [];
    let missing = false;
    const step = options.direction === 'backwards' ? -1n : 1n;
    let bytes = 0;
    try {
      for await (const event of this.store.readStream(stream, options)) {
        // A truncation that takes effect while the page is read ends it: the next page finds the gap.
        const last = events.at(-1);
        if (last && event.revision !== last.revision + step) break;
        events.push(event);
        bytes += event.data.length + event.metadata.length;
        if (bytes >= bytesMax || enough?.(event.revision, events.length) === true) break;
      }
    } catch (error) {
      if (!(error instanceof StreamNotFoundError)) throw error;
      missing = true;
    }
    return { events, missing };
  }

  private async withSlot<T>(read: () => Promise<T>): Promise<T> {
    if (this.reading >= this.limits.readsInFlight) {
      if (this.waiting.length >= READS_WAITING_MAX)
        throw new RequestError('rate-limited', 'Too many reads of the log are waiting.', { retryAfterMs: 1_000 });
      await new Promise<void>(resolve => this.waiting.push(resolve));
    } else this.reading += 1;
    try {
      return await read();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.reading -= 1;
    }
  }
}
