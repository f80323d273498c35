/**
 * The socket port on uWebSockets. Its native sockets crash the process when they are used after their close event, so
 * each is held by an object that forgets it then. The queue's bound is kept here, before each send; `maxBackpressure`
 * stands above it, because uWebSockets looks at what is queued without the frame that comes.
 */
import { STATUS_CODES } from 'node:http';
import type * as Uws from 'uWebSockets.js';
import {
  answeredProtocol,
  CONNECTIONS_WAITING_MAX,
  offeredProtocols,
  plainAnswer,
  PortTakenError,
  UnsupportedNodeError,
  type ListenSockets,
  type SendResult,
  type Socket,
  type SocketHandlers,
  type SocketServer,
  type SocketServerOptions,
  type Upgrade,
} from './sockets.ts';

/** The gateway has its own heartbeat; this only frees sockets that were ended and never drained. */
const IDLE_TIMEOUT_S = 120;
/** Room for the one frame that may go above the bound, and for what is corked. */
const BACKPRESSURE_SLACK_BYTES = 4_194_304;
/** What uSockets lets wait to be accepted on one listening socket; it cannot be told otherwise. */
const LISTENER_WAITING_MAX = 512;
/** Of `listen`: others may share the port. */
const LISTEN_SHARED = 0;
const SEND_RESULTS: readonly SendResult[] = ['queued', 'sent', 'dropped'];

interface UserData {
  /** Until the socket is open: it holds the token, and is as large as all the rest. */
  upgrade: Upgrade | undefined;
  socket: UwsSocket | undefined;
  handlers: SocketHandlers | undefined;
}

class UwsSocket implements Socket {
  private native: Uws.WebSocket<UserData> | undefined;
  private readonly queueBytesMax: number;
  closedWith: number | undefined;
  /** False only when nothing can be queued; spares the usual send a look at the native queue. */
  private mayBeQueued = false;

  constructor(native: Uws.WebSocket<UserData>, queueBytesMax: number) {
    this.native = native;
    this.queueBytesMax = queueBytesMax;
  }

  send(frame: string | Uint8Array): SendResult {
    if (!this.native) return 'dropped';
    if (this.mayBeQueued) {
      const queued = this.native.getBufferedAmount();
      this.mayBeQueued = queued > 0;
      if (queued > 0 && queued + Buffer.byteLength(frame) > this.queueBytesMax) return 'dropped';
    }
    const result = SEND_RESULTS[this.native.send(frame, false)] ?? 'dropped';
    if (result === 'queued') this.mayBeQueued = true;
    return result;
  }

  queuedBytes(): number {
    return this.native?.getBufferedAmount() ?? 0;
  }

  ping(): void {
    this.native?.ping();
  }

  /** Flushes what is queued, but for an end within `open` itself, which loses it; nothing is sent there before an end. */
  end(code: number, reason: string): void {
    this.native?.end(code, reason);
  }

  terminate(): void {
    this.native?.close();
  }

  /** From the close event on, which `end` and `close` raise before they return. */
  forget(code: number): void {
    this.native = undefined;
    this.closedWith = code;
  }
}

function text(buffer: ArrayBuffer): string {
  return Buffer.from(buffer).toString('utf8');
}

/** Undefined: it runs here. Otherwise why it does not. */
export async function whyNoUWebSockets(): Promise<string | undefined> {
  try {
    await import('uWebSockets.js');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** @throws PortTakenError, UnsupportedNodeError */
export const listenUWebSockets: ListenSockets = async options => {
  const uws = await import('uWebSockets.js').catch(() => {
    throw new UnsupportedNodeError();
  });
  const app = uws.App();
  const { frameBytesMax, messageBytesMax, queueBytesMax, path, protocol } = options;
  app.ws<UserData>(path, {
    maxPayloadLength: messageBytesMax,
    maxBackpressure: queueBytesMax + BACKPRESSURE_SLACK_BYTES,
    closeOnBackpressureLimit: false,
    idleTimeout: IDLE_TIMEOUT_S,
    sendPingsAutomatically: false,
    upgrade: (res, req, context) => {
      const protocols = offeredProtocols(req.getHeader('sec-websocket-protocol'));
      const upgrade: Upgrade = {
        path: req.getUrl(),
        protocols,
        authorization: req.getHeader('authorization') || undefined,
        origin: req.getHeader('origin') || undefined,
        remoteAddress: text(res.getRemoteAddressAsText()),
        forwardedFor: req.getHeader('x-forwarded-for') || undefined,
      };
      const chosen = answeredProtocol(protocols, protocol) ?? '';
      const extensions = req.getHeader('sec-websocket-extensions');
      const data: UserData = { upgrade, socket: undefined, handlers: undefined };
      res.upgrade<UserData>(data, req.getHeader('sec-websocket-key'), chosen, extensions, context);
    },
    open: ws => {
      const data = ws.getUserData();
      const { upgrade } = data;
      if (upgrade === undefined) return;
      data.upgrade = undefined;
      const socket = (data.socket = new UwsSocket(ws, queueBytesMax));
      const handlers = options.open(socket, upgrade);
      if (socket.closedWith === undefined) data.handlers = handlers;
      else handlers.closed(socket.closedWith);
    },
    message: (ws, message, isBinary) => {
      const { handlers } = ws.getUserData();
      const size = message.byteLength;
      handlers?.message(isBinary || size > frameBytesMax ? undefined : text(message), size);
    },
    drain: ws => {
      ws.getUserData().handlers?.drain();
    },
    pong: ws => {
      ws.getUserData().handlers?.pong();
    },
    close: (ws, code) => {
      const data = ws.getUserData();
      data.socket?.forget(code);
      data.handlers?.closed(code);
    },
  });
  app.any('/*', (res, req) => {
    const { status, body } = plainAnswer(req.getUrl(), path);
    res.writeStatus(`${status} ${STATUS_CODES[status] ?? ''}`).end(body);
  });
  return listening(uws, app, options);
};

type Listen = (
  host: string,
  port: number,
  options: number,
  listening: (socket: Uws.us_listen_socket | false) => void,
) => unknown;

async function listening(
  uws: typeof Uws,
  app: Uws.TemplatedApp,
  { host, port }: SocketServerOptions,
): Promise<SocketServer> {
  const listen = async (at: number, options: number): Promise<Uws.us_listen_socket> => {
    const listener = await new Promise<Uws.us_listen_socket | false>(resolve => {
      (app.listen as unknown as Listen).call(app, host, at, options, resolve);
    });
    if (listener === false) throw new PortTakenError(host, at);
    return listener;
  };
  // Exclusive: by default several processes would share the port in silence. Neither the four arguments nor the
  // constant are in the package's types.
  const { LIBUS_LISTEN_EXCLUSIVE_PORT } = uws as unknown as { readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number };
  const first = await listen(port, LIBUS_LISTEN_EXCLUSIVE_PORT);
  const bound = uws.us_socket_local_port(first);
  let listeners = [first];
  if (process.platform === 'linux') {
    // The kernel spreads connections over all that share a port. Who wants it exclusively, as above, is still refused.
    uws.us_listen_socket_close(first);
    listeners = [];
    while (listeners.length * LISTENER_WAITING_MAX < CONNECTIONS_WAITING_MAX)
      listeners.push(await listen(bound, LISTEN_SHARED));
  }
  const stopAccepting = () => {
    for (const listener of listeners) uws.us_listen_socket_close(listener);
    listeners = [];
  };
  return {
    port: bound,
    stopAccepting,
    close: () => {
      listeners = [];
      app.close();
      return Promise.resolve();
    },
  };
}
