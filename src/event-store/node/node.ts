/**
 * The embedded log served in EventStoreDB's own protocol: one port on which gRPC (HTTP/2) and a few paths of plain HTTP
 * are told apart by a connection's first bytes, or under TLS by what the client negotiated.
 */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { Access } from './access.ts';
import type { Credentials } from './access.ts';
import { createHttpRoutes } from './http-routes.ts';
import { InFlightGate } from './in-flight-gate.ts';
import { createServices } from './services.ts';
import type { EventStore } from '../event-store.ts';

const CONNECTIONS_MAX = 10_000;
/** A connection that says nothing, or is not through with its TLS handshake, is closed after so long. */
const FIRST_BYTES_TIMEOUT_MS = 10_000;
const HTTP2_PREFACE = Buffer.from('PRI ');
const CLOSE_GRACE_MS = 5_000;

export interface NodeOptions {
  readonly store: EventStore;
  /** Default: loopback. */
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
  /** Whoever calls must name them; absent: everybody may. */
  readonly credentials?: Credentials | undefined;
  /** Certificate chain and key in PEM; absent: plain text. */
  readonly tls?: { readonly certificate: string; readonly key: string } | undefined;
  /** Told of an error that no request explains. */
  readonly onError?: (error: unknown) => void;
}

export interface RunningNode {
  readonly port: number;
  /** Ends subscriptions, lets other calls finish for `graceMs` (default 5 s), and leaves the store open. */
  close(graceMs?: number): Promise<void>;
}

/** @throws the system's error where it cannot listen */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { store, host = '127.0.0.1' } = options;
  const closing = new AbortController();
  // Every subscription listens to it, however many there are.
  setMaxListeners(0, closing.signal);
  let port = options.port;
  const endPointFor = (authority: string): { address: string; port: number } =>
    parseAuthority(authority) ?? { address: host, port };
  const grpc = createServices({
    store,
    gate: new InFlightGate(),
    access: new Access(options.credentials),
    closing: closing.signal,
    onError: options.onError ?? (() => undefined),
    instance: { id: randomUUID(), endPointFor },
  });
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const http = createHttpRoutes(endPointFor);
  const sockets = new Set<Socket>();
  const take = (socket: Socket, isHttp2: boolean): void => {
    if (isHttp2) injector.injectConnection(socket);
    else {
      http.emit('connection', socket);
      socket.resume();
    }
  };
  const listener = createListener(options, sockets, take);
  port = await listen(listener, host, port);
  return {
    port,
    close: async (graceMs = CLOSE_GRACE_MS) => {
      if (closing.signal.aborted) return;
      const closed = new Promise<void>(resolve => listener.close(() => resolve()));
      closing.abort();
      http.close();
      injector.drain(graceMs);
      const overdue = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await closed;
      clearTimeout(overdue);
      injector.destroy();
      grpc.forceShutdown();
    },
  };
}

function createListener(
  { tls }: NodeOptions,
  sockets: Set<Socket>,
  take: (socket: Socket, isHttp2: boolean) => void,
): Server {
  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // A connection that breaks ends its calls; there is nobody else to tell.
    socket.on('error', () => undefined);
  };
  if (tls === undefined) {
    const listener = createTcpServer({ noDelay: true, pauseOnConnect: false }, socket => {
      track(socket);
      tellProtocol(socket, take);
    });
    listener.maxConnections = CONNECTIONS_MAX;
    return listener;
  }
  const listener = createTlsServer(
    {
      cert: tls.certificate,
      key: tls.key,
      ALPNProtocols: ['h2', 'http/1.1'],
      handshakeTimeout: FIRST_BYTES_TIMEOUT_MS,
      noDelay: true,
    },
    (socket: TLSSocket) => {
      track(socket);
      take(socket, socket.alpnProtocol === 'h2');
    },
  );
  listener.maxConnections = CONNECTIONS_MAX;
  return listener;
}

/** HTTP/2 without TLS begins with a preface that is no request of HTTP/1.1. */
function tellProtocol(socket: Socket, take: (socket: Socket, isHttp2: boolean) => void): void {
  const silent = setTimeout(() => socket.destroy(), FIRST_BYTES_TIMEOUT_MS);
  socket.once('close', () => {
    clearTimeout(silent);
  });
  let held: Buffer = Buffer.alloc(0);
  const look = (bytes: Buffer): void => {
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
    const known = Math.min(held.length, HTTP2_PREFACE.length);
    const isPreface = held.subarray(0, known).equals(HTTP2_PREFACE.subarray(0, known));
    if (isPreface && known < HTTP2_PREFACE.length) return;
    clearTimeout(silent);
    socket.off('data', look);
    socket.pause();
    socket.unshift(held);
    take(socket, isPreface);
  };
  socket.on('data', look);
}

function listen(listener: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    listener.once('error', reject);
    listener.listen({ host, port }, () => {
      listener.off('error', reject);
      resolve((listener.address() as AddressInfo).port);
    });
  });
}

/** Where a client reached this node, as it names it: `host:port`. */
function parseAuthority(authority: string): { address: string; port: number } | undefined {
  const url = URL.canParse(`http://${authority}`) ? new URL(`http://${authority}`) : undefined;
  if (url === undefined || url.hostname === '' || url.port === '') return undefined;
  return { address: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) };
}
