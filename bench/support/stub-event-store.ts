/**
 * An event store that stores nothing: it answers at once, keeps each stream's head and no event, and gives the live
 * feed what a benchmark puts there. It is what the path before and behind a store costs alone.
 */
import { StreamNotFoundError, WrongExpectedRevisionError } from '../../src/event-store/errors.ts';
import type {
  AppendResult,
  EventData,
  EventStore,
  ExpectedRevision,
  RecordedEvent,
  StreamBounds,
  SubscribeToAllOptions,
  SubscriptionMessage,
} from '../../src/event-store/event-store.ts';

export class StubEventStore implements EventStore {
  private readonly heads = new Map<string, bigint>();
  private position = 0n;
  private readonly fed: (readonly RecordedEvent[])[] = [];
  private wake: () => void = () => undefined;

  /** One batch of the live feed. */
  feed(events: readonly RecordedEvent[]): void {
    this.fed.push(events);
    this.wake();
  }

  async append(
    stream: string,
    events: readonly EventData[],
    { expectedRevision }: { readonly expectedRevision: ExpectedRevision },
  ): Promise<AppendResult> {
    const head = this.heads.get(stream) ?? -1n;
    const expected = expectedRevision === 'no-stream' ? -1n : expectedRevision;
    if (expected !== head) throw new WrongExpectedRevisionError(stream, expectedRevision, head);
    const revision = head + BigInt(events.length);
    this.heads.set(stream, revision);
    this.position += 1n;
    return { revision, position: this.position };
  }

  /** Only what was never written can be read. */
  // eslint-disable-next-line require-yield -- it has no event to give
  async *readStream(stream: string): AsyncGenerator<RecordedEvent> {
    if (this.heads.has(stream)) throw new Error(`${stream} was read, and its events were not kept.`);
    throw new StreamNotFoundError(stream);
  }

  async *readAll(): AsyncGenerator<RecordedEvent> {
    // Empty.
  }

  async streamBounds(stream: string): Promise<StreamBounds> {
    return { first: 0n, head: this.heads.get(stream) ?? -1n };
  }

  async *subscribeToAll({ signal }: SubscribeToAllOptions): AsyncGenerator<SubscriptionMessage> {
    signal?.addEventListener('abort', () => {
      this.wake();
    });
    while (signal?.aborted !== true) {
      const events = this.fed.shift();
      if (events) yield { kind: 'events', events };
      else await new Promise<void>(resolve => (this.wake = resolve));
    }
  }

  subscribeToStream(): never {
    throw notStubbed();
  }
  deleteStream(): never {
    throw notStubbed();
  }
  tombstoneStream(): never {
    throw notStubbed();
  }
  setStreamMetadata(): never {
    throw notStubbed();
  }
  getStreamMetadata(): never {
    throw notStubbed();
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}

function notStubbed(): Error {
  return new Error('The stub of the event store has no such thing.');
}
