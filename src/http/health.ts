/** Is the process there (`live`), and does it take work (`ready`)? `/health` is `ready` under a shorter name. */
import type { FastifyInstance } from 'fastify';
import { RequestError } from '../errors.ts';

export function addHealthRoutes(app: FastifyInstance, ready: () => boolean): void {
  app.get('/health/live', async (_request, reply) =>
    reply.header('cache-control', 'no-store').send({ status: 'live' }),
  );
  for (const path of ['/health', '/health/ready']) {
    app.get(path, async (_request, reply) => {
      if (!ready()) throw new RequestError('unavailable', 'Starting or stopping.');
      return reply.header('cache-control', 'no-store').send({ status: 'ready' });
    });
  }
}
