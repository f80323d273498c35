/**
 * The HTTP server: health, imports, the page and, where it may have them, the page's tokens. Routes stand in files of
 * their own; here is what holds for all of them: problem details, headers, bounds, the access log, and closing.
 */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fastify from 'fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { VerifyToken } from '../auth/tokens.ts';
import { RequestError } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import { addHealthRoutes } from './health.ts';
import { addImportRoute } from './imports.ts';
import type { RunImport } from './imports.ts';
import { addPageTokenRoutes } from './page-tokens.ts';
import type { PageTokens } from './page-tokens.ts';
import { addHeaders, addPage } from './page.ts';
import { problemOf, sendProblem } from './problems.ts';

export interface HttpLimits {
  /** Of a request other than an import. */
  readonly bodyBytes: number;
  /** A connection on which nothing moves for so long is closed. */
  readonly idleTimeoutMs: number;
  readonly importsAtOnce: number;
}

export interface HttpServerOptions {
  readonly verifyToken: VerifyToken;
  readonly runImport: RunImport;
  readonly limits: HttpLimits;
  readonly logger: Logger;
  /** False while starting or stopping. */
  readonly ready: () => boolean;
  /** Folder of the built page; undefined: there is none. */
  readonly pageDirectory: string | undefined;
  /** Where a page asked for under this host name finds the gateway, as `ws://host:port/v1/socket`. */
  readonly gatewayUrl: (hostname: string) => string;
  /** Sites that may frame the page. */
  readonly allowedOrigins: readonly string[];
  /** Present only while the secret in use is the self-made one. */
  readonly pageTokens: PageTokens | undefined;
}

export interface HttpServer {
  /** Gives the port, which differs from the asked one where that is 0. @throws the system's error, EADDRINUSE among them */
  listen(address: { readonly host: string; readonly port: number }): Promise<number>;
  /** Stops accepting, ends imports at the line they are at, waits for answers under way, and cuts the rest after `graceMs`. */
  close(graceMs: number): Promise<void>;
  /** For tests. */
  readonly app: FastifyInstance;
}

export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { logger, limits } = options;
  const closing = new AbortController();
  const app = fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    connectionTimeout: limits.idleTimeoutMs,
    forceCloseConnections: 'idle',
    clientErrorHandler: (error, socket) => {
      if (!socket.writable) return;
      const body = JSON.stringify(
        problemOf(new RequestError('bad-request', 'This is no HTTP request.', { cause: error })),
      );
      socket.end(
        `HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      );
    },
  });
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    // Clients that always name the type also do so where they have nothing to say.
    if (body === '') done(null, undefined);
    else void parseJson(request, body as string, done);
  });
  app.setErrorHandler((error, request, reply) => {
    const told = problemOf(error);
    if (told.status >= 500) logger.error('a request failed', { ...describe(request), error });
    return sendProblem(reply, told);
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, problemOf(new RequestError('not-found', `There is no ${request.method} ${pathOf(request)}.`))),
  );
  app.addHook('onResponse', async (request, reply) => {
    const level = reply.statusCode >= 500 ? 'warn' : request.method === 'GET' ? 'debug' : 'info';
    logger[level]('request', { ...describe(request), status: reply.statusCode, ms: Math.round(reply.elapsedTime) });
  });

  await addHeaders(app, options);
  addHealthRoutes(app, options.ready);
  addImportRoute(app, { ...options, closing: closing.signal });
  if (options.pageTokens) addPageTokenRoutes(app, options.pageTokens, options.gatewayUrl);
  if (options.pageDirectory !== undefined) await addPage(app, options.pageDirectory);

  return {
    app,
    listen: async ({ host, port }) => {
      await app.listen({ host, port });
      return (app.server.address() as AddressInfo).port;
    },
    close: graceMs => closeWithin(app, closing, graceMs),
  };
}

/** Without the query, which may hold what is nobody's business. */
function pathOf(request: FastifyRequest): string {
  return (request.url.split('?', 1)[0] ?? '').slice(0, 200);
}

function describe(request: FastifyRequest): Record<string, unknown> {
  return { method: request.method, path: pathOf(request), peer: request.socket.remoteAddress };
}

async function closeWithin(app: FastifyInstance, closing: AbortController, graceMs: number): Promise<void> {
  closing.abort();
  const server: Server = app.server;
  const cut = setTimeout(() => {
    server.closeAllConnections();
  }, graceMs);
  try {
    await app.close();
  } finally {
    clearTimeout(cut);
  }
}
