/** What all queries have: how they are asked, from which position, and how they are answered. */
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { ConversationCommands } from '../commands/commands.ts';
import type { Claims } from '../domain/claims.ts';
import { RequestError, UnavailableError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import type { ReadModels, Shown } from '../projections/read-models.ts';
import type { Generation } from '../read-store/read-store.ts';
import type { Authenticate } from './authentication.ts';
import { CURSOR_UNITS_MAX } from './query-cursors.ts';

export interface QueryRouteOptions {
  readonly commands: ConversationCommands;
  readonly readModels: ReadModels;
  readonly authenticate: Authenticate;
  /** Aborts when the server closes. */
  readonly closing: AbortSignal;
}

export const QUERY_PROBLEMS: readonly ErrorCode[] = [
  'bad-request',
  'unauthorized',
  'forbidden',
  'rate-limited',
  'internal',
  'unavailable',
];

/** A whole number as a query string has it, in decimal digits. */
export function wholeNumber(min: number, max: number) {
  return z.preprocess(
    text => (typeof text === 'string' && /^-?\d{1,16}$/.test(text) ? Number(text) : text),
    z.int(`must be a whole number from ${min} to ${max}`).min(min).max(max),
  );
}

const YEAR_MS = { min: Date.parse('0001-01-01T00:00:00Z'), end: Date.parse('+010000-01-01T00:00:00Z') };

/** ms since 1970, UTC; others have no four digits for their year, and no order among those that do. */
export function hasCommonYear(atMs: number): boolean {
  return atMs >= YEAR_MS.min && atMs < YEAR_MS.end;
}

export const limitOf = (max: number, fallback: number, what: string) =>
  wholeNumber(1, max).default(fallback).describe(`${what} at most. A page may have fewer.`);

export const minPosition = wholeNumber(0, Number.MAX_SAFE_INTEGER)
  .optional()
  .describe(
    'A `position` that the answer must at least show, such as that of your own command: it is waited for, a few seconds ' +
      'at most, and then the answer is 503.',
  );

export const cursorParameter = z
  .string()
  .max(CURSOR_UNITS_MAX)
  .optional()
  .describe('That of an earlier answer: what comes behind it.');

export const queryHeaders = z.object({
  'if-none-match': z.string().optional().describe('ETags of answers that you have: 304 where it would be one of them.'),
});

/** For a route's `response`, beside 200. */
export const notModified = { 304: z.null().describe('As an answer that `If-None-Match` names.') };

export function sendNotModified(reply: FastifyReply): FastifyReply {
  return reply.code(304).send();
}

export const shownPosition = z
  .string()
  .nullable()
  .describe('Everything up to it is shown, and perhaps more; null: nothing has happened in the log yet.');
export const shownLog = z.string().describe('The id of the log that positions and revisions are of.');

export const stale = z
  .literal(true)
  .optional()
  .describe('An event could not be folded into it: since then it stands still, until it is mended.');

export function wirePosition(position: number | undefined): string | null {
  return position === undefined ? null : String(position);
}

/** @throws RequestError `forbidden` */
export function mustNotBeVisitor({ role }: Claims): void {
  if (role === 'visitor') throw new RequestError('forbidden', 'The role visitor may not ask this.', { path: 'role' });
}

interface Asked {
  readonly minPosition?: number | undefined;
  /** The field that the position came from. */
  readonly path?: string;
}

/** Runs the query for as long as anybody waits for its answer. @throws what ReadModels.query throws */
export async function runQuery<Result extends Shown>(
  { readModels, closing }: Pick<QueryRouteOptions, 'readModels' | 'closing'>,
  reply: FastifyReply,
  projection: string,
  asked: Asked,
  run: (generation: Generation) => Promise<Result>,
): Promise<Result> {
  if (asked.minPosition === undefined) return readModels.query(projection, {}, run);
  const left = new AbortController();
  const leave = (): void => {
    left.abort(new UnavailableError('The caller has left, or the server is stopping.'));
  };
  if (closing.aborted) leave();
  closing.addEventListener('abort', leave, { once: true });
  reply.raw.once('close', leave);
  try {
    return await readModels.query(projection, { ...asked, signal: left.signal }, run);
  } finally {
    closing.removeEventListener('abort', leave);
    reply.raw.removeListener('close', leave);
  }
}

/**
 * Sets the headers of an answer, and tells whether it is one that the caller has. The ETag is of `content` and the log: it
 * leaves out the position, which moves with everything that happens elsewhere, and so it is a weak one.
 */
export function isKnown(
  request: FastifyRequest,
  reply: FastifyReply,
  {
    log,
    position,
    content,
  }: { readonly log: string; readonly position: number | undefined; readonly content: unknown },
): boolean {
  const digest = createHash('sha256')
    .update(JSON.stringify([log, content]))
    .digest('base64url');
  const tag = `"${digest.slice(0, 27)}"`;
  void reply.headers({ etag: `W/${tag}`, 'cache-control': 'private, no-cache', vary: 'authorization' });
  if (position !== undefined) void reply.header('verbatim-position', String(position));
  const known = (request.headers['if-none-match'] ?? '').split(',').map(each => each.trim().replace(/^W\//, ''));
  return known.includes(tag) || known.includes('*');
}
