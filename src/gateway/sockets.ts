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
}

export interface Socket {
  /** `sent`: handed to the kernel or queued within the bound. `dropped`: not sent and not queued, nothing was written. */
  send(frame: string | Uint8Array): 'sent' | 'dropped';
  /** Bytes accepted by `send` and not yet handed to the kernel. */
  queuedBytes(): number;
  ping(): void;
  /** Flushes what is queued, then closes with a code of docs/protocol.md. */
  end(code: number, reason: string): void;
  /** Cuts at once; what is queued is lost. */
  terminate(): void;
}

/** What the gateway gives for each socket. None of these may throw; a throw is a bug and ends that socket with 4000. */
export interface SocketHandlers {
  /** `size`: bytes on the wire. `data` is undefined for a binary or an oversize message, which is never parsed. */
  message(data: string | undefined, size: number): void;
  /** The queue shrank after it had been non-empty. */
  drain(): void;
  pong(): void;
  closed(code: number): void;
}

export interface SocketServer {
  readonly port: number;
  /** Stops accepting; open sockets stay. */
  stopAccepting(): void;
  close(): Promise<void>;
}

export interface SocketServerOptions {
  readonly host: string;
  readonly port: number;
  /** A message above it is not parsed but answered (`too-large`). */
  readonly frameBytesMax: number;
  /** A message above it ends the socket. */
  readonly messageBytesMax: number;
  /** Bound of one socket's queue. */
  readonly queueBytesMax: number;
  /** Called once a socket is open. */
  open(socket: Socket, upgrade: Upgrade): SocketHandlers;
}

export type ListenSockets = (options: SocketServerOptions) => Promise<SocketServer>;
