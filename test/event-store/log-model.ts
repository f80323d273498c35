/** The event store as a map of arrays: what the model test holds the embedded one against. Pure, and all in memory. */
import type { EventData, ExpectedRevision, StreamBounds, StreamMetadata } from '../../src/event-store/event-store.ts';

/** `ok`: the revision that was answered, where there is one; `error`: the name of the error. */
export type ModelAnswer = { readonly ok: bigint | undefined } | { readonly error: string };

interface ModelStream {
  readonly ids: string[];
  metadata: StreamMetadata;
  /** How many events its metadata stream has. */
  metadataEvents: number;
  tombstoned: boolean;
  /** Scavenging has dropped events below it. */
  floor: bigint;
}

/** An event as `$all` shows it. */
interface ModelEvent {
  readonly stream: string;
  /** -1n for a tombstone. */
  readonly revision: bigint;
  readonly text: string;
}

const WRONG: ModelAnswer = { error: 'WrongExpectedRevisionError' };
const GONE: ModelAnswer = { error: 'StreamDeletedError' };

export class LogModel {
  private readonly streams = new Map<string, ModelStream>();
  private log: ModelEvent[] = [];
  /** An id is remembered with the stream and revision it was first seen at, as the real server does. */
  private readonly firstSeen = new Map<string, { readonly stream: string; readonly revision: bigint }>();
  private readonly deletedMark: bigint;

  constructor(deletedMark: bigint) {
    this.deletedMark = deletedMark;
  }

  private stream(name: string): ModelStream {
    let stream = this.streams.get(name);
    if (!stream) {
      stream = { ids: [], metadata: {}, metadataEvents: 0, tombstoned: false, floor: 0n };
      this.streams.set(name, stream);
    }
    return stream;
  }

  private deleted(stream: ModelStream): boolean {
    return stream.metadata.truncateBefore === this.deletedMark;
  }

  head(name: string): bigint {
    return BigInt(this.stream(name).ids.length) - 1n;
  }

  private first(name: string): bigint {
    const { ids, metadata, floor } = this.stream(name);
    const end = BigInt(ids.length);
    let first = metadata.truncateBefore ?? 0n;
    if (floor > first) first = floor;
    if (metadata.maxCount !== undefined && end - BigInt(metadata.maxCount) > first)
      first = end - BigInt(metadata.maxCount);
    return first > end ? end : first;
  }

  private known(name: string, id: string): bigint | undefined {
    const place = this.firstSeen.get(id);
    return place?.stream === name ? place.revision : undefined;
  }

  append(name: string, events: readonly EventData[], expected: ExpectedRevision): ModelAnswer {
    const stream = this.stream(name);
    const head = this.head(name);
    if (stream.tombstoned) return GONE;
    if (expected === 'stream-exists') {
      if (this.deleted(stream)) return GONE;
      if (head < 0n && stream.metadataEvents === 0) return WRONG;
    }
    if (expected === 'any' || expected === 'stream-exists') {
      const known = events.map(event => this.known(name, event.id));
      if (events.length === 0 || known[0] === undefined) return this.write(name, events);
      return known.includes(undefined) ? WRONG : { ok: known.at(-1) };
    }
    const wanted = expected === 'no-stream' ? -1n : expected;
    if (wanted === head || (expected === 'no-stream' && this.deleted(stream))) return this.write(name, events);
    const there = stream.ids.slice(Number(wanted) + 1, Number(wanted) + 1 + events.length);
    const repeated = events.length > 0 && wanted < head && events.every((event, i) => event.id === there[i]);
    return repeated ? { ok: wanted + BigInt(events.length) } : WRONG;
  }

  private write(name: string, events: readonly EventData[]): ModelAnswer {
    const stream = this.stream(name);
    if (events.length > 0 && this.deleted(stream)) {
      stream.metadata = { ...stream.metadata, truncateBefore: BigInt(stream.ids.length) };
      stream.metadataEvents++;
    }
    for (const { id, type } of events) {
      if (!this.firstSeen.has(id)) this.firstSeen.set(id, { stream: name, revision: BigInt(stream.ids.length) });
      stream.ids.push(id);
      this.log.push({ stream: name, revision: this.head(name), text: `${name} ${type} ${id}` });
    }
    return { ok: this.head(name) };
  }

  setMetadata(name: string, metadata: StreamMetadata): ModelAnswer {
    const stream = this.stream(name);
    if (stream.tombstoned) return GONE;
    const revision = BigInt(stream.metadataEvents);
    // Metadata set on a deleted stream brings it back, without what was there before.
    const revived = this.deleted(stream);
    stream.metadata = revived ? { ...metadata, truncateBefore: BigInt(stream.ids.length) } : metadata;
    stream.metadataEvents += revived ? 2 : 1;
    return { ok: revision };
  }

  softDelete(name: string): ModelAnswer {
    const stream = this.stream(name);
    if (stream.tombstoned) return GONE;
    if (stream.ids.length === 0 && stream.metadataEvents === 0) return WRONG;
    stream.metadata = { truncateBefore: this.deletedMark };
    stream.metadataEvents++;
    return { ok: this.head(name) };
  }

  tombstone(name: string): ModelAnswer {
    const stream = this.stream(name);
    if (stream.tombstoned) return GONE;
    stream.tombstoned = true;
    this.log.push({ stream: name, revision: -1n, text: `${name} $streamDeleted ` });
    return { ok: this.head(name) };
  }

  bounds(name: string): StreamBounds {
    const head = this.head(name);
    return { first: this.stream(name).tombstoned ? head + 1n : this.first(name), head };
  }

  /** How a read of the stream ends: with its events, or with an error. */
  readAnswer(name: string): ModelAnswer {
    const stream = this.stream(name);
    if (stream.tombstoned) return GONE;
    if (stream.ids.length === 0 || this.deleted(stream)) return { error: 'StreamNotFoundError' };
    return { ok: undefined };
  }

  readable(name: string): string[] {
    return this.stream(name).ids.slice(Number(this.first(name)));
  }

  /** `stream type id` of every event, tombstones without an id. */
  all(): string[] {
    return this.log.map(({ text }) => text);
  }

  /** Whether no reader of the stream can see it, and it is not its last. */
  isDroppable(name: string, revision: bigint): boolean {
    if (revision >= this.head(name)) return false;
    return this.stream(name).tombstoned || revision < this.first(name);
  }

  dropped(name: string, revision: bigint): void {
    const stream = this.stream(name);
    if (revision >= stream.floor) stream.floor = revision + 1n;
    this.log = this.log.filter(event => event.stream !== name || event.revision !== revision);
  }
}
