/**
 * The HTTP server. Routes stand in files of their own; here is what holds for all of them: problem details, headers,
 * schemas, traces, bounds, the access log, and closing.
 */
import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import fastify from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import type { ExportConversations } from '../audit/export.ts';
import type { VerifyToken } from '../auth/tokens.ts';
import type { ApiKeys } from '../commands/api-keys.ts';
import type { Erasure } from '../commands/erasure.ts';
import type { ConversationCommands } from '../commands/commands.ts';
import type { Clock } from '../domain/clock.ts';
import { RequestError } from '../errors.ts';
import type { Strangers } from '../gateway/strangers.ts';
import type { ProjectionWork } from '../projections/projector.ts';
import type { ReadModels } from '../projections/read-models.ts';
import type { Logger } from '../telemetry/logger.ts';
import { addApiKeyRoutes } from './api-key-routes.ts';
import { createAuthentication, whenceOf } from './authentication.ts';
import { addCommandRoutes } from './command-routes.ts';
import { addConversationRoutes } from './conversation-routes.ts';
import type { ConversationRouteOptions } from './conversation-routes.ts';
import { addErasureRoutes } from './erasure-routes.ts';
import { addExportRoute } from './exports.ts';
import { FailureLog } from './failure-log.ts';
import { addHealthRoutes } from './health.ts';
import { addLogRoutes } from './log-routes.ts';
import type { LogRouteOptions } from './log-routes.ts';
import { addImportRoute } from './imports.ts';
import type { RunImport } from './imports.ts';
import { watchMethods } from './methods.ts';
import { addMetricsRoute } from './metrics-route.ts';
import type { MetricsRouteOptions } from './metrics-route.ts';
import { addDocumentRoutes, addOpenApi } from './openapi.ts';
import { addPageTokenRoutes } from './page-tokens.ts';
import type { PageTokens } from './page-tokens.ts';
import { addHeaders, addPage } from './page.ts';
import { problemOf, sendProblem } from './problems.ts';
import { addProjectionRoutes } from './projection-routes.ts';
import { addQueryRoutes } from './query-routes.ts';
import { RateLimits } from './rate-limits.ts';
import type { RateLimitBounds } from './rate-limits.ts';
import { addTraceContext } from './trace-context.ts';

export interface HttpLimits extends RateLimitBounds {
  /** Of a request other than an import. */
  readonly bodyBytes: number;
  /** A connection on which nothing moves for so long is closed. */
  readonly idleTimeoutMs: number;
  readonly importsAtOnce: number;
}

export interface HttpServerOptions {
  readonly verifyToken: VerifyToken;
  readonly commands: ConversationCommands;
  readonly rooms: ConversationRouteOptions['rooms'];
  readonly apiKeys: ApiKeys;
  readonly eraseSubject: Erasure['eraseSubject'];
  readonly runImport: RunImport;
  readonly exportConversations: ExportConversations;
  readonly upkeep: LogRouteOptions['upkeep'];
  readonly isOperator: LogRouteOptions['isOperator'];
  /** What queries are answered from. */
  readonly readModels: ReadModels;
  readonly projections: ProjectionWork;
  readonly metrics: MetricsRouteOptions;
  /** The log's own id. */
  readonly log: string;
  readonly clock: Clock;
  readonly limits: HttpLimits;
  /** Counts requests without valid credentials, by address. Default: nobody does. */
  readonly strangers?: Pick<Strangers, 'admit'>;
  readonly logger: Logger;
  /** Why no work is taken now; undefined while it is. */
  readonly notReady: () => string | undefined;
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
  stats(): { readonly requestsRefused: number };
  /** Gives the port, which differs from the asked one where that is 0. @throws the system's error, EADDRINUSE among them */
  listen(address: { readonly host: string; readonly port: number }): Promise<number>;
  /** Stops accepting, ends imports at the line they are at, waits for answers under way, and cuts the rest after `graceMs`. */
  close(graceMs: number): Promise<void>;
  /** For tests. */
  readonly app: FastifyInstance;
}

/** Longer than any id, a person's among them, percent-encoded or not. */
const PATH_PARAMETER_UNITS_MAX = 1_800;

