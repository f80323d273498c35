/**
 * `GET /v1/export`: a tenant's messages as NDJSON, streamed as they are read. A caller that reads slowly is read for
 * slowly. A stream that breaks off is cut, not ended: a whole answer is a whole export.
 */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ExportConversations } from '../audit/export.ts';
import type { Role } from '../domain/decider.ts';
import { RequestError, UnavailableError } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import { opaqueId } from '../schemas/text.ts';
import { claimsOf } from './authentication.ts';
import type { Authenticate } from './authentication.ts';
import { SECURED } from './openapi.ts';
import { problemAnswers } from './problems.ts';

export interface ExportRouteOptions {
  readonly authenticate: Authenticate;
  readonly exportConversations: ExportConversations;
  readonly logger: Logger;
  /** Aborts when the server closes. */
  readonly closing: AbortSignal;
}

const NDJSON = 'application/x-ndjson';
/** Each reads the log from end to end. */
const EXPORTS_AT_ONCE_MAX = 2;
const RETRY_AFTER_MS = 5_000;
/** An agent sees every conversation too, but one at a time. */
const ROLES: readonly Role[] = ['service', 'supervisor', 'auditor'];

const time = z.iso.datetime({ offset: true });

const querystring = z
  .object({
    conversation: opaqueId.optional().describe('Only this one.'),
    from: time.optional().describe('Only messages at or after it.'),
    to: time.optional().describe('Only messages before it.'),
  })
  .refine(({ from, to }) => from === undefined || to === undefined || Date.parse(from) <= Date.parse(to), {
    path: ['to'],
    message: 'must not be before from',
  });

const exportSchema = {
  summary: 'Export conversations; roles service, supervisor, auditor',
  description:
    'Every message that the log holds when the export begins, as it reads now, in the shape that an import takes. ' +
    'Conversations come in the order in which they began, each whole. An answer that breaks off is not whole.',
  operationId: 'exportConversations',
  ...{ tags: ['Exports'], security: SECURED },
  querystring,
  response: {
    200: {
      description:
        'One JSON object a line: `{id, conversation, at, author, role, text, replyTo?, attachments?, edited?, redacted?, erased?}`.',
      content: { [NDJSON]: { schema: z.string() } },
    },
    ...problemAnswers([
      ...(['bad-request', 'unauthorized', 'forbidden', 'unknown-room', 'rate-limited', 'internal'] as const),
      'unavailable',
    ]),
  },
};

export function addExportRoute(app: FastifyInstance, options: ExportRouteOptions): void {
  const { authenticate, exportConversations, logger, closing } = options;
  let running = 0;
  app.get<{ Querystring: z.infer<typeof querystring> }>(
    '/v1/export',
    // Without a body to measure, HEAD would have to write the export to say anything of it.
    { onRequest: authenticate, schema: exportSchema, exposeHeadRoute: false },
    async (request, reply) => {
      const { tenant, role } = claimsOf(request);
      if (!ROLES.includes(role))
        throw new RequestError('forbidden', `The role ${role} may not export.`, { path: 'role' });
      if (closing.aborted) throw new UnavailableError('The server is stopping.');
      if (running >= EXPORTS_AT_ONCE_MAX)
        throw new RequestError('rate-limited', `${running} exports are running.`, { retryAfterMs: RETRY_AFTER_MS });
      const { conversation, from, to } = request.query;
      const pages = exportConversations({ tenant, conversation, from: instant(from), to: instant(to) });
      running += 1;
      const lines = async function* (): AsyncGenerator<string> {
        let written = 0;
        try {
          for await (const page of pages) {
            if (closing.aborted) throw new UnavailableError('The server is stopping.');
            written += page.length;
            yield page.map(line => `${JSON.stringify(line)}\n`).join('');
          }
          logger.info('export ended', { tenant, lines: written });
        } catch (error) {
          if (!(error instanceof RequestError)) logger.warn('export cut off', { tenant, lines: written, error });
          throw error;
        } finally {
          running -= 1;
        }
      };
      const writing = lines();
      // Read before the answer begins, so that what is wrong from the start is a problem and not a cut.
      const first = await writing.next();
      const body = Readable.from(rest(first, writing), { highWaterMark: 1 });
      // A caller that was gone before the first read would leave the export running for ever.
      body.once('close', () => void writing.return(undefined).catch(() => undefined));
      return reply.type(NDJSON).header('cache-control', 'no-store').send(body);
    },
  );
}

function instant(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text);
}

async function* rest(first: IteratorResult<string>, others: AsyncGenerator<string>): AsyncGenerator<string> {
  if (first.done === true) return;
  yield first.value;
  yield* others;
}
