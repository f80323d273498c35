/**
 * The socket port on `ws`, for machines where uWebSockets has no binary. `ws` shakes hands and reads; frames are written
 * here, straight to the TCP socket: a server's frames are not masked, so one that goes to many sockets is framed once,
 * and each costs one write. `ws` writes only control frames beside them, each whole.
 */
import { createServer, STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket as TcpSocket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import {
  answeredProtocol,
  CONNECTIONS_WAITING_MAX,
  offeredProtocols,
  plainAnswer,
  PortTakenError,
  type ListenSockets,
  type SendResult,
  type Socket,
  type SocketHandlers,
  type SocketServer,
  type SocketServerOptions,
  type Upgrade,
} from './sockets.ts';

/** A socket that was ended may take so long to read what is queued and to answer the close frame; then it is cut. */
const END_TIMEOUT_MS = 30_000;
/** For a connection to say what it wants. */
const REQUEST_TIMEOUT_MS = 10_000;
/** RFC 6455, 7.4.1: a close frame without a code, and none. */
const CLOSED_WITHOUT_CODE = 1005;
const CLOSED_ABNORMALLY = 1006;

/**
 * `ws` says what happens by `emit`; taken there, an idle socket costs no table of listeners. Where `ws` itself finds a
 * frame that breaks the protocol it is kept from closing with a code of its own: the client is cut, and comes back.
 */
class Peer extends WebSocket {
  socket: WsSocket | undefined;

  override emit(event: string | symbol, ...values: readonly unknown[]): boolean {
    const { socket } = this;
    // `binaryType` is left at `nodebuffer`, so that a message is one buffer.
    if (event === 'message') socket?.received(values[0] as Buffer, values[1] === true);
    else if (event === 'pong') socket?.handlers?.pong();
    else if (event === 'close') socket?.closed(values[0] as number);
    return true;
  }

  /** Called for the client's close frame too, and for frames that break the protocol. */
  override close(code?: number, reason?: string | Buffer): void {
    const { socket } = this;
    if (socket?.closedWith === undefined && isProtocolError(code)) {
      this.terminate();
      return;
    }
    super.close(code, reason);
    socket?.closed(code ?? CLOSED_WITHOUT_CODE);
  }
}

/** What `ws` closes with by itself: 1002, 1007, 1008, 1009. A client's own code of these is as good a reason to cut. */
function isProtocolError(code: number | undefined): boolean {
  return code === 1002 || (code !== undefined && code >= 1007 && code <= 1009);
}

/** Node keeps one write in flight and does not say how much of it the kernel has taken; its handle does. */
interface WritableInternals {
  readonly _writableState?: { readonly writelen?: number };
  readonly _handle?: { readonly writeQueueSize?: number } | null;
}

class WsSocket implements Socket {
  handlers: SocketHandlers | undefined;
  closedWith: number | undefined;
  private readonly peer: Peer;
  private readonly tcp: TcpSocket;
  private readonly options: SocketServerOptions;
  private readonly written: () => void;
  private isQueued = false;

  constructor(peer: Peer, tcp: TcpSocket, options: SocketServerOptions) {
    this.peer = peer;
    this.tcp = tcp;
    this.options = options;
    this.written = () => {
      if (!this.isQueued) return;
      this.isQueued = tcp.writableLength > 0;
      this.handlers?.drain();
    };
  }

  send(frame: string | Uint8Array): SendResult {
    if (this.closedWith !== undefined || this.peer.readyState !== WebSocket.OPEN) return 'dropped';
    if (this.isQueued) {
      const queued = this.queuedBytes();
      if (queued > 0 && queued + Buffer.byteLength(frame) > this.options.queueBytesMax) return 'dropped';
    }
    this.tcp.write(framed(frame), this.written);
    if (this.tcp.writableLength === 0) return 'sent';
    this.isQueued = true;
    return 'queued';
  }

  queuedBytes(): number {
    if (this.closedWith !== undefined) return 0;
    const { writableLength } = this.tcp;
    if (writableLength === 0) return 0;
    const { _writableState, _handle } = this.tcp as unknown as WritableInternals;
    const inFlight = _writableState?.writelen ?? 0;
    return writableLength - inFlight + (_handle?.writeQueueSize ?? inFlight);
  }

  ping(): void {
    if (this.closedWith === undefined) this.peer.ping();
  }

  end(code: number, reason: string): void {
    if (this.closedWith !== undefined) return;
    this.closed(code);
    this.peer.close(code, reason);
  }

  terminate(): void {
    this.peer.terminate();
    this.closed(CLOSED_ABNORMALLY);
  }

  /** Whatever comes first says why; nothing is told afterwards. */
  closed(code: number): void {
    if (this.closedWith !== undefined) return;
    this.closedWith = code;
    const { handlers } = this;
    this.handlers = undefined;
    handlers?.closed(code);
  }

  received(data: Buffer, isBinary: boolean): void {
    const size = data.length;
    this.handlers?.message(isBinary || size > this.options.frameBytesMax ? undefined : data.toString('utf8'), size);
  }
}

/** The last frame that was framed: what a turn brings to a room goes to all its sockets in a row. */
let lastFrame: Uint8Array | undefined;
let lastFramed: Buffer = Buffer.alloc(0);

function framed(frame: string | Uint8Array): Buffer {
  if (typeof frame === 'string') return textFrame(Buffer.from(frame, 'utf8'));
  if (frame !== lastFrame) {
    lastFramed = textFrame(frame);
    lastFrame = frame;
  }
  return lastFramed;
}

/** A whole text frame of a server (RFC 6455, 5.2): not masked, in one piece. */
function textFrame(payload: Uint8Array): Buffer {
  const { length } = payload;
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const bytes = Buffer.allocUnsafe(head + length);
  bytes[0] = 0x81;
  if (head === 2) bytes[1] = length;
  else if (head === 4) {
    bytes[1] = 126;
    bytes.writeUInt16BE(length, 2);
  } else {
    bytes[1] = 127;
    bytes.writeBigUInt64BE(BigInt(length), 2);
  }
  bytes.set(payload, head);
  return bytes;
}

/** The client has gone, or half of it, which no client of this protocol has a use for. */
function onHalfClosed(this: TcpSocket): void {
  this.destroy();
}

/** @throws PortTakenError */
export const listenWs: ListenSockets = async options => {
  const { host, port, path, protocol } = options;
  const http = createServer({ headersTimeout: REQUEST_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS });
  const upgrades = new WebSocketServer({
    ...{ noServer: true, clientTracking: false, perMessageDeflate: false, WebSocket: Peer },
    ...{ maxPayload: options.messageBytesMax, closeTimeout: END_TIMEOUT_MS },
    handleProtocols: offered => answeredProtocol([...offered], protocol) ?? false,
  });
  const open = new Set<TcpSocket>();
  http.on('request', (request, response) => {
    const { status, body } = plainAnswer(pathOf(request), path);
    response.writeHead(status, { 'content-type': 'text/plain' }).end(body);
  });
  http.on('upgrade', (request: IncomingMessage, _duplex: Duplex, head: Buffer) => {
    const tcp = request.socket;
    if (pathOf(request) !== path) {
      refuse(tcp, plainAnswer(pathOf(request), path));
      return;
    }
    upgrades.handleUpgrade(request, tcp, head, peer => {
      open.add(tcp);
      tcp.on('close', () => open.delete(tcp));
      tcp.on('end', onHalfClosed);
      const socket = (peer.socket = new WsSocket(peer, tcp, options));
      const handlers = options.open(socket, upgradeOf(request, path));
      if (socket.closedWith === undefined) socket.handlers = handlers;
      else handlers.closed(socket.closedWith);
    });
  });
  await listening(http, host, port);
  return serverOf(http, open);
};

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? '/';
}

