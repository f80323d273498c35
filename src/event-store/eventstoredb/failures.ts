/** What a failed call means: the port's error for its caller, and whether the same call may be tried again. */
import { Metadata, status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { UnavailableError } from '../../errors.ts';
import {
  AppendTooLargeError,
  BadEventStoreRequestError,
  StreamDeletedError,
  WrongExpectedRevisionError,
} from '../errors.ts';
import type { ExpectedRevision } from '../event-store.ts';
import { decodeNumber, decodeText, wrongExpectedRevision } from './answers.ts';
import type { AppendFailure } from './answers.ts';
import type { Endpoint } from './connection-string.ts';

/** A call that failed for a reason that may pass: the node is gone, is no leader, is too busy, has not answered. */
export class TransientError extends Error {
  override readonly name = 'TransientError';
  /** The connection itself is of no use any more. */
  readonly isConnectionLost: boolean;
  /** Where the node says that the leader is. */
  readonly leader: Endpoint | undefined;
  constructor(message: string, more: { isConnectionLost: boolean; leader?: Endpoint | undefined; cause?: unknown }) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.isConnectionLost = more.isConnectionLost;
    this.leader = more.leader;
  }
}

/** Statuses after which the connection is given up: what is wrong is not this one call. */
const CONNECTION_LOST: readonly number[] = [status.UNAVAILABLE, status.CANCELLED, status.DEADLINE_EXCEEDED];
/** `Consumer too slow`, a stream that was reset, a server that does not know: worth another try on the same connection. */
const TRANSIENT: readonly number[] = [status.ABORTED, status.INTERNAL, status.RESOURCE_EXHAUSTED, status.UNKNOWN];
const REFUSED: readonly number[] = [status.PERMISSION_DENIED, status.UNAUTHENTICATED];

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'metadata' in error && error.metadata instanceof Metadata;
}

/** A call's failure as the port's error, or as a TransientError. */
export function callFailure(
  error: unknown,
  request: { readonly stream?: string; readonly expected?: ExpectedRevision },
): Error {
  if (!isServiceError(error)) return error instanceof Error ? error : new UnavailableError(String(error));
  const { code, metadata, details } = error;
  const trailer = (name: string): string | undefined => metadata.get(name)[0]?.toString();
  const stream = request.stream ?? trailer('stream-name') ?? '';
  switch (trailer('exception')) {
    case 'stream-deleted':
      return new StreamDeletedError(stream);
    case 'wrong-expected-version': {
      const actual = trailer('actual-version');
      return new WrongExpectedRevisionError(
        stream,
        request.expected ?? 'any',
        actual === undefined ? -1n : BigInt(actual),
      );
    }
    case 'access-denied':
      return refused(details, error);
    case 'not-leader':
      return notLeader(trailer('leader-endpoint-host'), trailer('leader-endpoint-port'), error);
    case 'maximum-append-size-exceeded':
      return new AppendTooLargeError(stream, 0, Number(trailer('maximum-append-size') ?? 0));
    default:
  }
  const message = `EventStoreDB answered ${status[code]}: ${details}`;
  if (REFUSED.includes(code)) return refused(details, error);
  if (CONNECTION_LOST.includes(code)) return new TransientError(message, { isConnectionLost: true, cause: error });
  if (TRANSIENT.includes(code)) return new TransientError(message, { isConnectionLost: false, cause: error });
  if (code === status.INVALID_ARGUMENT) return new BadEventStoreRequestError('request', details);
  return new UnavailableError(message, { cause: error });
}

function notLeader(host: string | undefined, port: string | undefined, cause: unknown): TransientError {
  const leader = host !== undefined && port !== undefined ? { address: host, port: Number(port) } : undefined;
  return new TransientError('This node is not the leader.', { isConnectionLost: true, leader, cause });
}

function refused(details: string, cause: unknown): UnavailableError {
  return new UnavailableError(`EventStoreDB refuses the credentials of EVENTSTORE_URL: ${details}`, { cause });
}

const PACKAGE = 'event_store.client.';

/** What the answer to one append of a BatchAppend says. `bytes`: as this side counts them. */
export function appendFailure(
  { type, message, detail }: AppendFailure,
  request: { readonly stream: string; readonly expected: ExpectedRevision; readonly bytes: number },
): Error {
  const { stream, expected, bytes } = request;
  switch (type) {
    case `${PACKAGE}WrongExpectedVersion`:
      return wrongExpectedRevision(stream, expected, detail);
    case `${PACKAGE}StreamDeleted`:
      return new StreamDeletedError(stream);
    case `${PACKAGE}MaximumAppendSizeExceeded`:
      return new AppendTooLargeError(stream, bytes, decodeNumber(detail));
    case `${PACKAGE}BadRequest`:
      return new BadEventStoreRequestError('request', decodeText(detail));
    case `${PACKAGE}AccessDenied`:
      return refused(`no right to write to ${stream}`, undefined);
    default:
      // Timeout, Unknown, or nothing but words: the server is not ready, is busy, or knows no leader.
      return new TransientError(`EventStoreDB answered an append with "${message || type}".`, {
        isConnectionLost: /leader/i.test(message),
      });
  }
}

/** What the caller is told once tries are spent. */
export function unavailable(what: string, error: unknown): Error {
  if (error instanceof TransientError) return new UnavailableError(`${what}: ${error.message}`, { cause: error });
  return error instanceof Error ? error : new UnavailableError(`${what}: ${String(error)}`);
}
