/**
 * The kinds of errors and the ONE table that maps a code to its HTTP status, its WebSocket meaning and whether a
 * retry can help. A `Rejection` (the business said no) is the domain's own; a failed assertion is a bug and ends the
 * process, which is safe at any instant.
 */

/** Somebody else was first: reload, decide again. Answered as `revision-conflict` once retries are spent. */
export class ConcurrencyError extends Error {
  override readonly name: string = 'ConcurrencyError';
}

/** A dependency is down, full or too slow. Retrying the same request later is safe; `cause` keeps what happened. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
}

/** Something outside asked for what cannot be: carries its code from the table and, where there is one, a field path. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly code: ErrorCode;
  readonly path: string | undefined;
  readonly retryAfterMs: number | undefined;
  /** A finer code, of a rejection: `not-the-author`. */
  readonly reason: string | undefined;
  /** As the table says of the code, unless this very case is known better. */
  readonly retryable: boolean;
  constructor(
    code: ErrorCode,
    message: string,
    more: { path?: string; retryAfterMs?: number; reason?: string; retryable?: boolean; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.path = more.path;
    this.retryAfterMs = more.retryAfterMs;
    this.reason = more.reason;
    this.retryable = more.retryable ?? ERROR_CODES[code].retryable;
  }
}

export const ERROR_CODES = {
  unauthorized: { httpStatus: 401, retryable: false, title: 'No valid credentials' },
  forbidden: { httpStatus: 403, retryable: false, title: 'Not allowed' },
  'not-found': { httpStatus: 404, retryable: false, title: 'No such resource' },
  'method-not-allowed': { httpStatus: 405, retryable: false, title: 'Not a method of this resource' },
  'unknown-room': { httpStatus: 404, retryable: false, title: 'No such room' },
  'bad-request': { httpStatus: 400, retryable: false, title: 'Malformed request' },
  'too-large': { httpStatus: 413, retryable: false, title: 'Too large' },
  'unsupported-media-type': { httpStatus: 415, retryable: false, title: 'Not a media type this resource takes' },
  'rate-limited': { httpStatus: 429, retryable: true, title: 'Too many requests' },
  'revision-conflict': { httpStatus: 409, retryable: true, title: 'Changed by somebody else' },
  'in-flight': { httpStatus: 409, retryable: true, title: 'The same request is being worked on' },
  'cursor-lost': { httpStatus: 410, retryable: false, title: 'The log cannot serve this cursor' },
  'precondition-failed': { httpStatus: 412, retryable: false, title: 'Not at the revision that was named' },
  'idempotency-mismatch': { httpStatus: 422, retryable: false, title: 'The id was used for other content' },
  rejected: { httpStatus: 422, retryable: false, title: 'Rejected by a rule' },
  unavailable: { httpStatus: 503, retryable: true, title: 'Not available now' },
  internal: { httpStatus: 500, retryable: true, title: 'An error of ours' },
} as const satisfies Record<string, { httpStatus: number; retryable: boolean; title: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;
