/**
 * Work on read models, and how they stand. A projection folds the events of all tenants, so this belongs to none of them:
 * a rebuild or a comparison is of everybody's documents, and tells of no contents.
 */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Role } from '../domain/decider.ts';
import { RequestError, UnavailableError } from '../errors.ts';
import type {
  ProjectionStatus,
  ProjectionWork,
  RebuildResult,
  VerifyResult,
  WorkOptions,
} from '../projections/projector.ts';
import type { Logger } from '../telemetry/logger.ts';
import { claimsOf } from './authentication.ts';
import type { Authenticate } from './authentication.ts';
import { SECURED } from './openapi.ts';
import { problemAnswers } from './problems.ts';
import { answerWithProgress, NDJSON } from './progress-lines.ts';

export interface ProjectionRouteOptions {
  readonly authenticate: Authenticate;
  readonly projections: ProjectionWork;
  readonly logger: Logger;
  /** Aborts when the server closes. */
  readonly closing: AbortSignal;
}

const READERS: readonly Role[] = ['service', 'supervisor', 'auditor'];

const statusSchema = z
  .object({
    projections: z.array(
      z.object({
        name: z.string(),
        generation: z.int().describe('Which of its builds answers queries.'),
        position: z.string().nullable().describe('Everything up to it is folded; null: nothing yet.'),
        state: z.enum(['catching-up', 'live', 'standby', 'retrying', 'stopped']),
        reason: z.string().optional(),
        lagEvents: z.number().min(0).describe('Events not folded yet, about.'),
        lagSeconds: z.number().min(0).describe('Age of the oldest of them.'),
        eventsFolded: z.int().min(0),
        retries: z.int().min(0),
        parkedDocuments: z.int().min(0).describe('Documents that stand still: an event could not be folded into them.'),
        rebuilding: z.boolean(),
      }),
    ),
  })
  .meta({ id: 'Projections', description: 'Where each projection stands.' });

const params = z.object({
  name: z
    .string()
    .min(1)
    .max(64)
    .meta({ description: 'Its name.', examples: ['messages'] }),
});

const workSchema = (summary: string, description: string, operationId: string, result: string) => ({
  ...{ summary, description, operationId, params, tags: ['Operations'], security: SECURED },
  response: {
    200: {
      description:
        'JSON lines: `{progress: {phase, done, total}}` about every second, at last ' +
        `\`{result: ${result}}\` or \`{problem}\`.`,
      content: { [NDJSON]: { schema: z.string() } },
    },
    ...problemAnswers([
      ...(['bad-request', 'unauthorized', 'forbidden', 'not-found', 'in-flight'] as const),
      ...(['rate-limited', 'unavailable', 'internal'] as const),
    ]),
  },
});

const rebuildSchema = workSchema(
  'Build a read model anew from the log; role service',
  'Of all tenants, beside the one that goes on answering, which it replaces in one step. A caller that leaves ends it, ' +
    'and the old one stays.',
  'rebuildProjection',
  '{projection, generation, events, documents, ms}',
);

const verifySchema = workSchema(
  'Compare a read model with the log; role service',
  'Folds the log of all tenants afresh and compares document by document. The first that differs is named, with the ' +
    'paths of its fields and never their contents.',
  'verifyProjection',
  '{projection, position, documents, differences, difference?}',
);

export function addProjectionRoutes(app: FastifyInstance, options: ProjectionRouteOptions): void {
  const { authenticate, projections } = options;
  const routes = app.withTypeProvider<ZodTypeProvider>();
  const work = { rebuild: rebuildSchema, verify: verifySchema };
  for (const [what, schema] of Object.entries(work) as [keyof typeof work, typeof rebuildSchema][])
    routes.post(`/v1/projections/:name/${what}`, { onRequest: authenticate, schema }, async (request, reply) => {
      const { role } = claimsOf(request);
      if (role !== 'service')
        throw new RequestError('forbidden', `The role ${role} may not ${what}.`, { path: 'role' });
      const { name } = request.params;
      const known = projections.status();
      if (known.length === 0) throw new UnavailableError('The projector is starting.');
      if (!known.some(projection => projection.name === name))
        throw new RequestError('not-found', `There is no projection named ${name}.`, { path: 'name' });
      const begin = async (given: WorkOptions): Promise<object> => wireResult(await projections[what](name, given));
      return answerWithProgress(reply, options, `${what} of ${name}`, begin);
    });
  routes.get(
    '/v1/projections',
    {
      onRequest: authenticate,
      schema: {
        summary: 'List the projections and where they stand',
        description: 'For roles service, supervisor and auditor. Of this node, for all tenants.',
        ...{ operationId: 'listProjections', tags: ['Operations'], security: SECURED },
        response: {
          200: statusSchema,
          ...problemAnswers(['bad-request', 'unauthorized', 'forbidden', 'rate-limited', 'unavailable', 'internal']),
        },
      },
    },
    async (request, reply) => {
      const { role } = claimsOf(request);
      if (!READERS.includes(role)) throw new RequestError('forbidden', 'Not for this role.', { path: 'role' });
      const told = projections.status().map(statusOf);
      return reply.header('cache-control', 'no-store').send({ projections: told });
    },
  );
}

/** A position is text on the wire. */
function wireResult(result: RebuildResult | VerifyResult): object {
  return 'position' in result ? { ...result, position: String(result.position) } : result;
}

type Told = z.infer<typeof statusSchema>['projections'][number];

function statusOf({ checkpoint, batches: _batches, staleCommits: _staleCommits, ...status }: ProjectionStatus): Told {
  return { ...status, position: checkpoint === undefined ? null : String(checkpoint.position) };
}
