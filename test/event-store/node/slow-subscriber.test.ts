import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from 'node:http2';
import { framed, startTestNode } from './node-fixture.ts';
import type { TestNode } from './node-fixture.ts';
import { field, message } from './wire.ts';

const EVENTS = 200_000;
const EVENTS_AN_APPEND = 500;
const DATA_BYTES = 200;
const WHILE_STOPPED_MB_MAX = 96;
const TIMEOUT_MS = 60_000;
const HEADER_BYTES = 5;

const EMPTY = Buffer.alloc(0);
const SUBSCRIBE_TO_ALL = field(
  1,
  message(field(2, field(2, EMPTY)), field(6, EMPTY), field(8, EMPTY), field(9, field(2, EMPTY))),
);

/** Reads framed messages off a stream, keeping no more than the one that is not whole yet; counts them by their kind. */
class MessageCounter {
  events = 0;
  lastData = '';
  private held: Buffer = EMPTY;

  take(bytes: Buffer): void {
    this.held = this.held.length === 0 ? bytes : Buffer.concat([this.held, bytes]);
    let at = 0;
    while (at + HEADER_BYTES <= this.held.length) {
      const end = at + HEADER_BYTES + this.held.readUInt32BE(at + 1);
      if (end > this.held.length) break;
      const isEvent = this.held[at + HEADER_BYTES] === ((1 << 3) | 2);
      if (isEvent) {
        this.events += 1;
        this.lastData = /"n":(\d+)/.exec(this.held.toString('latin1', at, end))?.[1] ?? '';
      }
      at = end;
    }
    this.held = this.held.subarray(at);
  }
}

describe('a subscriber that stops reading', () => {
  let node: TestNode;
  beforeAll(async () => {
    // A tail of one byte: what is held for the subscriber would be seen, and it must come back from the disk.
    node = await startTestNode({}, { tailBytesMax: 1 });
  });
  afterAll(() => node.dispose());

  it(
    `costs bounded memory while ${EVENTS} events are appended, and gets every one after`,
    async () => {
      const session = connect(`http://127.0.0.1:${node.port}`);
      const stream = session.request({
        ':method': 'POST',
        ':path': '/event_store.client.streams.Streams/Read',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const counter = new MessageCounter();
      stream.end(framed(SUBSCRIBE_TO_ALL));
      await new Promise(resolve => stream.once('response', resolve));
      stream.pause();
      const filler = 'x'.repeat(DATA_BYTES);
      // So that what appending itself needs is not taken for what the subscriber costs.
      await append(0, EVENTS / 10);
      collectGarbage();
      const before = process.memoryUsage.rss();
      await append(EVENTS / 10, EVENTS);
      collectGarbage();
      const grownMb = (process.memoryUsage.rss() - before) / 1_048_576;
      expect(grownMb).toBeLessThan(WHILE_STOPPED_MB_MAX);
      await new Promise<void>((resolve, reject) => {
        stream.on('error', reject);
        stream.on('data', (bytes: Buffer) => {
          counter.take(bytes);
          if (counter.events >= EVENTS) resolve();
        });
        stream.resume();
      });
      expect(counter).toMatchObject({ events: EVENTS, lastData: String(EVENTS - 1) });
      session.destroy();

      async function append(from: number, to: number): Promise<void> {
        for (let n = from; n < to; n += EVENTS_AN_APPEND) {
          const events = Array.from({ length: EVENTS_AN_APPEND }, (_, i) => ({
            id: `00000000-0000-4000-8000-${(n + i).toString(16).padStart(12, '0')}`,
            type: 'Filled',
            data: Buffer.from(JSON.stringify({ filler, n: n + i })),
            metadata: EMPTY,
            contentType: 'application/json' as const,
          }));
          await node.store.append(`filled-${n % 7}`, events, { expectedRevision: 'any' });
        }
      }
    },
    TIMEOUT_MS,
  );
});

/** Where Node was started with --expose-gc; elsewhere garbage counts too, and the bound leaves room for it. */
function collectGarbage(): void {
  (globalThis as { gc?: () => void }).gc?.();
}
