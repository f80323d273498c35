/**
 * `traceparent` (W3C Trace Context): a caller's trace goes on, a request without one begins its own. The answer, and
 * the envelopes of the events a request causes, name this request as the parent of what follows.
 */
import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    traceparent: string;
  }
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

export function addTraceContext(app: FastifyInstance): void {
  app.decorateRequest('traceparent', '');
  app.addHook('onRequest', async (request, reply) => {
    const given = request.headers.traceparent;
    request.traceparent = childOf(typeof given === 'string' ? given : undefined, () => randomBytes(24).toString('hex'));
    void reply.header('traceparent', request.traceparent);
  });
}

/** `random`: 48 hexadecimal digits. A header that is not valid is taken for none, as the standard says. */
export function childOf(traceparent: string | undefined, random: () => string): string {
  const fresh = random();
  const parent = fresh.slice(32);
  const [, version, trace = '', span = '', flags = '00', more] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  const isValid =
    version !== undefined &&
    version !== 'ff' &&
    !(version === '00' && more !== undefined) &&
    !/^0+$/.test(trace) &&
    !/^0+$/.test(span);
  return isValid ? `00-${trace}-${parent}-${flags}` : `00-${fresh.slice(0, 32)}-${parent}-00`;
}
