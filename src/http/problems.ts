/** Every error as RFC 9457 problem details, from the one table of codes. What is ours to mend tells nothing of its inside. */
import type { FastifyError, FastifyReply } from 'fastify';
import { Rejection } from '../domain/decider.ts';
import { ConcurrencyError, ERROR_CODES, RequestError, UnavailableError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';

export interface Problem {
  /** `urn:verbatim:problem:<code>`. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  /** The rule that rejected: `not-the-author`. */
  readonly reason?: string | undefined;
  /** Path of the field or claim at fault. */
  readonly path?: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs?: number | undefined;
}

/** What fastify says of a request it could not read, in our codes. Everything else of 4xx is `bad-request`. */
const FASTIFY_CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'too-large',
};

export function problemOf(error: unknown): Problem {
  if (error instanceof RequestError) return problem(error.code, error.message, error);
  if (error instanceof Rejection) return problem('rejected', error.message, { reason: error.code });
  if (error instanceof ConcurrencyError) return problem('revision-conflict', error.message);
  if (error instanceof UnavailableError) return problem('unavailable', error.message);
  const { code, statusCode, message } = error as Partial<FastifyError>;
  if (code?.startsWith('FST_') && statusCode !== undefined && statusCode < 500)
    return problem(FASTIFY_CODES[code] ?? 'bad-request', message ?? '');
  return problem('internal', 'An error of ours; the log has more.');
}

function problem(
  code: ErrorCode,
  detail: string,
  more: {
    readonly path?: string | undefined;
    readonly reason?: string | undefined;
    readonly retryAfterMs?: number | undefined;
  } = {},
): Problem {
  const { title, httpStatus, retryable } = ERROR_CODES[code];
  return {
    type: `urn:verbatim:problem:${code}`,
    title,
    status: httpStatus,
    detail,
    code,
    reason: more.reason,
    path: more.path,
    retryable,
    retryAfterMs: more.retryAfterMs,
  };
}

export function sendProblem(reply: FastifyReply, told: Problem): FastifyReply {
  if (told.status === 401) void reply.header('www-authenticate', 'Bearer');
  if (told.retryAfterMs !== undefined) void reply.header('retry-after', Math.ceil(told.retryAfterMs / 1_000));
  return reply
    .code(told.status)
    .header('cache-control', 'no-store')
    .type('application/problem+json')
    .send(JSON.stringify(told));
}
