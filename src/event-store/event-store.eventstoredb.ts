/**
 * The event store port on EventStoreDB (22.10 or later), over the gRPC calls that the official client generates. Below that
 * client's own convenience, because that cannot be made safe (docs/decisions/0012): here an append is answered once or
 * given up in its time, a subscription outlives its connection, and nothing waits without a bound.
 */
import { randomUUID } from 'node:crypto';
import { UnavailableError } from '../errors.ts';
import { AppendLane } from './eventstoredb/append-lane.ts';
import { decodeDeleted } from './eventstoredb/answers.ts';
import { CaughtUp } from './eventstoredb/caught-up.ts';
import { parseConnectionString } from './eventstoredb/connection-string.ts';
import { Connection } from './eventstoredb/connection.ts';
import type { ConnectionChange } from './eventstoredb/connection.ts';
import { callFailure } from './eventstoredb/failures.ts';
import type { Link } from './eventstoredb/link.ts';
import { Reads } from './eventstoredb/reads.ts';
import { encodeDelete } from './eventstoredb/requests.ts';
import { StreamState } from './eventstoredb/stream-state.ts';
import { subscribe } from './eventstoredb/subscriptions.ts';
import { BadEventStoreRequestError, StreamDeletedError } from './errors.ts';
import { EVENTSTOREDB_LIMITS } from './eventstoredb-limits.ts';
import { decodeMetadata, encodeMetadata, METADATA_TYPE, metadataStream } from './metadata.ts';
import { checkEvents, checkExpected, checkMaxCount, checkName } from './requests.ts';
import type {
  AppendResult,
  EventData,
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
} from './event-store.ts';

/** What is not given is as in EVENTSTOREDB_LIMITS. */
export interface EventStoreDbOptions extends Partial<Record<keyof typeof EVENTSTOREDB_LIMITS, number>> {
  /** `esdb://…`, as EVENTSTORE_URL. */
  readonly url: string;
  /** Told when EventStoreDB went away, and when it is there again. */
  readonly onChange?: (change: ConnectionChange) => void;
  /** In [0, 1). */
  readonly random?: () => number;
}

export { BadConnectionStringError } from './eventstoredb/connection-string.ts';

const CHECKPOINT_EVERY_EVENTS = 1_024;
const JSON_TYPE = 'application/json';
const NO_BYTES = Buffer.alloc(0);
const DELETE_PATH = '/event_store.client.streams.Streams/Delete';
const TOMBSTONE_PATH = '/event_store.client.streams.Streams/Tombstone';

/**
 * Begins to connect and does not wait for it: `connected` does.
 *
 * @throws BadConnectionStringError
 */
export function openEventStoreDb(options: EventStoreDbOptions): EventStoreDb {
  return new EventStoreDb(options);
}

export class EventStoreDb implements EventStore {
  private readonly connection: Connection;
  private readonly appends: AppendLane;
  private readonly reads: Reads;
  private readonly state: StreamState;
  private readonly random: () => number;
  private readonly deadlineMs: number;
  private closing: Promise<void> | undefined;

  constructor(options: EventStoreDbOptions) {
    const limits = { ...EVENTSTOREDB_LIMITS, ...options };
    const { random = Math.random, onChange = () => undefined } = options;
    this.random = random;
    this.deadlineMs = limits.deadlineMs;
    const settings = parseConnectionString(options.url);
    this.connection = new Connection({ settings, deadlineMs: limits.deadlineMs, random, onChange });
    this.reads = new Reads(this.connection, limits, random);
    this.appends = new AppendLane({
      ...{ connection: this.connection, limits, random },
      recognise: (...append) => this.state.recognise(...append),
    });
    this.state = new StreamState(this.reads, this.appends);
    this.connection.start();
  }

  /** Why EventStoreDB cannot be reached; undefined while it can. */
  trouble(): string | undefined {
    return this.connection.trouble();
  }

  /** Resolves once there is a connection. @throws UnavailableError after `waitMs` without one */
  async connected(waitMs: number): Promise<void> {
    await this.connection.waitForLink(waitMs);
  }

  async append(
    stream: string,
    events: readonly EventData[],
    { expectedRevision }: { readonly expectedRevision: ExpectedRevision },
  ): Promise<AppendResult> {
    this.expectOpen();
    checkName(stream);
    const bytes = checkEvents(stream, events);
    checkExpected(expectedRevision);
    const result = await this.appends.append(stream, events, expectedRevision, bytes);
    // The real server answers an append of nothing with a revision and a position of no event.
    return events.length > 0 ? result : this.state.placeOf(stream);
  }

  async *readStream(stream: string, options: ReadStreamOptions = {}): AsyncGenerator<RecordedEvent> {
    checkName(stream);
    checkMaxCount(options.maxCount);
    const backwards = options.direction === 'backwards';
    let from = options.from ?? (backwards ? 'end' : 'start');
    if (typeof from === 'bigint' && from < 0n) throw new BadEventStoreRequestError('from', 'A revision is 0 or more.');
    if (!backwards && from === 'end')
      throw new BadEventStoreRequestError('from', 'Nothing is to be read forwards from the end.');
    for (let left = options.maxCount ?? Infinity; left > 0;) {
      this.expectOpen();
      const { events, isLast } = await this.reads.page({ stream, from }, { backwards, count: left });
      yield* events;
      const last = events.at(-1);
      if (last === undefined || isLast || (backwards && last.revision === 0n)) return;
      left -= events.length;
      from = backwards ? last.revision - 1n : last.revision + 1n;
    }
  }

