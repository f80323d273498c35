/**
 * An event store as a map of arrays: the model the embedded one is tested against, and the double for tests that are
 * not about storage. Everything is durable at once, nothing is bounded, metadata is an event of `$all` without content that
 * no stream has, and malformed requests are not looked for.
 */
import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { StreamDeletedError, StreamNotFoundError, WrongExpectedRevisionError } from '../../src/event-store/errors.ts';
import type {
  AppendResult,
  EventData,
  EventFilter,
  EventStore,
  ExpectedRevision,
  ReadAllOptions,
  ReadStreamOptions,
  RecordedEvent,
  StreamBounds,
  StreamMetadata,
  StreamMetadataResult,
  SubscribeToAllOptions,
  SubscribeToStreamOptions,
  SubscriptionMessage,
} from '../../src/event-store/event-store.ts';

interface Stream {
  events: RecordedEvent[];
  metadata?: StreamMetadata;
  metadataRevision: bigint;
  tombstoned: boolean;
}

const MAX = 2n ** 63n - 1n;

export class MemoryEventStore implements EventStore {
  private readonly streams = new Map<string, Stream>();
  private readonly log: RecordedEvent[] = [];
  private waiters: (() => void)[] = [];
  private readonly now: () => number;

  constructor(now: () => number = Date.now) {
    this.now = now;
  }

  private stream(name: string): Stream {
    let stream = this.streams.get(name);
    if (!stream) this.streams.set(name, (stream = { events: [], metadataRevision: -1n, tombstoned: false }));
    return stream;
  }

  private head(stream: Stream): bigint {
    return BigInt(stream.events.length) - 1n;
  }

  private softDeleted(stream: Stream): boolean {
    return stream.metadata?.truncateBefore === MAX;
  }

  private first(stream: Stream): bigint {
    const head = this.head(stream);
    let first = stream.metadata?.truncateBefore ?? 0n;
    const maxCount = stream.metadata?.maxCount;
    if (maxCount !== undefined && head + 1n - BigInt(maxCount) > first) first = head + 1n - BigInt(maxCount);
    return first > head + 1n ? head + 1n : first;
  }

  private tooOld(stream: Stream, event: RecordedEvent): boolean {
    const maxAgeSeconds = stream.metadata?.maxAgeSeconds;
    return maxAgeSeconds !== undefined && event.createdMs < this.now() - maxAgeSeconds * 1000;
  }

  private record(name: string, stream: Stream, event: EventData, revision: bigint): RecordedEvent {
    const position = BigInt(this.log.length) * 10n;
    const recorded: RecordedEvent = { ...event, stream: name, revision, position, createdMs: this.now() };
    stream.events.push(recorded);
    this.log.push(recorded);
    return recorded;
  }

