/** What every adapter refuses before it asks its engine: the limits are EventStoreDB's. */
import { AppendTooLargeError, BadEventStoreRequestError } from './errors.ts';
import type { EventData, ExpectedRevision } from './event-store.ts';
import { describedStream, isMetadataStream } from './metadata.ts';

/** The real server's limit on one append: bytes of data, metadata and type (two a character). */
export const APPEND_BYTES_MAX = 1_048_576;
const NAME_BYTES_MAX = 1_024;
const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** @throws BadEventStoreRequestError */
export function checkName(name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0 || bytes > NAME_BYTES_MAX) {
    throw new BadEventStoreRequestError('stream', `A stream name has 1 to ${NAME_BYTES_MAX} bytes, this one ${bytes}.`);
  }
  if (bytes !== name.length && LONE_SURROGATE.test(name)) {
    throw new BadEventStoreRequestError('stream', 'A stream name is well-formed Unicode: it is stored as UTF-8.');
  }
  if (isMetadataStream(name) && (name === '$$' || isMetadataStream(describedStream(name)))) {
    throw new BadEventStoreRequestError('stream', `${name} is not the metadata of a stream.`);
  }
}

/** Gives the bytes they count. @throws BadEventStoreRequestError, AppendTooLargeError */
export function checkEvents(name: string, events: readonly EventData[]): number {
  let bytes = 0;
  for (const [i, { id, type, data, metadata }] of events.entries()) {
    if (type.length === 0 || Buffer.byteLength(type) > NAME_BYTES_MAX) {
      throw new BadEventStoreRequestError(`events[${i}].type`, `An event type has 1 to ${NAME_BYTES_MAX} bytes.`);
    }
    if (!UUID_PATTERN.test(id)) {
      throw new BadEventStoreRequestError(`events[${i}].id`, 'An event id is a UUID, in lower case.');
    }
    bytes += data.length + metadata.length + type.length * 2;
  }
  if (bytes > APPEND_BYTES_MAX) throw new AppendTooLargeError(name, bytes, APPEND_BYTES_MAX);
  return bytes;
}

/** @throws BadEventStoreRequestError */
export function checkExpected(expected: ExpectedRevision): void {
  if (typeof expected === 'bigint' && expected < 0n) {
    throw new BadEventStoreRequestError('expectedRevision', 'An expected revision is 0 or more, or a mode.');
  }
}

/** @throws BadEventStoreRequestError */
export function checkMaxCount(maxCount: number | undefined): void {
  if (maxCount !== undefined && !(maxCount >= 1 && (Number.isInteger(maxCount) || maxCount === Infinity))) {
    throw new BadEventStoreRequestError('maxCount', 'A read asks for a whole number of events, at least one.');
  }
}
