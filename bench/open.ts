/**
 * How many events a second does the serializer open (unseal, parse, check), by the page as rooms, folds and exports read
 * them? Compared with opening the same events stored plain, and with parsing their bytes as JSON and nothing else, in the
 * same run; ratios are medians of the ratios within one round.
 */
import { randomUUID } from 'node:crypto';
import type { RecordedEvent } from '../src/event-store/event-store.ts';
import { createSealedCodec } from '../src/keyring/codec.sealed.ts';
import type { Codec } from '../src/keyring/codec.ts';
import { KeyCache } from '../src/keyring/key-cache.ts';
import { createConversationSerializer } from '../src/schemas/aggregate-serializers.ts';
import { MemoryKeyring } from '../test/support/memory-keyring.ts';
import { plainCodec } from '../test/support/plain-codec.ts';
import { machineLine } from './support/machine.ts';
import { median, round, table } from './support/stats.ts';

const EVENTS = Number(process.env.EVENTS ?? 50_000);
const PAGE = Number(process.env.PAGE ?? 256);
const ROUNDS = Number(process.env.ROUNDS ?? 9);
const CONVERSATIONS = 1_000;
const TEXT = 'I built the vanilla kernel and it panics on boot: it does not recognise its root file system. '.repeat(2);

const keyring = new KeyCache(new MemoryKeyring(), { keysMax: 2 * CONVERSATIONS });
const sealedCodec = createSealedCodec({ keyring });

async function pages(codec: Codec): Promise<RecordedEvent[][]> {
  const serializer = createConversationSerializer({ codec });
  const made: RecordedEvent[][] = [];
  for (let begun = 0; begun < EVENTS; begun += PAGE) {
    const n = (begun / PAGE) % CONVERSATIONS;
    const stream = `conversation-bench.${n}`;
    const decided = await serializer.toEventData({
      stream,
      events: Array.from({ length: PAGE }, (_, seq) => ({
        type: 'MessagePosted' as const,
        data: { seq, text: TEXT, format: 'plain' as const, attachments: [] },
      })),
      ids: Array.from({ length: PAGE }, () => randomUUID()),
      envelope: {
        ...{ correlationId: randomUUID(), causationId: randomUUID(), commandId: randomUUID(), tenant: 'bench' },
        ...{ commandDigest: 'x'.repeat(43), actor: { id: randomUUID(), role: 'visitor' }, occurredAt: Date.now() },
        origin: 'live',
      },
      subjects: { visitor: `visitor-${n}`, author: `visitor-${n}` },
    });
    made.push(
      decided.map((event, i) => ({
        ...{ ...event, stream, revision: BigInt(begun + i), position: BigInt(begun + i), createdMs: 0 },
      })),
    );
  }
  return made;
}

const [sealed, plain] = [await pages(sealedCodec), await pages(plainCodec)];
const opens = (codec: Codec, from: readonly RecordedEvent[][]) => {
  const serializer = createConversationSerializer({ codec });
  return async (): Promise<void> => {
    for (const page of from) await serializer.open(page);
  };
};
const text = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();

const SYSTEMS: readonly (readonly [label: string, run: () => Promise<void>])[] = [
  [
    'JSON.parse of data and metadata alone',
    async () => {
      for (const page of plain)
        for (const { data, metadata } of page) {
          JSON.parse(text(data));
          JSON.parse(text(metadata));
        }
    },
  ],
  ['opened, stored plain', opens(plainCodec, plain)],
  ['opened, sealed', opens(sealedCodec, sealed)],
];

const rates: number[][] = SYSTEMS.map(() => []);
// The first round warms up.
for (let roundNumber = 0; roundNumber <= ROUNDS; roundNumber += 1)
  for (const [at, [label, run]] of SYSTEMS.entries()) {
    const begun = performance.now();
    await run();
    const rate = (sealed.length * PAGE) / ((performance.now() - begun) / 1_000);
    console.error(`round ${roundNumber}, ${label}: ${round(rate)} events/s`);
    if (roundNumber > 0) rates[at]?.push(rate);
  }

const rows = SYSTEMS.map(([label], at) => {
  const own = rates[at] ?? [];
  const ratio = own.map((rate, i) => rate / (rates[0]?.[i] ?? rate));
  return [label, round(median(own)), round(1_000_000 / median(own), 2), round(median(ratio), 2)];
});
console.log(`open: ${EVENTS} events, pages of ${PAGE}, ${ROUNDS} rounds, ${machineLine()}\n`);
console.log(table(['', 'events/s', 'us each', 'ratio to parsing alone'], rows));
