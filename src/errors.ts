/**
 * The kinds of errors and the ONE table that maps a code to its HTTP status, its WebSocket frames and close code, and
 * whether a retry can help; docs/errors.md is written from it. A `Rejection` (the business said no) is the domain's own; a failed assertion is a bug and ends the
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

/** What the table says of a code. */
export interface ErrorRow {
  readonly httpStatus: number;
  readonly retryable: boolean;
  readonly title: string;
  /** What happened, and what to do, for people. */
  readonly meaning: string;
  /** The WebSocket frames that carry it; empty: only HTTP does. */
  readonly frames: readonly ('nack' | 'error' | 'unsubscribed')[];
  /** The WebSocket close code of the same cause, where there is one. */
  readonly closeCode?: number;
}

export const ERROR_CODES = {
  unauthorized: {
    ...{ httpStatus: 401, retryable: false, title: 'No valid credentials', frames: ['error'], closeCode: 4501 },
    meaning: 'There is no token or API key, or it is not valid, expired or revoked. Get another.',
  },
  forbidden: {
    ...{ httpStatus: 403, retryable: false, title: 'Not allowed', frames: ['nack', 'error', 'unsubscribed'] },
    meaning: 'Who asks may not do this, or not see this room.',
  },
  'not-found': {
    ...{ httpStatus: 404, retryable: false, title: 'No such resource', frames: [] },
    meaning: 'There is nothing under this path.',
  },
  'method-not-allowed': {
    ...{ httpStatus: 405, retryable: false, title: 'Not a method of this resource', frames: [] },
    meaning: 'The path exists, the method does not: `Allow` names those that do.',
  },
  'unknown-room': {
    ...{ httpStatus: 404, retryable: false, title: 'No such room', frames: ['nack', 'error'] },
    meaning: 'The name is not that of a room, or nothing has been started under it, or it was deleted.',
  },
  'bad-request': {
    ...{ httpStatus: 400, retryable: false, title: 'Malformed request', frames: ['nack', 'error'], closeCode: 4500 },
    meaning: 'A field, header or frame is not as it must be: `path` names it.',
  },
  'too-large': {
    ...{ httpStatus: 413, retryable: false, title: 'Too large', frames: ['nack', 'error'] },
    meaning: 'The body or frame is above the limit, and was not looked at.',
  },
  'unsupported-media-type': {
    ...{ httpStatus: 415, retryable: false, title: 'Not a media type this resource takes', frames: [] },
    meaning: 'The `Content-Type` is another than the one this resource takes.',
  },
  'rate-limited': {
    ...{ httpStatus: 429, retryable: true, title: 'Too many requests', frames: ['nack', 'error'], closeCode: 4006 },
    meaning: 'Over a limit. Repeat after `retryAfterMs` (`Retry-After`), with the same id.',
  },
  'revision-conflict': {
    ...{ httpStatus: 409, retryable: true, title: 'Changed by somebody else', frames: ['nack'] },
    meaning:
      'Others kept writing first: repeat with the same id. With an `expectedRevision` of your own it is not retryable: ' +
      'read, decide, and send with the new one.',
  },
  'in-flight': {
    ...{ httpStatus: 409, retryable: true, title: 'The same request is being worked on', frames: [] },
    meaning:
      'A request with this `Idempotency-Key` has no answer yet, or the same read model is being rebuilt or verified. Repeat ' +
      'in a moment.',
  },
  'cursor-lost': {
    ...{ httpStatus: 410, retryable: false, title: 'The log cannot serve this cursor', frames: [] },
    meaning: '`reason` says why: `truncated`, `beyond-head`, `other-log`. Over WebSocket this is the frame `reset`.',
  },
  'precondition-failed': {
    ...{ httpStatus: 412, retryable: false, title: 'Not at the revision that was named', frames: [] },
    meaning: '`If-Match` names a revision that is not the current one. Read again.',
  },
  'idempotency-mismatch': {
    ...{ httpStatus: 422, retryable: false, title: 'The id was used for other content', frames: ['nack'] },
    meaning: 'This id was used for a command with other content. Use a new id for a new command.',
  },
  rejected: {
    ...{ httpStatus: 422, retryable: false, title: 'Rejected by a rule', frames: ['nack', 'error'] },
    meaning: 'A rule of the domain says no: `reason` says which.',
  },
  unavailable: {
    ...{ httpStatus: 503, retryable: true, title: 'Not available now', frames: ['nack', 'error'] },
    meaning: 'Something this server needs is down or full, or it is stopping. Repeat later, with the same id.',
  },
  internal: {
    ...{ httpStatus: 500, retryable: true, title: 'An error of ours', frames: ['nack', 'error'], closeCode: 4000 },
    meaning: 'A bug: the server’s log has more. Repeating with the same id is safe.',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERROR_CODES;
