/** A plain `ws` client of the protocol, for tests that talk to a served gateway: frames in, frames out, nothing kept for them. */
import { once } from 'node:events';
import WebSocket from 'ws';

const ANSWER_TIMEOUT_MS = 20_000;
/** Below the node's bound on requests a second, so that a connection is never told to wait. */
const ROOMS_A_CONNECTION = 80;
const CONNECTIONS_AT_ONCE = 8;

export interface Frame {
  readonly op: string;
  readonly [field: string]: unknown;
}

/** An event as an `events` frame carries it. */
export interface WireEvent {
  readonly rev: number;
  readonly id: string;
  readonly type: string;
  readonly at: string;
  readonly actor: { readonly id: string; readonly role: string };
  readonly commandId?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface WireClient {
  send(frame: Frame): void;
  /** The next frame, in order. @throws Error when the connection ends first, or none comes within 20 s. */
  next(): Promise<Frame>;
  /** Skips frames until one has this `op`. */
  nextOf(op: string): Promise<Frame>;
  close(): Promise<void>;
}

/** Connects and waits for `hello`. */
export async function connectWire(url: string, token: string): Promise<WireClient> {
  const socket = new WebSocket(url, ['verbatim.v1'], { headers: { Authorization: `Bearer ${token}` } });
  const frames: Frame[] = [];
  let ended: string | undefined;
  let wake = (): void => undefined;
  socket.on('message', (data: Buffer) => {
    frames.push(JSON.parse(data.toString('utf8')) as Frame);
    wake();
  });
  socket.on('close', (code, reason) => {
    ended ??= `closed with ${code} ${reason.toString()}`;
    wake();
  });
  socket.on('error', error => {
    ended ??= error.message;
    wake();
  });

  const next = async (): Promise<Frame> => {
    const deadlineMs = performance.now() + ANSWER_TIMEOUT_MS;
    for (;;) {
      const frame = frames.shift();
      if (frame) return frame;
      if (ended !== undefined) throw new Error(`The connection ended: ${ended}.`);
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw new Error(`No frame within ${ANSWER_TIMEOUT_MS} ms.`);
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, leftMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  const nextOf = async (op: string): Promise<Frame> => {
    for (;;) {
      const frame = await next();
      if (frame.op === op) return frame;
    }
  };

  const client: WireClient = {
    send: frame => socket.send(JSON.stringify(frame)),
    next,
    nextOf,
    close: async () => {
      if (socket.readyState === WebSocket.CLOSED) return;
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
  await nextOf('hello');
  return client;
}

/** Each room from its first revision to where it is caught up, read over several connections. */
export async function readRooms(
  url: string,
  token: string,
  rooms: readonly string[],
): Promise<Map<string, WireEvent[]>> {
  const events = new Map<string, WireEvent[]>(rooms.map(room => [room, []]));
  const chunks: string[][] = [];
  for (let start = 0; start < rooms.length; start += ROOMS_A_CONNECTION) {
    chunks.push(rooms.slice(start, start + ROOMS_A_CONNECTION));
  }
  const work = async (): Promise<void> => {
    for (let chunk = chunks.pop(); chunk; chunk = chunks.pop()) await readChunk(url, token, chunk, events);
  };
  await Promise.all(Array.from({ length: CONNECTIONS_AT_ONCE }, work));
  return events;
}

async function readChunk(
  url: string,
  token: string,
  rooms: readonly string[],
  events: Map<string, WireEvent[]>,
): Promise<void> {
  const client = await connectWire(url, token);
  for (const room of rooms) client.send({ op: 'subscribe', room });
  const behind = new Set(rooms);
  while (behind.size > 0) {
    const frame = await client.next();
    if (frame.op === 'events') events.get(String(frame.room))?.push(...(frame.events as WireEvent[]));
    else if (frame.op === 'caught-up') behind.delete(String(frame.room));
    else if (frame.op !== 'subscribed') throw new Error(`Not expected while reading: ${JSON.stringify(frame)}`);
  }
  await client.close();
}
