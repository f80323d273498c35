/** The socket port: what the gateway needs of a WebSocket server. Adapters sort beside it; tests use a pair flushed by hand. */

/** What came with the upgrade, headers lower-case. */
export interface Upgrade {
  readonly path: string;
  /** As offered in `Sec-WebSocket-Protocol`, in order. */
  readonly protocols: readonly string[];
  readonly authorization: string | undefined;
  readonly origin: string | undefined;
  /** Address of the peer, for logs and limits. */
  readonly remoteAddress: string;
  /** `X-Forwarded-For`, as proxies (and anybody) write it. */
  readonly forwardedFor?: string | undefined;
}

/**
 * `sent`: all of it went to the kernel. `queued`: accepted, some of it waits, and `drain` will come. `dropped`: not
 * accepted, nothing was written, and nothing of later frames may be taken for granted either.
 */
export type SendResult = 'sent' | 'queued' | 'dropped';

export interface Socket {
  /** One text frame. Bytes are UTF-8, and may be sent to many sockets: an adapter never writes to them. */
  send(frame: string | Uint8Array): SendResult;
  /** Bytes accepted by `send` and not yet handed to the kernel. */
  queuedBytes(): number;
  ping(): void;
  /** Flushes what is queued, then closes with a code of docs/protocol.md; `closed` is called at once. A second call changes nothing. */
  end(code: number, reason: string): void;
  /** Cuts at once; what is queued is lost. */
  terminate(): void;
}

/** What the gateway gives for each socket. None of these may throw: an adapter lets it end the process. */
export interface SocketHandlers {
  /** `size`: bytes on the wire. `data` is undefined for a binary or an oversize message, which is never parsed. */
  message(data: string | undefined, size: number): void;
  /** The queue shrank after it had been non-empty. */
  drain(): void;
  pong(): void;
  /** The last call of all, once, also after `end` and `terminate`; where the socket ends within `open`, after that. */
  closed(code: number): void;
}

export interface SocketServer {
  readonly port: number;
  /** Stops accepting; open sockets stay. */
  stopAccepting(): void;
  /** Cuts what is still open. */
  close(): Promise<void>;
}

export interface SocketServerOptions {
  readonly host: string;
  readonly port: number;
  /** Where upgrades are taken; anything else is answered 404. */
  readonly path: string;
  /** Answered when a client offers it; else the first it offers, so that a browser completes the upgrade and can read why it is closed. */
  readonly protocol: string;
  /** A message above it is not parsed but answered (`too-large`). */
  readonly frameBytesMax: number;
  /** A message above it ends the socket. */
  readonly messageBytesMax: number;
  /** Bound of one socket's queue: what would go over it is `dropped`, but for a frame into an empty queue. */
  readonly queueBytesMax: number;
  /** Called once a socket is open. */
  open(socket: Socket, upgrade: Upgrade): SocketHandlers;
}

/**
 * Connections that may wait to be accepted: after a cut all clients come back in one moment, and whoever finds no room
 * tries again only after a second. The kernel may allow fewer (`net.core.somaxconn`).
 */
export const CONNECTIONS_WAITING_MAX = 4_096;

/** Nothing can listen there. */
export class PortTakenError extends Error {
  override readonly name = 'PortTakenError';
  readonly host: string;
  readonly port: number;
  constructor(host: string, port: number) {
    super(`Nothing can listen on ${host} port ${port}: it is taken, or may not be used.`);
    this.host = host;
    this.port = port;
  }
}

/** The WebSocket server that was asked for has no binary for this Node or this machine. */
export class UnsupportedNodeError extends Error {
  override readonly name = 'UnsupportedNodeError';
  constructor() {
    const here = `Node ${process.versions.node} on ${process.platform} ${process.arch}`;
    super(
      `uWebSockets has no binary for ${here}: leave SOCKETS at auto, or put one in place (docs/operators/running.md).`,
    );
  }
}

/** @throws PortTakenError, UnsupportedNodeError */
export type ListenSockets = (options: SocketServerOptions) => Promise<SocketServer>;

/** Of a `Sec-WebSocket-Protocol` header. */
export function offeredProtocols(header: string): string[] {
  return header
    .split(',')
    .map(protocol => protocol.trim())
    .filter(protocol => protocol !== '');
}

/** What is answered to an offer, as `SocketServerOptions.protocol` says. */
export function answeredProtocol(offered: readonly string[], protocol: string): string | undefined {
  return offered.includes(protocol) ? protocol : offered[0];
}

/** The answer to a request that is no upgrade. */
export function plainAnswer(path: string, socketPath: string): { readonly status: number; readonly body: string } {
  return path === socketPath
    ? { status: 426, body: 'A WebSocket upgrade is wanted here.' }
    : { status: 404, body: 'Not found.' };
}