function upgradeOf({ headers, socket }: IncomingMessage, path: string): Upgrade {
  return {
    path,
    protocols: offeredProtocols(headers['sec-websocket-protocol'] ?? ''),
    authorization: headers.authorization || undefined,
    origin: headers.origin || undefined,
    remoteAddress: socket.remoteAddress ?? '',
    forwardedFor: [headers['x-forwarded-for'] ?? []].flat().join(',') || undefined,
  };
}

function refuse(tcp: TcpSocket, { status, body }: { readonly status: number; readonly body: string }): void {
  tcp.on('error', () => tcp.destroy());
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\nContent-Length: ${body.length}`;
  tcp.end(`${head}\r\n\r\n${body}`, () => tcp.destroy());
}

function listening(http: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = () => {
      reject(new PortTakenError(host, port));
    };
    http.once('error', failed);
    http.listen({ host, port, exclusive: true, backlog: CONNECTIONS_WAITING_MAX }, () => {
      http.off('error', failed);
      resolve();
    });
  });
}

function serverOf(http: Server, open: ReadonlySet<TcpSocket>): SocketServer {
  const { port } = http.address() as AddressInfo;
  const ended = new Promise<void>(resolve => http.once('close', resolve));
  return {
    port,
    stopAccepting: () => {
      http.close();
    },
    close: () => {
      http.close();
      http.closeAllConnections();
      for (const tcp of open) tcp.destroy();
      return ended;
    },
  };
}