/** Named when fastify is made, or the start would load the compilers of its own; its types know of none but those. */
const COMPILERS = {
  buildValidator: () => validatorCompiler,
  buildSerializer: () => serializerCompiler,
} as unknown as NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>;

export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { logger, limits } = options;
  const closing = new AbortController();
  const failures = new FailureLog(logger, options.clock);
  const fail = (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const told = problemOf(error);
    if (told.status === 503) failures.unavailable(told.detail, { ...describe(request), error });
    else if (told.status >= 500) failures.failed({ ...describe(request), error });
    return sendProblem(reply, told);
  };
  const app = fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    connectionTimeout: limits.idleTimeoutMs,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: PATH_PARAMETER_UNITS_MAX },
    schemaController: { compilersFactory: COMPILERS },
    frameworkErrors: (error, request, reply) => {
      void fail(error, request, reply);
    },
    clientErrorHandler: refuseNonsense,
  });
  addJsonParser(app);
  const methodsOf = watchMethods(app);
  const refuse = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const what = `There is no ${request.method} ${pathOf(request)}.`;
    const methods = methodsOf(pathOf(request));
    if (methods.length === 0) return sendProblem(reply, problemOf(new RequestError('not-found', what)));
    void reply.header('allow', methods.join(', '));
    return sendProblem(reply, problemOf(new RequestError('method-not-allowed', what)));
  };
  app.setNotFoundHandler(refuse);
  // What is wrong with the rest of a request is of no interest where there is nothing to ask.
  app.setErrorHandler((error, request, reply) =>
    request.is404 ? refuse(request, reply) : fail(error, request, reply),
  );
  app.addHook('onResponse', async (request, reply) => {
    const level = reply.statusCode >= 500 ? 'warn' : request.method === 'GET' ? 'debug' : 'info';
    const ms = Math.round(reply.elapsedTime);
    const { traceparent } = request;
    logger[level]('request', { ...describe(request), status: reply.statusCode, ms, traceparent });
  });

  addTraceContext(app);
  const { strangers } = options;
  app.addHook('onRequest', async request => {
    // A probe is answered whatever else its address asks.
    if (request.headers.authorization === undefined && !pathOf(request).startsWith('/health'))
      strangers?.admit(whenceOf(request));
  });
  await addHeaders(app, options);
  await addOpenApi(app);
  const rateLimits = new RateLimits(limits, options.clock);
  addRoutes(app, options, rateLimits, closing.signal);
  await addDocumentRoutes(app, options);
  if (options.pageDirectory !== undefined) await addPage(app, options.pageDirectory);

  return {
    app,
    stats: () => ({ requestsRefused: rateLimits.stats().refused }),
    listen: async ({ host, port }) => {
      await app.listen({ host, port });
      return (app.server.address() as AddressInfo).port;
    },
    close: graceMs => closeWithin(app, closing, graceMs),
  };
}

function addRoutes(
  app: FastifyInstance,
  options: HttpServerOptions,
  rateLimits: RateLimits,
  closing: AbortSignal,
): void {
  const authenticate = createAuthentication(options.verifyToken, rateLimits, options.strangers);
  const secured = { ...options, authenticate };
  addCommandRoutes(app, secured);
  addConversationRoutes(app, secured);
  addQueryRoutes(app, { ...secured, closing });
  addApiKeyRoutes(app, secured);
  addErasureRoutes(app, secured);
  addImportRoute(app, { ...secured, closing });
  addExportRoute(app, { ...secured, closing });
  addLogRoutes(app, { ...secured, closing });
  addProjectionRoutes(app, { ...secured, closing });
  addHealthRoutes(app, options);
  addMetricsRoute(app, options.metrics);
  if (options.pageTokens) addPageTokenRoutes(app, options.pageTokens, options.gatewayUrl);
}

function addJsonParser(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    // Clients that always name the type also do so where they have nothing to say.
    if (body === '') done(null, undefined);
    else void parseJson(request, body as string, done);
  });
}

function refuseNonsense(error: Error, socket: Socket): void {
  if (!socket.writable) return;
  const body = JSON.stringify(problemOf(new RequestError('bad-request', 'This is no HTTP request.', { cause: error })));
  const head = [
    'HTTP/1.1 400 Bad Request',
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
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
