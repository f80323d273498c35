/** Is the process there (`live`), and does it take work (`ready`)? `/health` is `ready` under a shorter name. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { RequestError } from '../errors.ts';
import type { ProjectionStatus } from '../projections/projector.ts';
import { problemAnswers, problemOf, sendProblem } from './problems.ts';

const RETRY_AFTER_MS = 1_000;

const liveSchema = {
  summary: 'Is the process there?',
  tags: ['Operations'],
  response: { 200: z.object({ status: z.literal('live') }), ...problemAnswers(['unavailable']) },
};

const readySchema = {
  summary: 'Does it take work?',
  description:
    'Commands and chat do not depend on read models, so a projection that is behind leaves the process ready.',
  tags: ['Operations'],
  response: {
    200: z.object({
      status: z.literal('ready'),
      projections: z.array(
        z.object({
          name: z.string(),
          state: z.enum(['catching-up', 'live', 'standby', 'retrying', 'stopped']),
          lagEvents: z.number().describe('Events not folded yet, estimated.'),
          lagSeconds: z.number().describe('Age of the oldest of them.'),
        }),
      ),
    }),
    ...problemAnswers(['unavailable']),
  },
};

export interface HealthRouteOptions {
  /** Why it takes no work now; undefined while it does. */
  readonly notReady: () => string | undefined;
  readonly projections: { readonly status: () => readonly ProjectionStatus[] };
}

export function addHealthRoutes(app: FastifyInstance, { notReady, projections }: HealthRouteOptions): void {
  app.get('/health/live', { schema: liveSchema }, async (_request, reply) =>
    reply.header('cache-control', 'no-store').send({ status: 'live' }),
  );
  for (const path of ['/health', '/health/ready']) {
    app.get(path, { schema: readySchema }, async (_request, reply) => {
      const why = notReady();
      // Answered, not thrown: it is no failure of ours that somebody asks while there is nothing to take work.
      if (why !== undefined)
        return sendProblem(reply, problemOf(new RequestError('unavailable', why, { retryAfterMs: RETRY_AFTER_MS })));
      return reply.header('cache-control', 'no-store').send({
        status: 'ready',
        projections: projections
          .status()
          .map(({ name, state, lagEvents, lagSeconds }) => ({ name, state, lagEvents, lagSeconds })),
      });
    });
  }
}
