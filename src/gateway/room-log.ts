/**
 * Reads of a room's stream, in bounded pages, with a bound on how many run at once on this node. Everything a session
 * is sent that is not live comes through here.
 */
import type { Recorded } from '../domain/decider.ts';
import type { ConversationEvent } from '../domain/conversation/events.ts';
import type { EventStore, RecordedEvent, StreamBounds } from '../event-store/event-store.ts';
import { StreamNotFoundError } from '../event-store/errors.ts';
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

export interface HistoryPage {
  readonly run: Run;
  /** Whether something readable precedes it. */
  readonly more: boolean;
  readonly before: bigint;
}

/** Reads that may wait for one of the node's slots; beyond it a caller is told to come back. */
const READS_WAITING_MAX = 100_000;

export class RoomLog {
  private readonly store: EventStore;
  private readonly opener: EventOpener;
  private readonly limits: GatewayLimits;
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

  /** What follows the cursor: at most `pageEvents`, and no more once `pageBytes` are reached. */
  page(stream: string, cursor: bigint): Promise<Page> {
    return this.withSlot(async () => {
      const { pageEvents, pageBytes } = this.limits;
      const next = cursor + 1n;
      const events = await this.collect(stream, { from: next, maxCount: pageEvents }, pageBytes);
      // Asked after the read, so that what is empty because it was truncated is told from what is not there yet.
      const bounds = await this.store.streamBounds(stream);
      const first = events[0]?.revision ?? next;
      if (bounds.first > next || first !== next) return { kind: 'truncated', bounds };
      const run = await this.opener.open(events);
      return { kind: 'page', run, atHead: (run.at(-1)?.revision ?? cursor) >= bounds.head };
    });
  }

  /** Up to `limit` revisions before `before` (exclusive; undefined: from the head), as many as fit into a page. */
  history(stream: string, before: bigint | undefined, limit: number): Promise<HistoryPage> {
    return this.withSlot(async () => {
      const bounds = await this.store.streamBounds(stream);
      const end = before === undefined || before > bounds.head + 1n ? bounds.head + 1n : before;
      if (end <= bounds.first) return { run: [], more: false, before: end };
      const options = { direction: 'backwards', from: end - 1n, maxCount: limit } as const;
      const events = await this.collect(stream, options, this.limits.frameBytes);
      const run = await this.opener.open(events.reverse());
      return { run, more: (run[0]?.revision ?? end) > bounds.first, before: end };
    });
  }

  private async collect(
    stream: string,
    options: { readonly direction?: 'backwards'; readonly from: bigint; readonly maxCount: number },
    bytesMax: number,
  ): Promise<RecordedEvent[]> {
    const events: RecordedEvent[] = [];
    const step = options.direction === 'backwards' ? -1n : 1n;
    let bytes = 0;
    try {
      for await (const event of this.store.readStream(stream, options)) {
        // A truncation that takes effect while the page is read ends it: the next page finds the gap.
        const last = events.at(-1);
        if (last && event.revision !== last.revision + step) break;
        events.push(event);
        bytes += event.data.length + event.metadata.length;
        if (bytes >= bytesMax) break;
      }
    } catch (error) {
      if (!(error instanceof StreamNotFoundError)) throw error;
    }
    return events;
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
