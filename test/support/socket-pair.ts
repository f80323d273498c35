/**
 * Both ends of a socket without a network. The client's end reads at once, or, `stalled`, only what the test flushes.
 * Every frame that arrives is checked against the schema of server frames.
 */
import { serverFrameSchema, type ServerFrame } from '../../src/gateway/server-frames.ts';
import type {
  ListenSockets,
  SendResult,
  Socket,
  SocketHandlers,
  SocketServerOptions,
  Upgrade,
} from '../../src/gateway/sockets.ts';

export type FrameOf<Op extends ServerFrame['op']> = Extract<ServerFrame, { op: Op }>;

export class SocketPair implements Socket {
  readonly frames: ServerFrame[] = [];
  /** Set once the server's end is closed. */
  closedWith: number | undefined;
  closedBecause: string | undefined;
  pings = 0;
  stalled = false;
  /** The most that was ever queued. */
  queuedBytesPeak = 0;
  private handlers: SocketHandlers | undefined;
  private queue: { readonly text: string; readonly bytes: number }[] = [];
  private queued = 0;
  private closing: number | undefined;

  attach(handlers: SocketHandlers): void {
    if (this.closedWith === undefined) this.handlers = handlers;
  }

  send(frame: string | Uint8Array): SendResult {
    if (this.closing !== undefined || this.closedWith !== undefined) throw new Error('A frame was sent after the end.');
    const text = typeof frame === 'string' ? frame : Buffer.from(frame).toString('utf8');
    const bytes = Buffer.byteLength(text);
    if (!this.stalled && this.queue.length === 0) {
      this.deliver(text);
      return 'sent';
    }
    this.queue.push({ text, bytes });
    this.queued += bytes;
    this.queuedBytesPeak = Math.max(this.queuedBytesPeak, this.queued);
    return 'queued';
  }

  queuedBytes(): number {
    return this.queued;
  }

  ping(): void {
    this.pings += 1;
  }

  end(code: number, reason: string): void {
    if (this.closing !== undefined || this.closedWith !== undefined) return;
    this.closing = code;
    this.closedBecause = reason;
    if (this.queue.length === 0) this.closedWith = code;
    this.handlers?.closed(code);
    this.handlers = undefined;
  }

  terminate(): void {
    this.cut();
  }

  private deliver(text: string): void {
    this.frames.push(serverFrameSchema.parse(JSON.parse(text)));
  }

  /** The client's end reads so many queued frames (all, without a number). */
  flush(frames = Number.POSITIVE_INFINITY): void {
    const read = this.queue.splice(0, Math.min(frames, this.queue.length));
    for (const { text, bytes } of read) {
      this.queued -= bytes;
      this.deliver(text);
    }
    if (this.queue.length === 0 && this.closing !== undefined) this.closedWith = this.closing;
    if (read.length > 0) this.handlers?.drain();
  }

  /** Reads everything from now on. */
  resume(): void {
    this.stalled = false;
    while (this.queue.length > 0) this.flush();
  }

  /** The client's end says something. */
  say(frame: object): void {
    this.sayText(JSON.stringify(frame));
  }

  sayText(text: string): void {
    this.handlers?.message(text, Buffer.byteLength(text));
  }

  sayBinary(size: number): void {
    this.handlers?.message(undefined, size);
  }

  pong(): void {
    this.handlers?.pong();
  }

  /** The connection is gone; what was queued never arrives. */
  cut(): void {
    if (this.closedWith !== undefined) return;
    this.closedWith = 1006;
    this.queue = [];
    this.queued = 0;
    const { handlers } = this;
    this.handlers = undefined;
    handlers?.closed(1006);
  }

  of<Op extends ServerFrame['op']>(op: Op): FrameOf<Op>[] {
    return this.frames.filter((frame): frame is FrameOf<Op> => frame.op === op);
  }

  last<Op extends ServerFrame['op']>(op: Op): FrameOf<Op> {
    const frame = this.of(op).at(-1);
    if (!frame) throw new Error(`No ${op} has come, only ${this.frames.map(({ op: other }) => other).join(', ')}.`);
    return frame;
  }
}

/** A socket server that accepts what a test connects. */
export class PairServer {
  accepting = true;
  closed = false;
  private options: SocketServerOptions | undefined;

  readonly listen: ListenSockets = options => {
    this.options = options;
    return Promise.resolve({
      port: 0,
      stopAccepting: () => {
        this.accepting = false;
      },
      close: () => {
        this.closed = true;
        return Promise.resolve();
      },
    });
  };

  connect(upgrade: Partial<Upgrade>): SocketPair {
    if (!this.options || !this.accepting) throw new Error('Nobody listens.');
    const pair = new SocketPair();
    pair.attach(
      this.options.open(pair, {
        path: '/v1/socket',
        protocols: ['verbatim.v1'],
        authorization: undefined,
        origin: undefined,
        remoteAddress: '127.0.0.1',
        ...upgrade,
      }),
    );
    return pair;
  }
}
