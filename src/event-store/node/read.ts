/**
 * Streams.Read in all its forms: of a stream or of `$all`, forwards and backwards, and as a subscription. An event is sent
 * as far as the connection takes it: a reader that stops holds one page of the log and what its transport buffers.
 */
import { randomUUID } from 'node:crypto';
import { StreamNotFoundError, BadEventStoreRequestError } from '../errors.ts';
import { compileFilter } from './event-filter.ts';
import { handlerFailed, readFailed, shuttingDown } from './rpc-errors.ts';
import {
  encodeCaughtUp,
  encodeCheckpoint,
  encodeConfirmation,
  encodeEvent,
  encodeStreamNotFound,
} from './stream-responses.ts';
import type { EventStore, RecordedEvent, SubscriptionMessage } from '../event-store.ts';
import type { MessageRun } from './message-run.ts';
import type { ReadRequest } from './stream-requests.ts';

/** Answers that are written together, at the most; a subscription writes what it has before it waits for more. */
const RUN_BYTES_MAX = 32 * 1_024;

/** Where the answers of one read go. */
export interface ReadSink {
  /** Aborts when the reader has gone or the node stops. */
  readonly signal: AbortSignal;
  /** Undefined: go on. Otherwise resolves when the connection takes more, or the reader has gone. */
  send(messages: MessageRun): Promise<void> | undefined;
}

/** Gathers the answers of one read. */
class Answers {
  private readonly sink: ReadSink;
  private run: Buffer[] = [];
  private bytes = 0;

  constructor(sink: ReadSink) {
    this.sink = sink;
  }

  /** Undefined: go on. */
  add(message: Buffer): Promise<void> | undefined {
    this.run.push(message);
    this.bytes += message.length;
    return this.bytes < RUN_BYTES_MAX ? undefined : this.flush();
  }

  flush(): Promise<void> | undefined {
    if (this.run.length === 0) return undefined;
    const { run } = this;
    this.run = [];
    this.bytes = 0;
    return this.sink.send(run);
  }
}

/** Ends when the read does, or the reader has gone. @throws RpcError, StreamDeletedError, UnavailableError */
export async function read(store: EventStore, request: ReadRequest, sink: ReadSink): Promise<void> {
  if (request.count === undefined) await subscribe(store, request, sink);
  else await readEvents(store, request, request.count, sink);
}

async function readEvents(store: EventStore, request: ReadRequest, count: bigint, sink: ReadSink): Promise<void> {
  const { source, structuredIds } = request;
  const passes = compileFilter(request.filter);
  const kind = source.stream === undefined ? 'ReadAllResult' : 'ReadStreamResult';
  if (count === 0n) throw readFailed(kind);
  const answers = new Answers(sink);
  let left = count;
  try {
    for await (const event of eventsOf(store, request, count)) {
      if (sink.signal.aborted) return;
      if (!passes(event)) continue;
      const room = answers.add(encodeEvent(event, structuredIds));
      if (room) await room;
      left -= 1n;
      if (left === 0n) break;
    }
    await answers.flush();
  } catch (error) {
    if (error instanceof StreamNotFoundError) await sink.send([encodeStreamNotFound(error.stream)]);
    else if (error instanceof BadEventStoreRequestError) throw readFailed(kind);
    else throw error;
  }
}

function eventsOf(store: EventStore, request: ReadRequest, count: bigint): AsyncIterable<RecordedEvent> {
  const { source } = request;
  const direction = request.backwards ? 'backwards' : 'forwards';
  // With a filter the count is of what passes, which the store does not see.
  const isBounded = request.filter === undefined && count <= BigInt(Number.MAX_SAFE_INTEGER);
  const options = { direction, from: source.from, ...(isBounded ? { maxCount: Number(count) } : {}) } as const;
  return source.stream === undefined ? store.readAll(options) : store.readStream(source.stream, options);
}

async function subscribe(store: EventStore, request: ReadRequest, sink: ReadSink): Promise<void> {
  const { source, filter, structuredIds } = request;
  const passes = compileFilter(filter);
  const checkpointEvery = filter?.checkpointEveryEvents ?? Infinity;
  if (checkpointEvery === 0 || source.stream === '') throw handlerFailed();
  const messages = messagesOf(store, request, sink.signal);
  const isMissing = source.stream !== undefined && (await store.streamBounds(source.stream)).head < 0n;
  const answers = new Answers(sink);
  await sink.send([encodeConfirmation(randomUUID())]);
  // Of a stream that is not there yet the real server says that it has caught up only after its first events.
  let owesCaughtUp = false;
  let hasSent = !isMissing;
  let considered = 0;
  for await (const message of messages) {
    if (message.kind === 'caught-up') {
      if (hasSent) await sink.send([encodeCaughtUp()]);
      else owesCaughtUp = true;
    }
    if (message.kind !== 'events') continue;
    for (const event of message.events) {
      const room = passes(event) ? answers.add(encodeEvent(event, structuredIds)) : undefined;
      if (room) await room;
      considered += 1;
      if (considered >= checkpointEvery) {
        considered = 0;
        const more = answers.add(encodeCheckpoint(event.position));
        if (more) await more;
      }
      if (sink.signal.aborted) return;
    }
    hasSent = true;
    if (owesCaughtUp) {
      owesCaughtUp = false;
      await answers.add(encodeCaughtUp());
    }
    const room = answers.flush();
    if (room) await room;
  }
  if (!sink.signal.aborted) throw shuttingDown();
}

function messagesOf(
  store: EventStore,
  { source }: ReadRequest,
  signal: AbortSignal,
): AsyncIterable<SubscriptionMessage> {
  if (source.stream !== undefined) return store.subscribeToStream(source.stream, { after: source.from, signal });
  return store.subscribeToAll({ after: source.from, signal });
}
