/**
 * The systems that `reconnect-storm` compares: a server with one room, in which every broadcast reaches everybody, and
 * whoever comes back is given what it missed. Each is as its own documentation would have it.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server as SocketIoServer } from 'socket.io';
import { WebSocketServer, type WebSocket } from 'ws';
import { startServer } from '../../src/cli/server.ts';
import { loadConfig } from '../../src/config/config.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';

export type StormSystemName = 'verbatim' | 'ws' | 'socket-io';

export interface StormSystem {
  readonly port: number;
  /** Undefined where broadcasts come in by the system's own protocol. */
  readonly broadcast?: (text: string) => void;
  /** In order, as at SIGTERM. */
  close(): Promise<void>;
}

/** A first `serve` listens there, and again after a restart. `folder` is Verbatim's alone. */
export interface StormOptions {
  readonly port: number;
  readonly folder: string;
  readonly secret: string;
}

export const STORM_SYSTEMS: Record<StormSystemName, (options: StormOptions) => Promise<StormSystem>> = {
  verbatim,
  ws,
  'socket-io': socketIo,
};

const RECOVERY_MS = 120_000;
const GRACE_MS = 10_000;

/** The whole product, durable, on embedded storage. */
async function verbatim({ port, folder, secret }: StormOptions): Promise<StormSystem> {
  const environment = {
    DATA_DIR: folder,
    HTTP_PORT: '0',
    HOST: '127.0.0.1',
    GATEWAY_PORT: String(port),
    JWT_SECRET: secret,
    // One connection publishes into all rooms.
    ...{ SENDS_PER_SECOND_MAX: '100000', COMMANDS_PER_SOCKET_MAX: '10000' },
  };
  const { config } = loadConfig({ environment });
  const server = await startServer({ config, logger: silentLogger, onLost: () => process.exit(1) });
  return { port, close: () => server.close(GRACE_MS) };
}

/** Every message in memory; a client says where it was, and is sent the rest. */
async function ws({ port }: StormOptions): Promise<StormSystem> {
  const http = createServer();
  const server = new WebSocketServer({ server: http, perMessageDeflate: false });
  const messages: string[] = [];
  const room = new Set<WebSocket>();
  server.on('connection', socket => {
    socket.on('message', (data: Buffer) => {
      const { after } = JSON.parse(data.toString('utf8')) as { after: number };
      for (const message of messages.slice(after + 1)) socket.send(message);
      room.add(socket);
    });
    socket.on('close', () => room.delete(socket));
    socket.on('error', () => undefined);
  });
  await listenOn(http, port);
  return {
    port: (http.address() as AddressInfo).port,
    broadcast: text => {
      const message = JSON.stringify({ seq: messages.length, text });
      messages.push(message);
      for (const socket of room) socket.send(message);
    },
    close: async () => {
      server.close();
      http.close();
    },
  };
}

async function socketIo({ port }: StormOptions): Promise<StormSystem> {
  const http = createServer();
  const server = new SocketIoServer(http, {
    transports: ['websocket'],
    serveClient: false,
    connectionStateRecovery: { maxDisconnectionDuration: RECOVERY_MS, skipMiddlewares: true },
  });
  server.on('connection', socket => {
    if (!socket.recovered) void socket.join('room');
  });
  await listenOn(http, port);
  let seq = 0;
  return {
    port: (http.address() as AddressInfo).port,
    broadcast: text => {
      server.to('room').emit('event', { seq: seq++, text });
    },
    close: () => server.close(),
  };
}

async function listenOn(http: ReturnType<typeof createServer>, port: number): Promise<void> {
  await new Promise<void>(resolve => http.listen({ port, host: '127.0.0.1', backlog: 4_096 }, resolve));
}
