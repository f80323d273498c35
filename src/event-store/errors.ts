/** What an event store answers when it says no. Adapters translate their vendor's errors into these. */
import { ConcurrencyError } from '../errors.ts';
import type { ExpectedRevision } from './event-store.ts';

/** The stream is not at the revision the append expected. `actual` is -1n for a stream without events. */
export class WrongExpectedRevisionError extends ConcurrencyError {
  override readonly name = 'WrongExpectedRevisionError';
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly actual: bigint;
  constructor(stream: string, expected: ExpectedRevision, actual: bigint) {
    super(`Stream ${stream} is at revision ${String(actual)}, expected ${String(expected)}.`);
    this.stream = stream;
    this.expected = expected;
    this.actual = actual;
  }
}

export class StreamNotFoundError extends Error {
  override readonly name = 'StreamNotFoundError';
  readonly stream: string;
  constructor(stream: string) {
    super(`Stream ${stream} has no readable event.`);
    this.stream = stream;
  }
}

/** The stream was tombstoned (or, for `stream-exists` appends, soft-deleted). */
export class StreamDeletedError extends Error {
  override readonly name = 'StreamDeletedError';
  readonly stream: string;
  constructor(stream: string) {
    super(`Stream ${stream} is deleted.`);
    this.stream = stream;
  }
}

export class AppendTooLargeError extends Error {
  override readonly name = 'AppendTooLargeError';
  readonly stream: string;
  readonly bytes: number;
  readonly bytesMax: number;
  constructor(stream: string, bytes: number, bytesMax: number) {
    super(`An append of ${bytes} bytes to ${stream} is over the limit of ${bytesMax}.`);
    this.stream = stream;
    this.bytes = bytes;
    this.bytesMax = bytesMax;
  }
}

/** The request itself is malformed: an empty name, a negative revision, a read from the end forwards. */
export class BadEventStoreRequestError extends Error {
  override readonly name = 'BadEventStoreRequestError';
  readonly path: string;
  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/** A record of the log fails its checksum, or the folder holds what this log never wrote. Never served, never skipped. */
export class CorruptLogError extends Error {
  override readonly name = 'CorruptLogError';
  readonly file: string;
  readonly offset: number;
  constructor(file: string, offset: number, what: string) {
    super(`${file} is damaged at byte ${offset}: ${what}`);
    this.file = file;
    this.offset = offset;
  }
}
