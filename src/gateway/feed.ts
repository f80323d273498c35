/**
 * The node's one subscription to the log: every conversation's events, opened and given to the hub in the log's order.
 * It starts from a position known before the first socket is accepted, and after an error goes on from the last one
 * seen, so that whatever becomes durable while a room is open is dispatched to it.
 */
import { streamName } from '../domain/stream-name.ts';
import { StreamDeletedError } from '../event-store/errors.ts';
import type { EventStore, RecordedEvent, SubscriptionMessage } from '../event-store/event-store.ts';
import type { Recorded } from '../domain/decider.ts';
import type { ConversationEvent } from '../domain/conversation/events.ts';
import type { Hub } from './hub.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { EventOpener } from './room-log.ts';
import type { RoomTails } from './room-tails.ts';
import type { Timers } from './timers.ts';

/** Pauses between attempts: a random part of the doubled last one, from this … */
const BACKOFF_MS = 100;
/** … to this. */
const BACKOFF_MS_MAX = 10_000;

interface FeedOptions {
  readonly store: EventStore;
  readonly opener: EventOpener;
  readonly hub: Hub;
  readonly tails: RoomTails;
  readonly timers: Timers;
  readonly random: () => number;
  readonly logger: Logger;
  /** An event of this stream cannot be read by this code; whoever waits for it must not wait for ever. */
  readonly unreadable: (stream: string, error: unknown) => void;
}

/** Conversations, what is said of their streams (truncation, deletion), and tenants, for those whose data is erased. */
const PREFIXES = ['conversation-', '$$conversation-', 'tenant-'] as const;
/** The type of a tombstone, on every engine. */
const STREAM_DELETED = '$streamDeleted';
const TENANT_STREAM = /^tenant-([^.]+)\./;

export class Feed {
  private readonly options: FeedOptions;
  private readonly stopping = new AbortController();
  private after: bigint | 'start' = 'start';
  private failures = 0;
  private endPause: () => void = () => undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(options: FeedOptions) {
    this.options = options;
  }

  /** Resolves once the position to start from is known. @throws UnavailableError */
  async start(): Promise<void> {
    for await (const last of this.options.store.readAll({ direction: 'backwards', from: 'end', maxCount: 1 }))
      this.after = last.position;
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.endPause();
    await this.running;
  }

  /** False while it is between attempts. */
  isConnected(): boolean {
    return this.failures === 0;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        const filter = { by: 'stream', prefixes: PREFIXES } as const;
        for await (const message of this.options.store.subscribeToAll({ after: this.after, filter, signal })) {
          await this.take(message);
          this.failures = 0;
        }
      } catch (error) {
        if (this.aborted()) return;
        this.options.logger.warn('the live feed failed and is subscribed again', { error, failures: this.failures });
      }
      // What the feed does not keep at its head is not to be taken for it.
      this.options.tails.forgetAll();
      if (!this.aborted()) await this.pause();
    }
  }

  /** Apart from `run`, because it changes while `run` awaits. */
  private aborted(): boolean {
    return this.stopping.signal.aborted;
  }

  private async take(message: SubscriptionMessage): Promise<void> {
    if (message.kind === 'checkpoint') this.after = message.position;
    if (message.kind !== 'events') return;
    const { hub, tails } = this.options;
    const events = message.events.filter(event => !this.isNotice(event));
    const wanted = events.filter(({ stream }) => hub.hasRoom(stream) || tails.follows(stream));
    const opened = wanted.length > 0 ? await this.open(wanted) : [];
    // A room opened while these were being read gets none of them here: its subscriptions find them in the log.
    const seen = new Set(wanted);
    for (const event of events) if (!seen.has(event)) hub.skip(event.stream, event.revision);
    hub.dispatch(opened);
    this.after = message.events.at(-1)?.position ?? this.after;
  }

  /** What is no event of a conversation, but says something of one: what is held of it may not be true any more. */
  private isNotice({ stream, type }: RecordedEvent): boolean {
    const { tails, unreadable } = this.options;
    if (stream.startsWith('$$')) tails.forget(stream.slice(2));
    else if (type === STREAM_DELETED) {
      tails.forget(stream);
      unreadable(stream, new StreamDeletedError(stream));
    } else {
      const tenant = TENANT_STREAM.exec(stream)?.[1];
      if (tenant === undefined) return false;
      if (type === 'SubjectErased') tails.forgetAll(streamName('conversation', tenant, ''));
    }
    return true;
  }

  /** One event that cannot be read must not take the others with it. */
  private async open(events: readonly RecordedEvent[]): Promise<Recorded<ConversationEvent>[]> {
    const { opener, logger, tails, unreadable } = this.options;
    try {
      return await opener.open(events);
    } catch {
      const opened: Recorded<ConversationEvent>[] = [];
      for (const event of events)
        try {
          opened.push(...(await opener.open([event])));
        } catch (error) {
          logger.error('an event cannot be read', { error, stream: event.stream, revision: String(event.revision) });
          tails.forget(event.stream);
          unreadable(event.stream, error);
        }
      return opened;
    }
  }

  private async pause(): Promise<void> {
    const { timers, random } = this.options;
    const ms = random() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** Math.min(this.failures, 10));
    this.failures += 1;
    await new Promise<void>(resolve => {
      const cancel = timers.after(ms, resolve);
      this.endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}
