/**
 * Streams.BatchAppend: one long call that carries many appends, each in one or several messages with a correlation id of
 * its own and answered by it, in whatever order they become durable. An append that is refused ends only itself.
 */
import { APPEND_BYTES_MAX, appendBytes } from './append.ts';
import { badRequest, batchFailure, batchTimeout, batchTooLarge } from './rpc-errors.ts';
import { BadAppendError, decodeBatchAppend } from './stream-requests.ts';
import { encodeBatchAppended, encodeBatchFailure } from './stream-responses.ts';
import type { EventData, EventStore, ExpectedRevision } from '../event-store.ts';
import type { BatchFailure } from './stream-responses.ts';
import type { BatchAppendRequest, ProposedEvent } from './stream-requests.ts';

/** An append whose last message does not come is given up after so long, or after its own deadline if that is sooner. */
const GATHER_MS_MAX = 10_000;
/** Appends of one call of which the last message has not come yet; one more is refused. */
const GATHERING_MAX = 1_024;
/** Bytes that all of those hold together; what goes beyond is refused. */
const GATHERING_BYTES_MAX = 16 * APPEND_BYTES_MAX;
/** What an event of no bytes is taken to hold. */
const EVENT_OVERHEAD_BYTES = 256;

/** Appends on their way to the disk, in the whole node: past a bound the calls that bring more are paused. */
export interface AppendGate {
  entered(bytes: number): void;
  left(bytes: number): void;
}

export interface BatchAppendOptions {
  readonly store: EventStore;
  readonly gate: AppendGate;
  readonly send: (message: Buffer) => void;
  readonly now: () => number;
}

interface Gathering {
  readonly correlation: Buffer;
  readonly stream: string;
  readonly expectedRevision: ExpectedRevision;
  readonly events: EventData[];
  bytes: number;
  heldBytes: number;
  timer: NodeJS.Timeout | undefined;
}

/** One call. `take` is given each message in order; `idle` resolves when everything taken has been answered. */
export class BatchAppendCall {
  private readonly options: BatchAppendOptions;
  private readonly gathering = new Map<string, Gathering>();
  private gatheringBytes = 0;
  private inFlight = 0;
  private onIdle: (() => void) | undefined;

  constructor(options: BatchAppendOptions) {
    this.options = options;
  }

  /** @throws MalformedMessageError where not even a correlation id can be read: the call ends */
  take(message: Buffer): void {
    let request: BatchAppendRequest;
    try {
      request = decodeBatchAppend(message, this.options.now());
    } catch (error) {
      if (!(error instanceof BadAppendError)) throw error;
      this.drop(error.correlationId);
      this.fail(error.correlation, undefined, badRequest(error.message));
      return;
    }
    const known = this.gathering.get(request.correlationId);
    const append = known ?? this.begin(request);
    if (append === undefined || !this.addEvents(append, request)) {
      this.drop(request.correlationId);
      return;
    }
    if (request.isFinal) {
      this.drop(request.correlationId);
      void this.write(append);
    } else if (known === undefined) this.gather(request, append);
  }

  /** Forgets what has not come whole. */
  close(): void {
    for (const id of [...this.gathering.keys()]) this.drop(id);
  }

  async idle(): Promise<void> {
    if (this.inFlight > 0) await new Promise<void>(resolve => (this.onIdle = resolve));
  }

  /** Undefined: refused, or the rest of an append that has been answered already. */
  private begin({ correlation, options }: BatchAppendRequest): Gathering | undefined {
    if (options === undefined) return undefined;
    const { stream, expectedRevision, timeoutMs } = options;
    if (stream === undefined) this.fail(correlation, stream, badRequest('Required field StreamIdentifier not set.'));
    else if (timeoutMs <= 0) this.fail(correlation, stream, batchTimeout());
    else if (expectedRevision === undefined)
      this.fail(correlation, stream, badRequest('Required field ExpectedStreamPosition not set.'));
    else return { correlation, stream, expectedRevision, events: [], bytes: 0, heldBytes: 0, timer: undefined };
    return undefined;
  }

  /** False: refused, and answered. */
  private addEvents(append: Gathering, { events }: BatchAppendRequest): boolean {
    for (const event of events) {
      if (event.type === undefined || !event.hasContentType) {
        const missing = event.type === undefined ? 'type' : 'content-type';
        this.fail(append.correlation, append.stream, badRequest(`Required Metadata Property '${missing}' is missing`));
        return false;
      }
      const given = named(event, event.type);
      append.bytes += appendBytes(given);
      if (append.bytes > APPEND_BYTES_MAX) {
        this.fail(append.correlation, append.stream, batchTooLarge(APPEND_BYTES_MAX));
        return false;
      }
      append.events.push(given);
    }
    if (append.timer === undefined) return true;
    return this.hold(append, append.bytes + append.events.length * EVENT_OVERHEAD_BYTES);
  }

  /** The first of several messages: the rest must come in time. */
  private gather({ correlationId, options }: BatchAppendRequest, append: Gathering): void {
    if (this.gathering.size >= GATHERING_MAX) {
      this.fail(append.correlation, append.stream, badRequest(`More than ${GATHERING_MAX} appends are incomplete.`));
      return;
    }
    append.timer = setTimeout(
      () => {
        this.drop(correlationId);
        this.fail(append.correlation, append.stream, batchTimeout());
      },
      Math.min(GATHER_MS_MAX, options?.timeoutMs ?? GATHER_MS_MAX),
    );
    this.gathering.set(correlationId, append);
    if (!this.hold(append, append.bytes + append.events.length * EVENT_OVERHEAD_BYTES)) this.drop(correlationId);
  }

  private hold(append: Gathering, bytes: number): boolean {
    this.gatheringBytes += bytes - append.heldBytes;
    append.heldBytes = bytes;
    if (this.gatheringBytes <= GATHERING_BYTES_MAX) return true;
    this.fail(append.correlation, append.stream, badRequest('Too many bytes of incomplete appends.'));
    return false;
  }

  private drop(correlationId: string): void {
    const append = this.gathering.get(correlationId);
    if (append === undefined) return;
    this.gathering.delete(correlationId);
    this.gatheringBytes -= append.heldBytes;
    clearTimeout(append.timer);
  }

  private async write({ correlation, stream, expectedRevision, events, bytes }: Gathering): Promise<void> {
    const { store, gate } = this.options;
    const held = bytes + EVENT_OVERHEAD_BYTES;
    this.inFlight += 1;
    gate.entered(held);
    try {
      const result = await store.append(stream, events, { expectedRevision });
      this.options.send(encodeBatchAppended(correlation, stream, { ...result, isEmpty: events.length === 0 }));
    } catch (error) {
      this.fail(correlation, stream, batchFailure(error));
    } finally {
      gate.left(held);
      this.inFlight -= 1;
      if (this.inFlight === 0) this.onIdle?.();
    }
  }

  private fail(correlation: Buffer, stream: string | undefined, failure: BatchFailure): void {
    this.options.send(encodeBatchFailure(correlation, stream, failure));
  }
}

function named(event: ProposedEvent, type: string): EventData {
  const { id, data, metadata, contentType } = event;
  return { id, type, data, metadata, contentType };
}
