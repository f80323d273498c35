/**
 * How long from an append's call until a live subscriber of the node sees the event, at a steady rate, through the
 * official client with a connection for each? Beside it how long the same appends took to be acknowledged.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { END, jsonEvent } from '@eventstore/db-client';
import { machineLine, versionOf } from './support/machine.ts';
import { startNodeBench } from './support/node-client.ts';
import { percentile, round, table } from './support/stats.ts';

const RATE = Number(process.env.RATE ?? 500);
const SECONDS = Number(process.env.SECONDS ?? 10);
const WARM_UP = RATE;
const QUIET_MS = 500;

const bench = await startNodeBench();
try {
  const [writer, reader] = [bench.connect(), bench.connect()];
  const sentMs: number[] = [];
  const seenMs: number[] = [];
  const ackedMs: number[] = [];
  let drops = 0;
  const subscription = reader.subscribeToAll({ fromPosition: END });
  subscription.on('data', ({ event }) => {
    const n = (event?.data as { n?: number } | undefined)?.n;
    if (n !== undefined) seenMs[n] = performance.now();
  });
  subscription.on('error', () => (drops += 1));
  await new Promise(resolve => subscription.once('confirmation', resolve));
  const count = RATE * SECONDS + WARM_UP;
  const begunMs = performance.now();
  const appends: Promise<void>[] = [];
  for (let n = 0; n < count; n += 1) {
    const dueMs = begunMs + (n * 1_000) / RATE;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await delay(waitMs);
    sentMs[n] = performance.now();
    const event = jsonEvent({ type: 'Live', data: { n, text: 'x'.repeat(200) } });
    appends.push(
      writer.appendToStream(`live-${n % 100}`, event, { expectedRevision: 'any' }).then(() => {
        ackedMs[n] = performance.now();
      }),
    );
  }
  await Promise.all(appends);
  await delay(QUIET_MS);
  const since = (times: readonly number[]): number[] =>
    sentMs
      .slice(WARM_UP)
      .map((sent, i) => (times[i + WARM_UP] ?? NaN) - sent)
      .sort((a, b) => a - b);
  const [seen, acked] = [since(seenMs), since(ackedMs)];
  const missing = seen.filter(Number.isNaN).length;
  console.log(`live: ${machineLine()}, @eventstore/db-client ${versionOf('@eventstore/db-client')}`);
  console.log(`${RATE} appends a second for ${SECONDS} s; ${missing} never seen, ${drops} subscriptions dropped`);
  const row = (name: string, sorted: readonly number[]): string[] => [
    name,
    ...[0.5, 0.95, 0.99, 1].map(share => round(percentile(sorted, share), 2)),
    round(percentile(sorted, 0.5) / percentile(acked, 0.5), 2),
  ];
  console.log(
    table(['', 'p50 ms', 'p95', 'p99', 'max', 'p50, of acknowledged'], [row('seen', seen), row('acknowledged', acked)]),
  );
} finally {
  await bench.end();
}
