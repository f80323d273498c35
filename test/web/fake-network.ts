/** A network and a clock moved by hand: sockets that record what was sent and say what the test has the server say. */
import type { OpenSocket, SocketHandlers, Timers } from '../../web/protocol/socket.ts';
import type { ClientFrame } from '../../web/protocol/frames.ts';

export class FakeSocket {
  readonly url: string;
  readonly protocols: readonly string[];
  readonly sent: ClientFrame[] = [];
  closedByClient = false;
  readonly #handlers: SocketHandlers;

  constructor(url: string, protocols: readonly string[], handlers: SocketHandlers) {
    this.url = url;
    this.protocols = protocols;
    this.#handlers = handlers;
  }

  /** The server says something; after the client's close nobody hears it. */
  say(frame: object | string): void {
    if (!this.closedByClient) this.#handlers.message(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  hello(log = 'log-1'): void {
    this.say({ op: 'hello', session: 's', user: 'ann', role: 'visitor', log, heartbeatMs: 25_000, limits: {} });
  }

  closeFromServer(code: number, reason = ''): void {
    if (!this.closedByClient) this.#handlers.closed(code, reason);
  }

  /** What was sent since the last call. */
  take(): ClientFrame[] {
    return this.sent.splice(0);
  }
}

export class FakeNetwork {
  readonly sockets: FakeSocket[] = [];
  nowMs = 0;
  #timers: { readonly at: number; readonly run: () => void }[] = [];

  readonly openSocket: OpenSocket = (url, protocols, handlers) => {
    const socket = new FakeSocket(url, protocols, handlers);
    this.sockets.push(socket);
    return {
      send: text => {
        if (!socket.closedByClient) socket.sent.push(JSON.parse(text) as ClientFrame);
      },
      close: () => {
        socket.closedByClient = true;
      },
    };
  };

  readonly timers: Timers = {
    after: (delayMs, run) => {
      const timer = { at: this.nowMs + delayMs, run };
      this.#timers.push(timer);
      return () => {
        this.#timers = this.#timers.filter(other => other !== timer);
      };
    },
  };

  /** The socket opened last. */
  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error('no socket was opened');
    return socket;
  }

  get timersSet(): number {
    return this.#timers.length;
  }

  async advance(ms: number): Promise<void> {
    const until = this.nowMs + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter(timer => timer !== next);
      this.nowMs = next.at;
      next.run();
      await settle();
    }
    this.nowMs = until;
  }
}

/** Lets promises that are already resolved have their turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
}