  private recordMetadata(name: string, stream: Stream): void {
    stream.metadataRevision += 1n;
    this.log.push({
      ...{ stream: `$$${name}`, id: randomUUID(), type: '$metadata', contentType: 'application/json' },
      ...{ data: Buffer.from('{}'), metadata: Buffer.alloc(0), revision: stream.metadataRevision },
      ...{ position: BigInt(this.log.length) * 10n, createdMs: this.now() },
    });
    this.wake();
  }

  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }

  /** Undefined: append. A result: a recognised repeat. */
  private check(
    name: string,
    stream: Stream,
    events: readonly EventData[],
    expected: ExpectedRevision,
  ): AppendResult | undefined {
    if (stream.tombstoned) throw new StreamDeletedError(name);
    const head = this.head(stream);
    const at = (revision: bigint): AppendResult => ({
      revision,
      position: stream.events[Number(revision)]?.position,
    });
    const wrong = () => new WrongExpectedRevisionError(name, expected, head);
    if (expected === 'stream-exists') {
      if (this.softDeleted(stream)) throw new StreamDeletedError(name);
      if (head < 0n && stream.metadataRevision < 0n) throw wrong();
    }
    if (expected === 'any' || expected === 'stream-exists') {
      const ids = events.map(event => stream.events.findLast(e => e.id === event.id)?.revision);
      if (events.length === 0 || ids[0] === undefined) return undefined;
      if (ids.some(id => id === undefined)) throw wrong();
      return at(ids.at(-1) ?? -1n);
    }
    const wanted = expected === 'no-stream' ? -1n : expected;
    if (wanted === head || (expected === 'no-stream' && this.softDeleted(stream))) return undefined;
    if (wanted > head || events.length === 0) throw wrong();
    events.forEach((event, i) => {
      if (stream.events[Number(wanted) + 1 + i]?.id !== event.id) throw wrong();
    });
    return at(wanted + BigInt(events.length));
  }

  async append(
    name: string,
    events: readonly EventData[],
    options: { readonly expectedRevision: ExpectedRevision },
  ): Promise<AppendResult> {
    await setImmediate();
    const stream = this.stream(name);
    const repeat = this.check(name, stream, events, options.expectedRevision);
    if (repeat) return repeat;
    if (events.length > 0 && this.softDeleted(stream))
      stream.metadata = { truncateBefore: BigInt(stream.events.length) };
    for (const event of events) this.record(name, stream, event, BigInt(stream.events.length));
    this.wake();
    const last = stream.events.at(-1);
    return { revision: this.head(stream), position: last?.position };
  }

  async *readStream(name: string, options: ReadStreamOptions = {}): AsyncGenerator<RecordedEvent> {
    await setImmediate();
    const stream = this.stream(name);
    if (stream.tombstoned) throw new StreamDeletedError(name);
    if (stream.events.length === 0 || this.softDeleted(stream)) throw new StreamNotFoundError(name);
    const first = this.first(stream);
    const backwards = options.direction === 'backwards';
    let events = stream.events.filter(event => event.revision >= first && !this.tooOld(stream, event));
    const { from } = options;
    if (backwards) {
      events.reverse();
      if (from === 'start') events = events.filter(event => event.revision <= 0n);
      else if (typeof from === 'bigint') events = events.filter(event => event.revision <= from);
    } else if (typeof from === 'bigint') events = events.filter(event => event.revision >= from);
    yield* events.slice(0, options.maxCount);
  }

  private passes(event: RecordedEvent, filter: EventFilter | undefined): boolean {
    if (!filter) return true;
    const value = filter.by === 'stream' ? event.stream : event.type;
    return filter.prefixes.some(prefix => value.startsWith(prefix));
  }

  async *readAll(options: ReadAllOptions = {}): AsyncGenerator<RecordedEvent> {
    await setImmediate();
    const { from } = options;
    let events = this.log.filter(event => this.passes(event, options.filter));
    if (options.direction === 'backwards') {
      events.reverse();
      if (from === 'start') return;
      if (typeof from === 'bigint') events = events.filter(event => event.position < from);
    } else if (from === 'end') return;
    else if (typeof from === 'bigint') events = events.filter(event => event.position >= from);
    yield* events.slice(0, options.maxCount);
  }

  async streamBounds(name: string): Promise<StreamBounds> {
    await setImmediate();
    const stream = this.stream(name);
    const head = BigInt(stream.events.filter(event => event.revision !== MAX).length) - 1n;
    if (stream.tombstoned) return { first: head + 1n, head };
    const young = stream.events.find(event => event.revision >= this.first(stream) && !this.tooOld(stream, event));
    return { first: young?.revision ?? head + 1n, head };
  }

  private async *follow(
    source: RecordedEvent[],
    from: number,
    keep: (event: RecordedEvent) => boolean,
    signal: AbortSignal | undefined,
    ended: () => void = () => undefined,
  ): AsyncGenerator<SubscriptionMessage> {
    let next = from;
    let behind = true;
    // One listener a subscription: whoever waits looks at the signal again.
    signal?.addEventListener('abort', () => this.wake(), { once: true });
    while (!signal?.aborted) {
      if (next < source.length) {
        const batch = source.slice(next, next + 100);
        next += batch.length;
        const events = batch.filter(keep);
        if (events.length > 0) yield { kind: 'events', events };
        const last = batch.at(-1);
        if (last && source === this.log) yield { kind: 'checkpoint', position: last.position };
        continue;
      }
      ended();
      if (behind) {
        behind = false;
        yield { kind: 'caught-up' };
        // Whoever was told may have appended before asking again.
        continue;
      }
      await new Promise<void>(resolve => this.waiters.push(resolve));
    }
  }

  subscribeToStream(name: string, options: SubscribeToStreamOptions): AsyncGenerator<SubscriptionMessage> {
    const stream = this.stream(name);
    const { after } = options;
    const from = after === 'start' ? 0 : after === 'end' ? stream.events.length : Number(after) + 1;
    const deleted = (): void => {
      if (stream.tombstoned) throw new StreamDeletedError(name);
    };
    if (stream.tombstoned) return this.follow([], 0, () => false, options.signal, deleted);
    const keep = (event: RecordedEvent) => event.revision >= this.first(stream) && !this.tooOld(stream, event);
    return this.follow(stream.events, from, keep, options.signal, deleted);
  }

  subscribeToAll(options: SubscribeToAllOptions): AsyncGenerator<SubscriptionMessage> {
    const { after } = options;
    const from =
      after === 'start' ? 0 : after === 'end' ? this.log.length : this.log.filter(e => e.position <= after).length;
    return this.follow(this.log, from, event => this.passes(event, options.filter), options.signal);
  }

  async deleteStream(name: string, options: { readonly expectedRevision: ExpectedRevision }): Promise<AppendResult> {
    await setImmediate();
    const stream = this.stream(name);
    const head = this.head(stream);
    if (!stream.tombstoned && head < 0n) throw new WrongExpectedRevisionError(name, options.expectedRevision, head);
    this.check(name, stream, [], options.expectedRevision);
    stream.metadata = { truncateBefore: MAX };
    this.recordMetadata(name, stream);
    return { revision: head, position: this.log.at(-1)?.position };
  }

  async tombstoneStream(name: string, options: { readonly expectedRevision: ExpectedRevision }): Promise<AppendResult> {
    await setImmediate();
    const stream = this.stream(name);
    this.check(name, stream, [], options.expectedRevision);
    const event = { id: randomUUID(), type: '$streamDeleted', contentType: 'application/json' } as const;
    const data = Buffer.from('{}');
    const head = this.head(stream);
    const { position } = this.record(name, stream, { ...event, data, metadata: Buffer.alloc(0) }, MAX);
    stream.tombstoned = true;
    this.wake();
    return { revision: head, position };
  }

  async setStreamMetadata(
    name: string,
    metadata: StreamMetadata,
    options: { readonly expectedRevision: ExpectedRevision },
  ): Promise<AppendResult> {
    await setImmediate();
    const stream = this.stream(name);
    if (stream.tombstoned) throw new StreamDeletedError(name);
    const { expectedRevision } = options;
    const wanted = expectedRevision === 'no-stream' ? -1n : expectedRevision;
    if (typeof wanted === 'bigint' && wanted !== stream.metadataRevision)
      throw new WrongExpectedRevisionError(`$$${name}`, expectedRevision, stream.metadataRevision);
    stream.metadata = metadata;
    this.recordMetadata(name, stream);
    return { revision: stream.metadataRevision, position: this.log.at(-1)?.position };
  }

  async getStreamMetadata(name: string): Promise<StreamMetadataResult> {
    await setImmediate();
    const stream = this.stream(name);
    if (stream.tombstoned) throw new StreamDeletedError(name);
    return { metadata: stream.metadata, revision: stream.metadataRevision };
  }

  async close(): Promise<void> {
    await setImmediate();
  }
}
