/**
 * The event store port: streams of events with dense revisions, one total order (`$all`) with strictly increasing
 * positions, appends with an expected revision, and catch-up subscriptions. Its semantics are EventStoreDB's
 * (docs/event-store.md); adapters sort beside this file and pass one contract suite (test/event-store/contract.ts).
 *
 * Glossary: a *revision* is an event's place in its stream, from 0; a *position* its place in `$all`, opaque but
 * ordered; the *head* of a stream is its last revision (-1n where there is none yet).
 */

/** What an append expects of its stream: an exact head, or one of three modes. */
export type ExpectedRevision = bigint | 'any' | 'no-stream' | 'stream-exists';

/** An event on its way into the log. `data` and `metadata` are opaque bytes to the store. */
export interface EventData {
  /** UUID in its lower-case text form; repeats are recognised by it. */
  readonly id: string;
  /** 1 to 1,024 bytes of UTF-8. */
  readonly type: string;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
  readonly contentType: 'application/json' | 'application/octet-stream';
}

/** An event as the log holds it. Byte fields are views into a shared buffer: read them, never write or keep them. */
export interface RecordedEvent {
  readonly stream: string;
  readonly id: string;
  readonly type: string;
  readonly revision: bigint;
  readonly position: bigint;
  /** When the log accepted it: milliseconds since 1970, UTC. */
  readonly createdMs: number;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
  readonly contentType: 'application/json' | 'application/octet-stream';
}

export interface AppendResult {
  /** The stream's revision after the last event of this append (of the first append, for a recognised repeat). */
  readonly revision: bigint;
  /**
   * The position of the last event; undefined for an empty append to a stream without events, and for a recognised
   * repeat of events that truncation hides.
   */
  readonly position: bigint | undefined;
}

export interface StreamMetadata {
  /** Only the last N events are readable. */
  readonly maxCount?: number;
  /** Events older than this many seconds are not readable. */
  readonly maxAgeSeconds?: number;
  /** Events below this revision are not readable. */
  readonly truncateBefore?: bigint;
  /** Everything else, kept as it was given. */
  readonly custom?: Readonly<Record<string, unknown>>;
}

export interface StreamMetadataResult {
  readonly metadata: StreamMetadata | undefined;
  /** The revision of the metadata stream, -1n where metadata was never set. */
  readonly revision: bigint;
}

export interface ReadStreamOptions {
  readonly direction?: 'forwards' | 'backwards';
  /** Inclusive. Default: `start` forwards, `end` backwards. A number past the end reads nothing forwards. */
  readonly from?: bigint | 'start' | 'end';
  /** At least 1. Default: all. */
  readonly maxCount?: number;
}

export interface ReadAllOptions {
  readonly direction?: 'forwards' | 'backwards';
  /** Forwards inclusive, backwards exclusive. Default: `start` forwards, `end` backwards. */
  readonly from?: bigint | 'start' | 'end';
  readonly maxCount?: number;
  readonly filter?: EventFilter;
}

/** An event passes when its stream name, or its type, begins with one of the prefixes. */
export type EventFilter =
  | { readonly by: 'stream'; readonly prefixes: readonly string[] }
  | { readonly by: 'type'; readonly prefixes: readonly string[] };

export interface SubscribeToStreamOptions {
  /** Exclusive: the last revision already seen, or `start` (everything), or `end` (only what is new). */
  readonly after: bigint | 'start' | 'end';
  readonly signal?: AbortSignal;
}

export interface SubscribeToAllOptions {
  /** Exclusive: the last position already seen, or `start`, or `end`. */
  readonly after: bigint | 'start' | 'end';
  readonly filter?: EventFilter;
  /** A checkpoint is given at least after so many considered events, matching or not. Default 1,024. */
  readonly checkpointEveryEvents?: number;
  readonly signal?: AbortSignal;
}

/**
 * What a subscription yields. `events` is never empty, and bounded in count and bytes by the adapter. `caught-up`
 * comes each time the subscription has reached the durable end after having been behind it (so once, at first).
 * A `checkpoint` is a position that everything considered so far is at or below, and that no later event can take.
 */
export type SubscriptionMessage =
  | { readonly kind: 'events'; readonly events: readonly RecordedEvent[] }
  | { readonly kind: 'caught-up' }
  | { readonly kind: 'checkpoint'; readonly position: bigint };

export interface StreamBounds {
  /** The first readable revision; `head + 1n` where all is truncated. */
  readonly first: bigint;
  /** The last revision; -1n for a stream that has never had an event. */
  readonly head: bigint;
}

/**
 * Appends answer after their events are durable. Readers, subscribers and every answer drawn from a stream's state
 * (conflicts and recognised repeats too) stop at the durable position.
 *
 * @throws WrongExpectedRevisionError, StreamDeletedError, AppendTooLargeError, BadEventStoreRequestError: the caller's
 * @throws UnavailableError: the store cannot be reached or cannot write; the append may or may not have happened
 */
export interface EventStore {
  append(
    stream: string,
    events: readonly EventData[],
    options: { readonly expectedRevision: ExpectedRevision },
  ): Promise<AppendResult>;

  /** @throws StreamNotFoundError for a stream that never was or is soft-deleted, StreamDeletedError for a tombstoned one. */
  readStream(stream: string, options?: ReadStreamOptions): AsyncIterable<RecordedEvent>;
  readAll(options?: ReadAllOptions): AsyncIterable<RecordedEvent>;

  /** What can be read of a stream now. Never throws for a missing or soft-deleted one: see StreamBounds. */
  streamBounds(stream: string): Promise<StreamBounds>;

  /**
   * Ends when the signal aborts or the consumer leaves its loop. A consumer that is slow holds no memory in the store:
   * past a bounded buffer it reads from the log again.
   */
  subscribeToStream(stream: string, options: SubscribeToStreamOptions): AsyncIterable<SubscriptionMessage>;
  subscribeToAll(options: SubscribeToAllOptions): AsyncIterable<SubscriptionMessage>;

  /** Soft delete: reads say not-found until the next append, which goes on counting. */
  deleteStream(stream: string, options: { readonly expectedRevision: ExpectedRevision }): Promise<AppendResult>;
  /** For ever: every later use of the stream throws StreamDeletedError. */
  tombstoneStream(stream: string, options: { readonly expectedRevision: ExpectedRevision }): Promise<AppendResult>;

  setStreamMetadata(
    stream: string,
    metadata: StreamMetadata,
    options: { readonly expectedRevision: ExpectedRevision },
  ): Promise<AppendResult>;
  getStreamMetadata(stream: string): Promise<StreamMetadataResult>;

  /** Finishes what was accepted, then refuses everything with UnavailableError. */
  close(): Promise<void>;
}
