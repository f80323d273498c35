/**
 * The socket port on uWebSockets. Its native sockets crash the process when they are used after their close event, so
 * each is held by an object that forgets it then. The queue's bound is kept by the caller, who looks at `queuedBytes`
 * before each send; `maxBackpressure` stands above it and only tells when that failed, because a frame it drops is
 * dropped in silence and later ones are sent.
 */
import type * as Uws from 'uWebSockets.js';
import {
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
/** uWebSockets looks at what is queued before a send, not after it: room for the frames in between. */
const BACKPRESSURE_SLACK_BYTES = 4_194_304;
const SEND_RESULTS: readonly SendResult[] = ['queued', 'sent', 'dropped'];

interface UserData {
  readonly upgrade: Upgrade;
  socket?: UwsSocket;
  handlers?: SocketHandlers;
}

class UwsSocket implements Socket {
  private native: Uws.WebSocket<UserData> | undefined;

  constructor(native: Uws.WebSocket<UserData>) {
    this.native = native;
  }

  send(frame: string | Uint8Array): SendResult {
    if (!this.native) return 'dropped';
    return SEND_RESULTS[this.native.send(frame, false)] ?? 'dropped';
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
  forget(): void {
    this.native = undefined;
  }
}

function text(buffer: ArrayBuffer): string {
  return Buffer.from(buffer).toString('utf8');
}

function offered(header: string): string[] {
  return header
    .split(',')
    .map(protocol => protocol.trim())
    .filter(protocol => protocol !== '');
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
      const protocols = offered(req.getHeader('sec-websocket-protocol'));
      const upgrade: Upgrade = {
        path: req.getUrl(),
        protocols,
        authorization: req.getHeader('authorization') || undefined,
        origin: req.getHeader('origin') || undefined,
        remoteAddress: text(res.getRemoteAddressAsText()),
      };
      const chosen = protocols.includes(protocol) ? protocol : (protocols[0] ?? '');
      const extensions = req.getHeader('sec-websocket-extensions');
      res.upgrade<UserData>({ upgrade }, req.getHeader('sec-websocket-key'), chosen, extensions, context);
    },
    open: ws => {
      const data = ws.getUserData();
      data.socket = new UwsSocket(ws);
      data.handlers = options.open(data.socket, data.upgrade);
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
      data.socket?.forget();
      data.handlers?.closed(code);
    },
  });
  app.any('/*', (res, req) => {
    const [status, body] =
      req.getUrl() === path
        ? ['426 Upgrade Required', 'A WebSocket upgrade is wanted here.']
        : ['404 Not Found', 'Not found.'];
    res.writeStatus(status).end(body);
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
  // Exclusive: by default several processes would share the port in silence. Neither the four arguments nor the
  // constant are in the package's types.
  const { LIBUS_LISTEN_EXCLUSIVE_PORT } = uws as unknown as { readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number };
  const listenSocket = await new Promise<Uws.us_listen_socket | false>(resolve => {
    (app.listen as unknown as Listen).call(app, host, port, LIBUS_LISTEN_EXCLUSIVE_PORT, resolve);
  });
  if (listenSocket === false) throw new PortTakenError(host, port);
  let accepting = true;
  const stopAccepting = () => {
    if (accepting) uws.us_listen_socket_close(listenSocket);
    accepting = false;
  };
  return {
    port: uws.us_socket_local_port(listenSocket),
    stopAccepting,
    close: () => {
      accepting = false;
      app.close();
      return Promise.resolve();
    },
  };
}
