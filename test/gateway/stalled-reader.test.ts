/**
 * GW-9 with real sockets and real memory: a client that does not read while 100 MB are published. The log is made up
 * as it is read, so that what the process grows by is the gateway's.
 */
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import type { ConversationCommands } from '../../src/commands/commands.ts';
import type { EventStore, RecordedEvent, SubscriptionMessage } from '../../src/event-store/event-store.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { DEFAULT_GATEWAY_LIMITS } from '../../src/gateway/limits.ts';
import { systemTimers } from '../../src/gateway/timers.ts';
import { plainCodec } from '../support/plain-codec.ts';
import { SOCKET_ADAPTERS, type SocketAdapter } from '../support/socket-adapters.ts';
import { createConversationSerializer } from '../../src/schemas/aggregate-serializers.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';

const STREAM = 'conversation-acme.1';
const TEXT_BYTES = 10_000;
const EVENTS = 10_000;
/** What the process may grow by beyond the bound of the one queue: garbage not yet collected, buffers of the kernel's clients. */
const NOISE_BYTES = 64_000_000;

/** One stream of equal messages; only its head is kept. */
class MadeUpLog {
  head = -1n;
  private wake: () => void = () => undefined;
  private readonly data = Buffer.from(
    JSON.stringify({ seq: 0, text: 'z'.repeat(TEXT_BYTES), format: 'plain', attachments: [] }),
  );
  private readonly metadata = Buffer.from(
    JSON.stringify({
      ...{
        $correlationId: 'c',
        $causationId: 'c',
        actor: { id: 'bob', role: 'agent' },
        tenant: 'acme',
        commandId: 'c',
      },
      ...{ commandDigest: 'd', occurredAt: '2026-01-01T00:00:00.000Z', origin: 'live', schema: 2 },
    }),
  );

  private event(revision: bigint): RecordedEvent {
    const { data, metadata } = this;
    const where = { stream: STREAM, revision, position: revision, createdMs: 0 };
    return { ...where, id: 'e', type: 'MessagePosted', data, metadata, contentType: 'application/json' };
  }

  publish(count: number): void {
    this.head += BigInt(count);
    this.wake();
  }

  async *readStream(
    _stream: string,
    { from, maxCount }: { from?: unknown; maxCount?: number } = {},
  ): AsyncGenerator<RecordedEvent> {
    await setImmediate();
    let revision = typeof from === 'bigint' ? from : 0n;
    for (let left = maxCount ?? Infinity; revision <= this.head && left > 0; revision++, left--)
      yield this.event(revision);
  }

  async *subscribeToAll({ signal }: { signal?: AbortSignal }): AsyncGenerator<SubscriptionMessage> {
    signal?.addEventListener('abort', () => {
      this.wake();
    });
    for (let next = this.head + 1n; ;) {
      const events: RecordedEvent[] = [];
      for (; next <= this.head; next++) events.push(this.event(next));
      if (events.length > 0) yield { kind: 'events', events };
      else await new Promise<void>(resolve => (this.wake = resolve));
      if (signal?.aborted) return;
    }
  }

  asStore(): EventStore {
    const nothing = (): AsyncGenerator<RecordedEvent> => this.readStream(STREAM, { maxCount: 0 });
    const streamBounds = () => Promise.resolve({ first: 0n, head: this.head });
    const { readStream, subscribeToAll } = this;
    const made = {
      readAll: nothing,
      streamBounds,
      readStream: readStream.bind(this),
      subscribeToAll: subscribeToAll.bind(this),
    };
    return made as unknown as EventStore;
  }
}

/** Counts: every revision once, in order. */
class Counter {
  readonly socket: WebSocket;
  upTo = -1;
  caughtUp = 0;
  closed: number | undefined;
  fault: string | undefined;

  constructor(port: number) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/v1/socket`, ['verbatim.v1', 'bearer.t']);
    this.socket.on('message', (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as {
        op: string;
        after: number;
        upTo: number;
        events: { rev: number }[];
      };
      if (frame.op === 'hello') this.socket.send(JSON.stringify({ op: 'subscribe', room: 'conversation:1' }));
      if (frame.op === 'caught-up') this.caughtUp += 1;
      if (frame.op !== 'events') return;
      if (frame.after !== this.upTo) this.fault ??= `after ${frame.after} follows ${this.upTo}`;
      frame.events.forEach(({ rev }, i) => {
        if (rev !== frame.after + 1 + i) this.fault ??= `revision ${rev} in ${frame.after}..${frame.upTo}`;
      });
      this.upTo = frame.upTo;
    });
    this.socket.on('close', code => (this.closed = code));
    this.socket.on('error', () => undefined);
  }
}

async function soon(holds: () => boolean, what: string): Promise<void> {
  const endsAt = performance.now() + 20_000;
  while (!holds()) {
    if (performance.now() > endsAt) throw new Error(`${what} did not come within 20 s.`);
    await setImmediate();
  }
}

async function stall({ listen }: SocketAdapter): Promise<void> {
  const log = new MadeUpLog();
  const claims = { sub: 'ann', tenant: 'acme', role: 'agent', rooms: [], expiresAt: Number.MAX_SAFE_INTEGER } as const;
  const gateway = await createGateway({
    ...{ host: '127.0.0.1', port: 0, listen, store: log.asStore(), log: 'l', logger: silentLogger },
    serializer: createConversationSerializer({ codec: plainCodec }),
    commands: undefined as unknown as ConversationCommands,
    verifyToken: () => Promise.resolve({ kind: 'valid', claims }),
    ...{ clock: { now: () => Date.now() }, timers: systemTimers, newId: () => 's' },
  });
  const [slow, quick] = [new Counter(gateway.port), new Counter(gateway.port)];
  try {
    await soon(() => slow.caughtUp + quick.caughtUp === 2, 'caught-up');
    // Warm: what the first megabytes cost is not what grows.
    const publish = async (count: number) => {
      for (let left = count; left > 0; left -= 20) {
        log.publish(Math.min(20, left));
        await soon(() => BigInt(quick.upTo) === log.head, 'the quick reader');
      }
    };
    await publish(1_000);
    await soon(() => slow.upTo === quick.upTo, 'the slow reader, while it still reads');
    slow.socket.pause();
    const rssBefore = process.memoryUsage.rss();
    await publish(EVENTS);
    const grown = process.memoryUsage.rss() - rssBefore;
    expect(gateway.stats()).toMatchObject({ sockets: 2, catchingUp: 1, fellBehind: 1 });
    expect(grown).toBeLessThan(DEFAULT_GATEWAY_LIMITS.queueBytes + NOISE_BYTES);
    expect(quick).toMatchObject({ upTo: 1_000 + EVENTS - 1, caughtUp: 1, fault: undefined, closed: undefined });
    slow.socket.resume();
    await soon(() => slow.upTo === quick.upTo, 'the slow reader');
    expect(slow).toMatchObject({ fault: undefined, closed: undefined });
    await publish(5);
    await soon(() => slow.upTo === quick.upTo && slow.caughtUp === 2, 'live again');
  } finally {
    slow.socket.terminate();
    quick.socket.terminate();
    await gateway.close();
  }
}

describe.for(SOCKET_ADAPTERS)('on $name', adapter => {
  test(
    'GW-9: a socket that does not read while 100 MB are published costs its bound, and nobody else anything',
    { timeout: 60_000 },
    () => stall(adapter),
  );
});
