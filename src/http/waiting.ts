/**
 * What stands on the HTTP port while the event store is waited for: the process is alive, and everything else is answered
 * with 503 and the reason. The real server takes its place once there is something to serve.
 */
import { createServer } from 'node:http';
import { UnavailableError } from '../errors.ts';
import { PROBLEM_TYPE, problemOf } from './problems.ts';

export interface WaitingServer {
  close(): Promise<void>;
}

/** @throws the system's error where it cannot listen */
export async function startWaitingServer(
  address: { readonly host: string; readonly port: number },
  reason: () => string,
): Promise<WaitingServer> {
  const server = createServer((request, response) => {
    const isLive = request.method === 'GET' && request.url === '/health/live';
    const body = isLive ? { status: 'live' } : problemOf(new UnavailableError(reason()));
    const type = isLive ? 'application/json; charset=utf-8' : PROBLEM_TYPE;
    // No connection is kept: the next request is for the server that comes after this one.
    response.writeHead(isLive ? 200 : 503, { 'content-type': type, 'cache-control': 'no-store', connection: 'close' });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, resolve);
  });
  return {
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
