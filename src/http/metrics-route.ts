/**
 * `/metrics` for Prometheus. What a node does is nobody's business but its operators': without a configured token it
 * answers this machine alone, with one whoever has it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { RequestError } from '../errors.ts';
import { SECURED } from './openapi.ts';
import { isFromThisMachine } from './page-tokens.ts';
import { problemAnswers } from './problems.ts';

export interface MetricsRouteOptions {
  readonly read: () => Promise<{ readonly contentType: string; readonly text: string }>;
  readonly token: string | undefined;
}

export function addMetricsRoute(app: FastifyInstance, { read, token }: MetricsRouteOptions): void {
  const schema = {
    summary: 'Metrics for Prometheus',
    description: 'For this machine alone, or with METRICS_TOKEN as bearer where that is configured.',
    ...{ tags: ['Operations'], security: [{}, ...SECURED] },
    response: {
      200: { description: 'Prometheus text format.', content: { 'text/plain': { schema: z.string() } } },
      ...problemAnswers(['unauthorized', 'forbidden', 'internal']),
    },
  };
  app.get('/metrics', { schema }, async (request, reply) => {
    permit(request, token);
    const { contentType, text } = await read();
    return reply.header('cache-control', 'no-store').type(contentType).send(text);
  });
}

/** @throws RequestError `unauthorized`, `forbidden` */
function permit(request: FastifyRequest, token: string | undefined): void {
  if (token === undefined) {
    if (!isFromThisMachine(request)) throw new RequestError('forbidden', 'Only this machine reads its metrics.');
    return;
  }
  const given = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  // Digests have one length, so that comparing takes the same time whatever was given.
  if (!timingSafeEqual(digest(given), digest(token)))
    throw new RequestError('unauthorized', 'Authorization: Bearer <METRICS_TOKEN> is needed.', {
      path: 'authorization',
    });
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
