/** A server on an adapter of the socket port, its ends of the sockets with all they were told, and clients of `ws` and bare TCP. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket as TcpSocket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import WebSocket from 'ws';
import type {
  ListenSockets,
  Socket,
  SocketHandlers,
  SocketServer,
  SocketServerOptions,
  Upgrade,
} from '../../src/gateway/sockets.ts';

export const FRAME_BYTES = 1_000;
export const MESSAGE_BYTES = 20_000;
export const QUEUE_BYTES = 1_000_000;
const SOON_MS = 10_000;

/** The server's end of one connection, and all that was told of it. */
class Served implements SocketHandlers {
  readonly socket: Socket;
  readonly upgrade: Upgrade;
  readonly messages: { readonly data: string | undefined; readonly size: number }[] = [];
  readonly closes: number[] = [];
  pongs = 0;
  drains = 0;
  toldAfterTheEnd = 0;
  onMessage: (data: string | undefined) => void = () => undefined;

  constructor(socket: Socket, upgrade: Upgrade) {
    this.socket = socket;
    this.upgrade = upgrade;
  }

  message(data: string | undefined, size: number): void {
    this.told();
    this.messages.push({ data, size });
    this.onMessage(data);
  }

  drain(): void {
    this.told();
    this.drains += 1;
  }

  pong(): void {
    this.told();
    this.pongs += 1;
  }

  closed(code: number): void {
    this.told();
    this.closes.push(code);
  }

  private told(): void {
    if (this.closes.length > 0) this.toldAfterTheEnd += 1;
  }
}

export interface Client {
  readonly socket: WebSocket;
  readonly texts: string[];
  closedWith: number | undefined;
  reason: string | undefined;
  pings: number;
}

export async function soon(holds: () => boolean, what: string): Promise<void> {
  const endsAt = performance.now() + SOON_MS;
  while (!holds()) {
    if (performance.now() > endsAt) throw new Error(`It took more than ${SOON_MS} ms: ${what}.`);
    await turn();
  }
}

export class SocketsHarness {
  readonly served: Served[] = [];
  readonly servers: SocketServer[] = [];
  private readonly listen: ListenSockets;
  private readonly clients: WebSocket[] = [];
  private readonly raw: TcpSocket[] = [];

  constructor(listen: ListenSockets) {
    this.listen = listen;
  }

  async close(): Promise<void> {
    for (const client of this.clients.splice(0)) client.terminate();
    for (const tcp of this.raw.splice(0)) tcp.destroy();
    for (const server of this.servers.splice(0)) await server.close();
    this.served.length = 0;
  }

  async serve(more: Partial<SocketServerOptions> = {}): Promise<SocketServer> {
    const server = await this.listen({
      ...{ host: '127.0.0.1', port: 0, path: '/v1/socket', protocol: 'verbatim.v1' },
      ...{ frameBytesMax: FRAME_BYTES, messageBytesMax: MESSAGE_BYTES, queueBytesMax: QUEUE_BYTES },
      open: (socket, upgrade) => this.end(socket, upgrade),
      ...more,
    });
    this.servers.push(server);
    return server;
  }

  end(socket: Socket, upgrade: Upgrade): Served {
    const end = new Served(socket, upgrade);
    this.served.push(end);
    return end;
  }

  dial(server: SocketServer, protocols = ['verbatim.v1'], headers: Record<string, string> = {}): Client {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/v1/socket?x=1`, protocols, { headers });
    this.clients.push(socket);
    const client: Client = { socket, texts: [], closedWith: undefined, reason: undefined, pings: 0 };
    socket.on('message', (data: Buffer) => client.texts.push(data.toString('utf8')));
    socket.on('ping', () => (client.pings += 1));
    socket.on('close', (code, reason) => {
      client.closedWith = code;
      client.reason = reason.toString('utf8');
    });
    socket.on('error', () => undefined);
    return client;
  }

  async pair(): Promise<{ client: Client; end: Served; server: SocketServer }> {
    const before = this.served.length;
    const server = await this.serve();
    const client = this.dial(server);
    await soon(() => this.served.length > before && client.socket.readyState === WebSocket.OPEN, 'the upgrade');
    const end = this.served[before];
    if (!end) throw new Error('No socket was opened.');
    return { client, end, server };
  }

  /** A client that shakes hands and then reads nothing. */
  async stalled(): Promise<{ client: Client; end: Served; server: SocketServer }> {
    const both = await this.pair();
    both.client.socket.pause();
    return both;
  }

  async tcp(server: SocketServer): Promise<TcpSocket> {
    const socket = connectTcp({ host: '127.0.0.1', port: server.port });
    this.raw.push(socket);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }
}
