/**
 * How fast is the whole log read? Envelope decoded with data left alone, everything parsed as JSON, and sealed texts
 * opened apart, by pages of several sizes; beside a bare sequential read with CRC-32 of the same files, in turns in the same
 * run. And how long does the event loop wait meanwhile, and while nothing is read?
 */
import { closeSync, mkdtempSync, openSync, readdirSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { randomUUID } from 'node:crypto';
import { openEmbeddedEventStore, type EmbeddedEventStore } from '../src/event-store/event-store.embedded.ts';
import type { EventData, RecordedEvent } from '../src/event-store/event-store.ts';
import { createSealedCodec } from '../src/keyring/codec.sealed.ts';
import { KeyCache } from '../src/keyring/key-cache.ts';
import { createConversationSerializer } from '../src/schemas/aggregate-serializers.ts';
import { MemoryKeyring } from '../test/support/memory-keyring.ts';
import { messageEvent } from './support/events.ts';
import { machineLine } from './support/machine.ts';
import { median, round, table } from './support/stats.ts';

const EVENTS = Number(process.env.EVENTS ?? 500_000);
const SEALED = Number(process.env.SEALED ?? 50_000);
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const BATCH = 500;
const STREAMS = 1_000;
/** Events opened at a time, and whether the event loop gets its turn between them. */
const PAGES = [
  { size: 256, turns: false },
  { size: 64, turns: false },
  { size: 256, turns: true },
  { size: 64, turns: true },
];
const IDLE_MS = 2_000;
const IDLE = 'nothing';
const BARE_READ = 'bare read + CRC-32 of the files';

const keyring = new KeyCache(new MemoryKeyring(), { keysMax: 2 * STREAMS });
const serializer = createConversationSerializer({ codec: createSealedCodec({ keyring }) });

async function sealedEvents(n: number): Promise<readonly EventData[]> {
  return serializer.toEventData({
    stream: `conversation-sealed.${n}`,
    events: Array.from({ length: BATCH }, (_, seq) => ({
      type: 'MessagePosted' as const,
      data: {
        seq,
        text: 'It panics on boot and finds no root file system. '.repeat(4),
        format: 'plain' as const,
        attachments: [],
      },
    })),
    ids: Array.from({ length: BATCH }, () => randomUUID()),
    envelope: {
      ...{ correlationId: randomUUID(), causationId: randomUUID(), commandId: randomUUID(), tenant: 'sealed' },
      ...{ commandDigest: 'x'.repeat(43), actor: { id: randomUUID(), role: 'visitor' }, occurredAt: Date.now() },
      origin: 'live',
    },
    subjects: { visitor: `visitor-${n}`, author: `visitor-${n}` },
  });
}

async function fill(store: EmbeddedEventStore): Promise<void> {
  const any = { expectedRevision: 'any' } as const;
  for (let done = 0; done < EVENTS; done += BATCH) {
    const stream = `conversation-bench.${(done / BATCH) % STREAMS}`;
    await store.append(stream, Array.from({ length: BATCH }, messageEvent), any);
  }
  for (let n = 0; n * BATCH < SEALED; n++) await store.append(`conversation-sealed.${n}`, await sealedEvents(n), any);
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
const plain = { filter: { by: 'stream', prefixes: ['conversation-bench.'] } } as const;

/** Each gives how many events it has read. */
function readers(store: EmbeddedEventStore, segments: string): readonly (readonly [string, () => Promise<number>])[] {
  let sink = 0;
  return [
    [
      IDLE,
      async () => {
        await delay(IDLE_MS);
        return 0;
      },
    ],
    [
      BARE_READ,
      () => {
        const buffer = Buffer.alloc(256 * 1024);
        for (const name of readdirSync(segments)) {
          const fd = openSync(join(segments, name), 'r');
          for (let got = 1; got > 0;) {
            got = readSync(fd, buffer, 0, buffer.length, null);
            sink += crc32(buffer.subarray(0, got));
          }
          closeSync(fd);
        }
        return Promise.resolve(EVENTS + SEALED);
      },
    ],
    [
      'envelope decoded, data lazy',
      async () => {
        let events = 0;
        for await (const event of store.readAll()) {
          sink += event.stream.length + event.type.length + event.id.length + event.createdMs;
          sink += Number(event.revision) + Number(event.position);
          events++;
        }
        return events;
      },
    ],
    [
      'data and metadata parsed as JSON',
      async () => {
        let events = 0;
        for await (const event of store.readAll(plain)) {
          JSON.parse(text(event.data));
          JSON.parse(text(event.metadata));
          events++;
        }
        return events;
      },
    ],
    ...PAGES.map(
      ({ size, turns }) =>
        [
          `sealed texts opened, by pages of ${size}${turns ? ', a turn of the loop after each' : ''}`,
          async () => {
            let events = 0;
            let page: RecordedEvent[] = [];
            for await (const event of store.readAll({ filter: { by: 'stream', prefixes: ['conversation-sealed.'] } })) {
              page.push(event);
              if (page.length < size) continue;
              events += (await serializer.open(page)).length;
              page = [];
              if (turns) await setImmediate();
            }
            return events + (await serializer.open(page)).length + Math.min(0, sink);
          },
        ] as const,
    ),
  ];
}

const folder = mkdtempSync(join(process.cwd(), '.bench-'));
try {
  const store = await openEmbeddedEventStore({ directory: join(folder, 'log') });
  await fill(store);
  const systems = readers(store, join(folder, 'log', 'segments'));
  const rates: number[][] = systems.map(() => []);
  const delays: number[][] = systems.map(() => []);
  // The first round warms up.
  for (let number = 0; number <= ROUNDS; number++)
    for (const [at, [label, run]] of systems.entries()) {
      const loop = monitorEventLoopDelay({ resolution: 1 });
      loop.enable();
      const begun = performance.now();
      const events = await run();
      const rate = events / ((performance.now() - begun) / 1_000);
      loop.disable();
      const p99 = loop.percentile(99) / 1e6;
      console.error(`round ${number}, ${label}: ${round(rate)} events/s, loop p99 ${round(p99, 1)} ms`);
      if (number === 0) continue;
      rates[at]?.push(rate);
      delays[at]?.push(p99);
    }
  const rows = systems.map(([label], at) => {
    const own = rates[at] ?? [];
    const bare = rates[systems.findIndex(([other]) => other === BARE_READ)];
    const ratio = median(own.map((rate, i) => rate / (bare?.[i] ?? rate)));
    const p99 = label === BARE_READ ? 'blocks' : round(median(delays[at] ?? []), 1);
    return label === IDLE ? [label, '', '', p99] : [label, round(median(own)), round(ratio, 3), p99];
  });
  console.log(`read-all: ${EVENTS} + ${SEALED} sealed events, ${ROUNDS} rounds, ${machineLine()}\n`);
  console.log(table(['', 'events/s', 'ratio to the bare read', 'event loop p99 ms'], rows));
  await store.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
