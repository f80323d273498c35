/** The little of a WebSocket that the connection needs, so that tests can stand in for the network. */

export interface SocketHandlers {
  readonly message: (text: string) => void;
  /** Called once, whoever closed; never after `close` was called here. */
  readonly closed: (code: number, reason: string) => void;
}

export interface Socket {
  send(text: string): void;
  /** Nothing is heard from the socket afterwards. */
  close(): void;
}

export type OpenSocket = (url: string, protocols: string[], handlers: SocketHandlers) => Socket;

export interface Timers {
  /** Runs once after `delayMs`; the answer cancels it. */
  after(delayMs: number, run: () => void): () => void;
}
