/**
 * `POST /v1/import`: NDJSON in, one result a line out, while the request still comes in. The importer's window paces the
 * reading: a caller that does not read results is not read from either. A request that is cut off ends the import; what
 * was accepted until then is kept, and sending the file again appends only the rest.
 */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { ImportResult } from '../commands/import.ts';
import { RequestError, UnavailableError } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import { claimsOf } from './authentication.ts';
import type { Authenticate } from './authentication.ts';
import { SECURED } from './openapi.ts';
import { problemAnswers } from './problems.ts';

/** Results in the order of the lines. Ends when the bytes end; throws what reading them throws. */
export type RunImport = (
  bytes: AsyncIterable<Uint8Array>,
  as: { readonly tenant: string; readonly by: string },
) => AsyncIterable<ImportResult>;

export interface ImportRouteOptions {
  readonly authenticate: Authenticate;
  readonly runImport: RunImport;
  readonly limits: { readonly importsAtOnce: number };
  readonly logger: Logger;
  /** Aborts when the server closes. */
  readonly closing: AbortSignal;
}

const NDJSON = 'application/x-ndjson';
const RETRY_AFTER_MS = 5_000;

const EXAMPLE_LINE = `${JSON.stringify({
  ...{ id: 'crm-1', conversation: 'crm-42', at: '2026-03-01T12:00:00Z' },
  ...{ author: 'vera', role: 'visitor', text: 'Where is my parcel?' },
})}\n`;

const importSchema = {
  summary: 'Import conversations, line by line; role service',
  description:
    'NDJSON in, one result a line out, in order and while the request still comes in. Again is safe: what is there is recognised.',
  operationId: 'importConversations',
  ...{ tags: ['Imports'], security: SECURED, consumes: [NDJSON] },
  body: z.string().meta({
    description: 'One JSON object a line: `{id, conversation, at, author, role, text, replyTo?}`.',
    examples: [EXAMPLE_LINE],
  }),
  response: {
    200: {
      description: 'One JSON object a line: `{line, status: imported | duplicate | rejected, …}`.',
      content: { [NDJSON]: { schema: z.string() } },
    },
    ...problemAnswers([
      'bad-request',
      'unauthorized',
      'forbidden',
      'unsupported-media-type',
      'rate-limited',
      'internal',
      'unavailable',
    ]),
  },
};

export function addImportRoute(app: FastifyInstance, options: ImportRouteOptions): void {
  const { limits, runImport, logger, closing } = options;
  let running = 0;
  app.addContentTypeParser(NDJSON, (_request, payload, done) => {
    done(null, payload);
  });
  app.post('/v1/import', {
    // Length is bounded a line at a time, not as a whole.
    bodyLimit: Number.MAX_SAFE_INTEGER,
    schema: importSchema,
    // The body is read as it comes: there is no whole to check.
    validatorCompiler: () => () => true,
    onRequest: async request => {
      await options.authenticate(request);
      if (claimsOf(request).role !== 'service')
        throw new RequestError('forbidden', 'An import needs a token of role service.', { path: 'role' });
      refuseOtherMedia(request);
    },
    handler: async (request, reply) => {
      if (!(request.body instanceof Readable)) throw notNdjson();
      if (running >= limits.importsAtOnce)
        throw new RequestError('rate-limited', `${running} imports are running.`, { retryAfterMs: RETRY_AFTER_MS });
      if (closing.aborted) throw new UnavailableError('The server is stopping.');
      const { tenant, sub } = claimsOf(request);
      const body = request.body;
      const cut = (): void => {
        body.destroy(new UnavailableError('The server is stopping.'));
      };
      closing.addEventListener('abort', cut, { once: true });
      running += 1;
      let lines = 0;
      const results = async function* (): AsyncGenerator<string> {
        try {
          for await (const result of runImport(body as AsyncIterable<Uint8Array>, { tenant, by: sub })) {
            lines += 1;
            yield `${JSON.stringify(result)}\n`;
          }
          logger.info('import ended', { tenant, lines });
        } catch (error) {
          logger.warn('import cut off', { tenant, lines, error });
          throw error;
        }
      };
      const answer = Readable.from(results(), { highWaterMark: 16 });
      // Not in the generator, which is never begun for a caller that leaves before its first result is asked for.
      answer.once('close', () => {
        running -= 1;
        closing.removeEventListener('abort', cut);
      });
      return reply.type(NDJSON).header('cache-control', 'no-store').send(answer);
    },
  });
}

/** Here and not by the framework, whose words do not say what is taken. */
function refuseOtherMedia({ headers }: FastifyRequest): void {
  if (headers['content-type']?.split(';')[0]?.trim().toLowerCase() !== NDJSON) throw notNdjson();
  if (headers['content-encoding'] !== undefined && headers['content-encoding'] !== 'identity')
    throw new RequestError('unsupported-media-type', 'An import over HTTP comes uncompressed.', {
      path: 'content-encoding',
    });
}

function notNdjson(): RequestError {
  return new RequestError('unsupported-media-type', `An import is ${NDJSON}.`, { path: 'content-type' });
}
