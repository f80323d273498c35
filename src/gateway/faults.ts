import { Rejection } from '../domain/decider.ts';
import { ConcurrencyError, RequestError, UnavailableError } from '../errors.ts';
import { StreamDeletedError } from '../event-store/errors.ts';
import type { Fault } from './server-frames.ts';

/** What a client is told of an error. What is not foreseen is `internal`, without its message, which is for the log. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Rejection) return { code: 'rejected', reason: error.code, message: error.message };
  if (error instanceof RequestError) {
    const { code, message, path, reason, retryable, retryAfterMs } = error;
    return { code, message, path, reason, retryable, retryAfterMs };
  }
  if (error instanceof ConcurrencyError) return { code: 'revision-conflict', message: error.message };
  if (error instanceof UnavailableError)
    return {
      code: 'unavailable',
      message: 'The event store is not available; repeat with the same id.',
      retryAfterMs: 1_000,
    };
  if (error instanceof StreamDeletedError) return { code: 'unknown-room', message: 'The room was deleted.' };
  return { code: 'internal', message: 'An error of ours; it was logged.' };
}
