/**
 * Puts events into a log in the order in which they come, each at the revision that it had. Neighbours of one stream go in
 * one append, several appends are on their way at once, and the store takes them in the order of the calls: what a crash
 * leaves is the beginning of the copy.
 */
import type { EventData, EventStore, RecordedEvent } from '../event-store.ts';
import { FILLER_TYPE, fillerId, isTombstone, MigrationRefusedError } from './comparison.ts';

const APPEND_EVENTS_MAX = 200;
const APPEND_BYTES_MAX = 262_144;
const APPENDS_IN_FLIGHT_MAX = 256;
const BYTES_IN_FLIGHT_MAX = 8_388_608;
/** Streams whose head is known without asking. */
const HEADS_MAX = 100_000;
const EVENT_OVERHEAD_BYTES = 256;

interface Batch {
  readonly stream: string;
  readonly first: bigint;
  readonly events: EventData[];
  bytes: number;
}

export class Copier {
  private readonly target: EventStore;
  /** What the target's streams will be at once everything given here is there. */
  private readonly heads = new Map<string, bigint>();
  private readonly inFlight = new Set<Promise<void>>();
  private bytesInFlight = 0;
  private batch: Batch | undefined;
  private failure: Error | undefined;
  fillers = 0;

  constructor(target: EventStore) {
    this.target = target;
  }

  async add(event: RecordedEvent): Promise<void> {
    if (isTombstone(event)) {
      await this.flush();
      await this.target.tombstoneStream(event.stream, { expectedRevision: 'any' });
      this.heads.delete(event.stream);
      return;
    }
    const head = await this.headOf(event);
    for (let revision = head + 1n; revision < event.revision; revision++) {
      this.fillers += 1;
      await this.put(event.stream, revision, filler(event.stream, revision));
    }
    const { id, type, data, metadata, contentType } = event;
    await this.put(event.stream, event.revision, { id, type, data, metadata, contentType });
  }

  /** Resolves once nothing is on its way any more, whatever became of it. */
  async settled(): Promise<void> {
    this.batch = undefined;
    await Promise.all(this.inFlight);
  }

  /** Resolves once all of it is durable. Rejects with what the target refused. */
  async flush(): Promise<void> {
    await this.send();
    await Promise.all(this.inFlight);
    this.expectNoFailure();
  }

  private async headOf({ stream, revision }: RecordedEvent): Promise<bigint> {
    const known = this.heads.get(stream);
    if (known !== undefined) return known;
    if (revision === 0n) return -1n;
    await this.flush();
    const { head } = await this.target.streamBounds(stream);
    if (head >= revision)
      throw new MigrationRefusedError(`${stream} is at ${String(head)} already, before its ${String(revision)}.`);
    return head;
  }

  private async put(stream: string, revision: bigint, event: EventData): Promise<void> {
    const bytes = event.data.length + event.metadata.length + EVENT_OVERHEAD_BYTES;
    const { batch } = this;
    const isNext = batch?.stream === stream && batch.first + BigInt(batch.events.length) === revision;
    if (batch && isNext && batch.events.length < APPEND_EVENTS_MAX && batch.bytes + bytes <= APPEND_BYTES_MAX) {
      batch.events.push(event);
      batch.bytes += bytes;
    } else {
      await this.send();
      this.batch = { stream, first: revision, events: [event], bytes };
    }
    this.heads.delete(stream);
    this.heads.set(stream, revision);
    if (this.heads.size > HEADS_MAX) {
      const [oldest] = this.heads.keys();
      if (oldest !== undefined) this.heads.delete(oldest);
    }
  }

  private async send(): Promise<void> {
    const { batch } = this;
    if (batch === undefined) return;
    this.batch = undefined;
    while (this.inFlight.size >= APPENDS_IN_FLIGHT_MAX || this.bytesInFlight >= BYTES_IN_FLIGHT_MAX)
      await Promise.race(this.inFlight);
    this.expectNoFailure();
    const { stream, first, events, bytes } = batch;
    const expectedRevision = first === 0n ? 'no-stream' : first - 1n;
    this.bytesInFlight += bytes;
    const sent: Promise<void> = this.target
      .append(stream, events, { expectedRevision })
      .then(
        () => undefined,
        (error: unknown) => {
          this.failure ??= error instanceof Error ? error : new Error(String(error));
        },
      )
      .finally(() => {
        this.bytesInFlight -= bytes;
        this.inFlight.delete(sent);
      });
    this.inFlight.add(sent);
  }

  private expectNoFailure(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}

function filler(stream: string, revision: bigint): EventData {
  const [data, metadata] = [new Uint8Array(0), new Uint8Array(0)];
  return { id: fillerId(stream, revision), type: FILLER_TYPE, data, metadata, contentType: 'application/octet-stream' };
}
