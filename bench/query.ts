/**
 * How long does each query of the product take over a million messages, embedded? As HTTP asks them, without HTTP. And
 * beside the transcripts from buckets the same messages kept one document each, in the same store and run, by turns.
 * MESSAGES=10000000 is some 20 GB.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createReadModels } from '../src/projections/read-models.ts';
import { PROJECTIONS } from '../src/projections/projections.ts';
import { openEmbeddedReadStore } from '../src/read-store/read-store.embedded.ts';
import { seeded } from './support/conversations.ts';
import { machineLine, versionOf } from './support/machine.ts';
import { productQueries, singleTranscripts } from './support/product-queries.ts';
import type { AskedQuery } from './support/product-queries.ts';
import { fillReadModels, LOG } from './support/read-model-filling.ts';
import { percentile, round, table } from './support/stats.ts';

const MESSAGES = Number(process.env.MESSAGES ?? 1_000_000);
/** Of each query, at most, and for so long, at most. */
const ASKED = Number(process.env.ASKED ?? 1_000);
const ASKED_MS_MAX = 10_000;
const YEAR_MS = 365 * 86_400_000;
/** Events to a message, about. */
const EVENTS_A_MESSAGE = 1.9;
/** One conversation of so many is long: a tenth of all messages are in such. */
const LONG = { oneOf: 1_500, messages: 1_000 };
const PROGRESS_EVERY = 100_000;

function sizeOf(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

interface Asked {
  readonly times: readonly number[];
  /** What one answer holds: conversations, messages, buckets of time. */
  readonly items: number;
}

/** By turns with its peer, where it has one; the first few warm up. */
async function ask(queries: readonly AskedQuery[]): Promise<Asked[]> {
  const random = seeded(5);
  const times: number[][] = queries.map(() => []);
  const items = queries.map(() => 0);
  const begun = performance.now();
  const warmUps = Math.ceil(ASKED / 20);
  for (let i = 0; i < ASKED + warmUps && performance.now() - begun < ASKED_MS_MAX * queries.length; i++)
    for (const [at, { run }] of queries.entries()) {
      const seed = random();
      const from = performance.now();
      const found = await run(seed);
      if (i < warmUps) continue;
      times[at]?.push(performance.now() - from);
      items[at] = (items[at] ?? 0) + found;
    }
  return times.map((own, at) => ({
    times: own.sort((a, b) => a - b),
    items: (items[at] ?? 0) / Math.max(1, own.length),
  }));
}

const folder = mkdtempSync(join(process.cwd(), '.bench-'));
try {
  const readStore = await openEmbeddedReadStore({ directory: folder });
  const begunAt = Date.now() - YEAR_MS;
  const begun = performance.now();
  let said = 0;
  const filled = await fillReadModels(
    readStore,
    MESSAGES,
    { seed: 10, active: 500, beginMs: begunAt, stepMs: YEAR_MS / (MESSAGES * EVENTS_A_MESSAGE), long: LONG },
    messages => {
      if (messages < said + PROGRESS_EVERY) return;
      said = messages;
      console.error(`${round(messages)} messages after ${round((performance.now() - begun) / 1_000)} s`);
    },
  );
  const readModels = createReadModels({
    ...{ readStore, projections: PROJECTIONS, log: LOG, clock: { now: Date.now } },
    head: () => Promise.resolve(filled.head),
    end: () => Promise.resolve(filled.head),
    limits: { waitMsMax: 5_000, waitingMax: 1_000 },
  });
  const sizes = new Map(
    readdirSync(folder, { withFileTypes: true })
      .filter(entry => entry.isDirectory())
      .map(({ name }) => [name, sizeOf(join(folder, name)) / 1e6] as const),
  );
  const rows: string[][] = [];
  for (const query of productQueries(readModels, filled)) {
    const [asked] = await ask([query]);
    const { times = [], items = 0 } = asked ?? {};
    const quantiles = [0.5, 0.95, 0.99].map(share => round(percentile(times, share), 2));
    rows.push([query.label, round(items, 1), ...quantiles, round(times.at(-1) ?? NaN, 2), round(times.length)]);
    console.error(rows.at(-1)?.join('  '));
  }
  const peers: string[][] = [];
  for (const { label, buckets, single } of singleTranscripts(readModels, filled)) {
    const [bucketed, one] = await ask([buckets, single]);
    if (bucketed === undefined || one === undefined) continue;
    const of = ({ times }: Asked, share: number): string => round(percentile(times, share), 2);
    const ratio = percentile(bucketed.times, 0.5) / percentile(one.times, 0.5);
    peers.push([
      ...[label, round(bucketed.items, 1)],
      ...[`${of(bucketed, 0.5)} / ${of(bucketed, 0.95)}`, `${of(one, 0.5)} / ${of(one, 0.95)}`, round(ratio, 2)],
    ]);
    console.error(peers.at(-1)?.join('  '));
  }
  await readStore.close();
  const { events, conversations, foldSeconds, singleSeconds } = filled;
  console.log(
    `query: ${MESSAGES} messages in ${conversations} conversations (${events} events over a year), lmdb ` +
      `${versionOf('lmdb')}, mingo ${versionOf('mingo')}, ${machineLine()}\n`,
  );
  console.log(table(['query', 'items an answer', 'p50 ms', 'p95', 'p99', 'max', 'asked'], rows));
  console.log(`\nFolding took ${round(foldSeconds)} s (${round(events / foldSeconds)} events/s, not opened); `);
  console.log(`one document a message alone took ${round(singleSeconds)} s. On disk, MB:`);
  console.log([...sizes].map(([name, mb]) => `${name} ${round(mb)}`).join(', '));
  console.log(
    `Resident ${round(process.memoryUsage().rss / 1e6)} MB, heap ${round(process.memoryUsage().heapUsed / 1e6)} MB.\n`,
  );
  console.log(
    table(
      ['transcript', 'messages', 'buckets p50 / p95 ms', 'one document a message p50 / p95 ms', 'p50 ratio'],
      peers,
    ),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
