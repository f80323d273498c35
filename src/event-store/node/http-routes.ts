/** The few paths of plain HTTP/1.1 that clients, load balancers and people look at on the node's port. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { SERVED_VERSION } from './cluster-responses.ts';

/** A request that has not come whole is answered 408; looked at twice in that time. */
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;

/** Listens nowhere: connections are handed to it. To be closed. */
export function createHttpRoutes(
  endPointFor: (authority: string) => { address: string; port: number },
  { requestTimeoutMs = REQUEST_TIMEOUT_MS }: { readonly requestTimeoutMs?: number } = {},
): Server {
  const server = createServer(
    {
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: requestTimeoutMs / 2,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    },
    (request, response) => {
      const { address, port } = endPointFor(request.headers.host ?? '');
      answer(request, response, { address, port });
    },
  );
  // Node keeps the timeouts of a server, and closes its idle connections, only from here on; this one never listens.
  server.emit('listening');
  return server;
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  endPoint: { readonly address: string; readonly port: number },
): void {
  request.resume();
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const body = ROUTES[path]?.(endPoint);
  if (body === undefined) respond(response, 404, { error: `${path} is not served here; the log is served over gRPC.` });
  else if (!isRead) respond(response, 405, { error: 'Only GET is allowed.' });
  else respond(response, path === '/health/live' ? 204 : 200, body);
}

const ROUTES: Readonly<Record<string, (endPoint: { address: string; port: number }) => object>> = {
  '/ping': () => ({ text: 'Ping request successfully handled' }),
  '/info': () => ({
    dbVersion: SERVED_VERSION,
    esVersion: SERVED_VERSION,
    state: 'leader',
    features: { projections: false, userManagement: false, atomPub: false },
  }),
  '/gossip': ({ address, port }) => ({
    members: [{ state: 'Leader', isAlive: true, httpEndPointIp: address, httpEndPointPort: port }],
  }),
  '/health/live': () => ({}),
};

function respond(response: ServerResponse, statusCode: number, body: object): void {
  const text = statusCode === 204 ? '' : JSON.stringify(body);
  response.writeHead(statusCode, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
