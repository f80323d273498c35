/** Is the process there (`live`), and does it take work (`ready`)? `/health` is `ready` under a shorter name. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { RequestError } from '../errors.ts';
import { problemAnswers, problemOf, sendProblem } from './problems.ts';

const RETRY_AFTER_MS = 1_000;

const schema = (summary: string, status: 'live' | 'ready') => ({
  summary,
  tags: ['Operations'],
  response: { 200: z.object({ status: z.literal(status) }), ...problemAnswers(['unavailable']) },
});

/** @param notReady why it takes no work now */
export function addHealthRoutes(app: FastifyInstance, notReady: () => string | undefined): void {
  app.get('/health/live', { schema: schema('Is the process there?', 'live') }, async (_request, reply) =>
    reply.header('cache-control', 'no-store').send({ status: 'live' }),
  );
  for (const path of ['/health', '/health/ready']) {
    app.get(path, { schema: schema('Does it take work?', 'ready') }, async (_request, reply) => {
      const why = notReady();
      // Answered, not thrown: it is no failure of ours that somebody asks while there is nothing to take work.
      if (why !== undefined)
        return sendProblem(reply, problemOf(new RequestError('unavailable', why, { retryAfterMs: RETRY_AFTER_MS })));
      return reply.header('cache-control', 'no-store').send({ status: 'ready' });
    });
  }
}
