/** Reads a stream from the log into its fold: all of it, or what follows what is folded already. */
import { Rejection, foldNext } from '../domain/decider.ts';
import type { Decider, DomainEvent, Folded } from '../domain/decider.ts';
import { StreamDeletedError, StreamNotFoundError } from '../event-store/errors.ts';
import type { EventStore, RecordedEvent } from '../event-store/event-store.ts';
import type { EventSerializer } from '../schemas/event-serializer.ts';

/** Events opened at once; the codec is asked once for each such batch. */
const BATCH_EVENTS = 256;

/** For good: nothing can be decided on what is gone. */
export const deleted = (stream: string) => new Rejection('deleted', `${stream} was deleted.`);
const archived = (stream: string) =>
  new Rejection('archived', `The first events of ${stream} are no longer in the log, so nothing is decided on it.`);

/**
 * Takes everything of the stream that is durable and not yet folded, in place. A stream that was cut, or deleted,
 * cannot be decided on: the commands it has seen are not all known any more.
 *
 * @throws Rejection `archived`, `deleted`
 * @throws CorruptEventError, UnknownSchemaError from the serializer
 * @throws UnavailableError from the store
 */
export async function foldStream<Event extends DomainEvent, State>(
  store: Pick<EventStore, 'readStream' | 'streamBounds'>,
  serializer: EventSerializer<Event>,
  decider: Pick<Decider<never, Event, State>, 'evolve'>,
  stream: string,
  folded: Folded<State>,
): Promise<void> {
  let batch: RecordedEvent[] = [];
  const foldBatch = async () => {
    for (const recorded of await serializer.open(batch)) {
      if (recorded.revision !== folded.revision + 1n) throw archived(stream);
      foldNext(decider, folded, recorded);
    }
    batch = [];
  };
  try {
    for await (const recorded of store.readStream(stream, { from: folded.revision + 1n })) {
      batch.push(recorded);
      if (batch.length >= BATCH_EVENTS) await foldBatch();
    }
    await foldBatch();
  } catch (error) {
    if (error instanceof StreamDeletedError) throw deleted(stream);
    if (!(error instanceof StreamNotFoundError)) throw error;
    // A stream that never was is an empty fold. One that has been and cannot be read is deleted.
    const { head } = await store.streamBounds(stream);
    if (head >= 0n) throw deleted(stream);
  }
}
