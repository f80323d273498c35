/** `POST /v1/subjects/{subject}/erasure`: erases what is personal to one subject of the tenant, for good. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Erasure } from '../commands/erasure.ts';
import { RequestError } from '../errors.ts';
import { tenantCommandSchemas } from '../schemas/tenant-commands.ts';
import { claimsOf } from './authentication.ts';
import type { Authenticate } from './authentication.ts';
import { idempotencyKey, KeysInFlight } from './idempotency.ts';
import { SECURED } from './openapi.ts';
import { problemAnswers } from './problems.ts';

export interface ErasureRouteOptions {
  readonly eraseSubject: Erasure['eraseSubject'];
  readonly authenticate: Authenticate;
}

const { subject, reason } = tenantCommandSchemas.EraseSubject.shape;

const erasedSchema = z
  .object({
    subject,
    duplicate: z.boolean().describe('It had been erased before.'),
    position: z
      .string()
      .nullable()
      .describe(
        'Of the erasure in the log: as `minPosition` of a query, its answer shows nothing of the subject any more.',
      ),
    held: z
      .boolean()
      .describe('There was a key of it to destroy. Where it is false at the first time, is it the right id?'),
  })
  .meta({ id: 'Erased', description: 'Nothing personal of the subject can be read any more.' });

export function addErasureRoutes(app: FastifyInstance, { eraseSubject, authenticate }: ErasureRouteOptions): void {
  const inFlight = new KeysInFlight();
  app.withTypeProvider<ZodTypeProvider>().post(
    '/v1/subjects/:subject/erasure',
    {
      onRequest: authenticate,
      schema: {
        ...{ tags: ['Erasure'], security: SECURED, operationId: 'eraseSubject' },
        summary: 'Erase the personal data of a person; roles service, supervisor',
        description:
          'The subject is a visitor, an author, or a conversation without a visitor. Every text of the conversations ' +
          'whose visitor it is, and its name everywhere, reads `null` from then on. It cannot be undone.',
        params: z.object({ subject }),
        headers: z.looseObject({ 'idempotency-key': idempotencyKey }),
        body: z
          .object({ reason: reason.describe('Kept for good: no name, nothing personal.') })
          .meta({ examples: [{ reason: 'request 2026-114' }] }),
        response: {
          200: erasedSchema,
          ...problemAnswers([
            ...(['bad-request', 'unauthorized', 'forbidden', 'revision-conflict', 'rate-limited', 'internal'] as const),
            ...(['unavailable', 'in-flight', 'too-large', 'unsupported-media-type'] as const),
            ...(['idempotency-mismatch', 'rejected'] as const),
          ]),
        },
      },
    },
    async (request, reply) => {
      const { tenant, sub, role } = claimsOf(request);
      // Before a key is made so that there is one to destroy.
      if (role !== 'service' && role !== 'supervisor')
        throw new RequestError('forbidden', `The role ${role} may not erase a subject.`, { path: 'role' });
      const { subject } = request.params;
      const { reason } = request.body;
      const { 'idempotency-key': commandId } = request.headers;
      const { first, position, duplicate, held } = await inFlight.run([tenant], commandId, () =>
        eraseSubject({
          ...{ tenant, subject, reason, commandId, by: { id: sub, role } },
          traceparent: request.traceparent,
        }),
      );
      const shown = { subject, duplicate: duplicate || first === null, position: position?.toString() ?? null, held };
      return reply.header('cache-control', 'no-store').send(shown);
    },
  );
}
