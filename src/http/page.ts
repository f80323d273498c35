/** The built page at `/`, and the headers every answer carries. The page runs its own scripts, talks to the gateway, and nothing else. */
import type { IncomingMessage } from 'node:http';
import helmet from '@fastify/helmet';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { hostnameOf } from './page-tokens.ts';

export interface HeaderOptions {
  readonly gatewayUrl: (hostname: string) => string;
  readonly allowedOrigins: readonly string[];
}

/** Before any route: a route added earlier would go without. */
export async function addHeaders(app: FastifyInstance, { allowedOrigins, gatewayUrl }: HeaderOptions): Promise<void> {
  const ancestors = allowedOrigins.length === 0 ? ["'none'"] : [...allowedOrigins];
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'"],
        manifestSrc: ["'self'"],
        connectSrc: ["'self'", request => gatewayOrigin(request, gatewayUrl)],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ancestors,
      },
    },
    // It knows no list of origins; the policy's frame-ancestors does.
    frameguard: allowedOrigins.length === 0 ? { action: 'deny' } : false,
    // Whether there is TLS in front is the proxy's to know, and to promise.
    strictTransportSecurity: false,
    referrerPolicy: { policy: 'no-referrer' },
  });
}

export async function addPage(app: FastifyInstance, pageDirectory: string): Promise<void> {
  await app.register(fastifyStatic, {
    root: pageDirectory,
    cacheControl: false,
    // Built files carry their hash in their names; everything else is asked for anew.
    setHeaders: (reply, path) => {
      void reply.header(
        'cache-control',
        path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
      );
    },
  });
}

function gatewayOrigin(request: IncomingMessage, gatewayUrl: HeaderOptions['gatewayUrl']): string {
  return new URL(gatewayUrlFor(request.headers.host, gatewayUrl)).origin;
}

/**
 * Where who asked under this Host finds the gateway. A name that is not one is left out: the header is the caller's,
 * and what is made of it is for the caller alone.
 */
export function gatewayUrlFor(host: string | undefined, gatewayUrl: HeaderOptions['gatewayUrl']): string {
  const name = hostnameOf(host ?? '');
  return gatewayUrl(/^([a-z0-9.-]{1,253}|\[[0-9a-f:.]+\])$/i.test(name) ? name : '127.0.0.1');
}