  async *readAll(options: ReadAllOptions = {}): AsyncGenerator<RecordedEvent> {
    checkMaxCount(options.maxCount);
    this.expectOpen();
    const backwards = options.direction === 'backwards';
    let from = options.from ?? (backwards ? 'end' : 'start');
    if (from === (backwards ? 'start' : 'end')) return;
    const { filter } = options;
    let passed: bigint | undefined;
    for (let left = options.maxCount ?? Infinity; left > 0;) {
      this.expectOpen();
      // Forwards a position is inclusive, so that the event a page ended with begins the next one too.
      const again = passed === undefined || backwards ? 0 : 1;
      const page = await this.reads.page({ stream: undefined, from, filter }, { backwards, count: left + again });
      const fresh = page.events.filter(({ position }) => position !== passed);
      yield* fresh;
      const last = page.events.at(-1);
      if (last === undefined || page.isLast) return;
      left -= fresh.length;
      from = passed = last.position;
    }
  }

  async streamBounds(stream: string): Promise<StreamBounds> {
    this.expectOpen();
    checkName(stream);
    return this.state.bounds(stream);
  }

  async *subscribeToStream(
    stream: string,
    { after, signal }: SubscribeToStreamOptions,
  ): AsyncGenerator<SubscriptionMessage> {
    this.expectOpen();
    checkName(stream);
    if (signal?.aborted === true) return;
    const head = after === 'end' ? (await this.state.bounds(stream)).head : undefined;
    const from = after === 'end' ? (head === undefined || head < 0n ? 'start' : head) : after;
    yield* subscribe({
      ...{ connection: this.connection, random: this.random, signal },
      after: from,
      source: cursor => ({ stream, from: cursor }),
      placeOf: event => event.revision,
      makesCheckpoints: false,
      // No server says that it has reached the end of a stream that is not there.
      caughtUp: new CaughtUp(async () => (await this.state.lastOf({ stream, from: 'end' }))?.revision, true),
    });
  }

  async *subscribeToAll(options: SubscribeToAllOptions): AsyncGenerator<SubscriptionMessage> {
    this.expectOpen();
    const { after, filter, signal, checkpointEveryEvents = CHECKPOINT_EVERY_EVENTS } = options;
    if (signal?.aborted === true) return;
    const end = { stream: undefined, from: 'end', filter: undefined } as const;
    // Known before anything is subscribed to: a connection lost before the first event must lose none.
    const from = after === 'end' ? ((await this.state.lastOf(end))?.position ?? 'start') : after;
    yield* subscribe({
      ...{ connection: this.connection, random: this.random, signal, checkpointEveryEvents },
      after: from,
      source: cursor => ({ stream: undefined, from: cursor, filter }),
      placeOf: event => event.position,
      makesCheckpoints: filter === undefined,
      caughtUp: new CaughtUp(async () => (await this.state.lastOf({ ...end, filter }))?.position, false),
    });
  }

  deleteStream(stream: string, options: { readonly expectedRevision: ExpectedRevision }): Promise<AppendResult> {
    return this.remove(stream, options.expectedRevision, DELETE_PATH);
  }

  tombstoneStream(stream: string, options: { readonly expectedRevision: ExpectedRevision }): Promise<AppendResult> {
    return this.remove(stream, options.expectedRevision, TOMBSTONE_PATH);
  }

  async setStreamMetadata(
    stream: string,
    metadata: StreamMetadata,
    options: { readonly expectedRevision: ExpectedRevision },
  ): Promise<AppendResult> {
    checkName(metadataStream(stream));
    const data = encodeMetadata(metadata);
    const event = { id: randomUUID(), type: METADATA_TYPE, data, metadata: NO_BYTES, contentType: JSON_TYPE } as const;
    try {
      return await this.append(metadataStream(stream), [event], options);
    } catch (error) {
      throw error instanceof StreamDeletedError ? new StreamDeletedError(stream) : error;
    }
  }

  async getStreamMetadata(stream: string): Promise<StreamMetadataResult> {
    this.expectOpen();
    checkName(metadataStream(stream));
    const last = await this.state.lastOf({ stream: metadataStream(stream), from: 'end' });
    if (last === undefined) return { metadata: undefined, revision: -1n };
    return { metadata: decodeMetadata(last.data), revision: last.revision };
  }

  close(): Promise<void> {
    this.closing ??= this.finish();
    return this.closing;
  }

  private async finish(): Promise<void> {
    await this.appends.drained();
    this.appends.close();
    await this.connection.close();
  }

  private expectOpen(): void {
    if (this.closing !== undefined) throw new UnavailableError('The event store is closed.');
  }

  /** Both are safe to repeat: a second soft delete succeeds, and a second tombstone says that there is one. */
  private async remove(stream: string, expected: ExpectedRevision, path: string): Promise<AppendResult> {
    this.expectOpen();
    checkName(stream);
    checkExpected(expected);
    const request = encodeDelete(stream, expected);
    const head = typeof expected === 'bigint' ? expected : (await this.state.bounds(stream)).head;
    const call = async (link: Link, attempt: number): Promise<Buffer> => {
      try {
        return await link.unary(path, request, this.deadlineMs);
      } catch (error) {
        const failure = callFailure(error, { stream, expected });
        if (attempt > 1 && path === TOMBSTONE_PATH && failure instanceof StreamDeletedError) return NO_BYTES;
        throw failure;
      }
    };
    return { revision: head, position: decodeDeleted(await this.reads.unary(stream, call)) };
  }
}
