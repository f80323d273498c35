/** One fuzzing client of the gateway: says what no client library would, and connects again whenever it is thrown out. */
import { isUtf8 } from 'node:buffer';
import { once } from 'node:events';
import { connect } from 'node:net';
import WebSocket from 'ws';

const ANSWER_TIMEOUT_MS = 30_000;
/** The gateway's default: a larger message ends its socket. */
const MESSAGE_BYTES_MAX = 2_097_152;
/** What a peer that broke the framing is given to be thrown out. */
const NONSENSE_TIMEOUT_MS = 5_000;

export interface FuzzSocketOptions {
  readonly url: string;
  readonly token: string;
  /** Every text that the server sends. */
  readonly onText: (text: string) => void;
}

export class FuzzSocket {
  private readonly options: FuzzSocketOptions;
  private socket: WebSocket | undefined;
  private barriers = 0;
  private readonly waiting = new Map<string, () => void>();
  readonly closeCodes = new Map<number, number>();

  constructor(options: FuzzSocketOptions) {
    this.options = options;
  }

  async send(data: string | Uint8Array, options: { readonly binary?: boolean } = {}): Promise<void> {
    const socket = await this.open();
    const binary = options.binary ?? false;
    socket.send(data, { binary });
    // What ends the connection would take the frames behind it along, and they would try nothing.
    const isText = typeof data === 'string' || isUtf8(data);
    if ((!binary && !isText) || data.length > MESSAGE_BYTES_MAX) await this.settle();
  }

  /** One message in so many WebSocket fragments. */
  async sendInFragments(text: string, fragments: number): Promise<void> {
    const socket = await this.open();
    const bytes = Buffer.from(text);
    const size = Math.max(1, Math.ceil(bytes.length / fragments));
    for (let at = 0; at < bytes.length; at += size)
      socket.send(bytes.subarray(at, at + size), { binary: false, fin: at + size >= bytes.length });
  }

  /** Resolves once the server has taken up everything sent so far, or has thrown this client out. */
  async settle(): Promise<void> {
    const socket = await this.open();
    const ref = `settle-${(this.barriers += 1)}`;
    const answered = new Promise<void>(resolve => this.waiting.set(ref, resolve));
    socket.send(JSON.stringify({ op: 'unsubscribe', room: 'conversation:none', ref }));
    const late = new AbortController();
    const timeout = setTimeout(() => {
      late.abort();
    }, ANSWER_TIMEOUT_MS);
    const tooLate = once(late.signal, 'abort').then(() => {
      throw new Error(`The server did not answer within ${ANSWER_TIMEOUT_MS} ms.`);
    });
    try {
      await Promise.race([answered, tooLate]);
    } finally {
      clearTimeout(timeout);
      this.waiting.delete(ref);
    }
  }

  async close(): Promise<void> {
    const { socket } = this;
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return;
    const closed = once(socket, 'close');
    socket.terminate();
    await closed;
  }

  private async open(): Promise<WebSocket> {
    if (this.socket?.readyState === WebSocket.OPEN) return this.socket;
    const { url, token, onText } = this.options;
    const socket = new WebSocket(url, ['verbatim.v1'], {
      headers: { Authorization: `Bearer ${token}` },
      perMessageDeflate: false,
    });
    this.socket = socket;
    // What is written while the server throws this client out fails, and is meant to.
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => {
      const text = data.toString('utf8');
      onText(text);
      for (const [ref, resolve] of this.waiting) if (text.includes(`"${ref}"`)) resolve();
    });
    socket.on('close', code => {
      this.closeCodes.set(code, (this.closeCodes.get(code) ?? 0) + 1);
      for (const resolve of this.waiting.values()) resolve();
    });
    const opened = once(socket, 'open');
    const closed = once(socket, 'close').then(() => {
      throw new Error('The server does not take connections any more.');
    });
    // After it has opened, its end is nobody's failure.
    closed.catch(() => undefined);
    await Promise.race([opened, closed]);
    return socket;
  }
}

/** Shakes hands as a WebSocket client does, then writes bytes that are no frames. Resolves once the server has hung up. */
export async function sendNonsense(url: string, token: string, bytes: Uint8Array): Promise<void> {
  const { hostname, port, pathname } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.setTimeout(NONSENSE_TIMEOUT_MS, () => socket.destroy());
  socket.on('error', () => undefined);
  const closed = once(socket, 'close');
  socket.write(
    [
      `GET ${pathname} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Key: ${Buffer.alloc(16, 1).toString('base64')}`,
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Protocol: verbatim.v1',
      `Authorization: Bearer ${token}`,
      '\r\n',
    ].join('\r\n'),
  );
  await Promise.race([once(socket, 'data').catch(() => undefined), closed]);
  socket.end(bytes);
  await closed;
}
