/** Which code of the ONE table an error is told under, and in which words, over whatever wire. */
import { Rejection } from './domain/decider.ts';
import { ConcurrencyError, RequestError, UnavailableError } from './errors.ts';
import type { ErrorCode } from './errors.ts';
import { StreamDeletedError } from './event-store/errors.ts';

/** What went wrong, as those outside are told it. */
export interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly path?: string | undefined;
  readonly reason?: string | undefined;
  /** Absent: as the table says of the code. */
  readonly retryable?: boolean | undefined;
  readonly retryAfterMs?: number | undefined;
}

const RETRY_AFTER_MS = 1_000;

/** What is not foreseen is `internal`, without its message, which is for the log. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Rejection) return { code: 'rejected', reason: error.code, message: error.message };
  if (error instanceof RequestError) {
    const { code, message, path, reason, retryable, retryAfterMs } = error;
    return { code, message, path, reason, retryable, retryAfterMs };
  }
  if (error instanceof ConcurrencyError) return { code: 'revision-conflict', message: error.message };
  if (error instanceof UnavailableError) {
    // What caused it is for the log: it may name files and hosts.
    const message = error.cause === undefined ? error.message : 'Not available now; repeat with the same id.';
    return { code: 'unavailable', message, retryAfterMs: RETRY_AFTER_MS };
  }
  if (error instanceof StreamDeletedError) return { code: 'unknown-room', message: 'The room was deleted.' };
  return { code: 'internal', message: 'An error of ours; it was logged.' };
}
