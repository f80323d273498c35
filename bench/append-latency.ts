/**
 * How long does one durable append take when 1,000 a second arrive whatever the store does (open loop), alone and beside
 * a scan of the whole log in the same process? Compared with a bare write + fdatasync a time at the same pace.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openEmbeddedEventStore, type EmbeddedEventStore } from '../src/event-store/event-store.embedded.ts';
import { messageEvent } from './support/events.ts';
import { machineLine } from './support/machine.ts';
import { bareAppends, openLoop as loopOpen } from './support/open-loop.ts';
import { percentile, round, table } from './support/stats.ts';

const SECONDS = Number(process.env.SECONDS ?? 10);
const PER_SECOND = 1_000;
const PREFILL = Number(process.env.PREFILL ?? 500_000);

const openLoop = (one: (i: number) => Promise<unknown>): Promise<number[]> =>
  loopOpen(one, { perSecond: PER_SECOND, seconds: SECONDS });

async function bare(folder: string): Promise<number[]> {
  const { one, close } = bareAppends(join(folder, 'bare'));
  const latencies = await openLoop(one);
  close();
  return latencies;
}

const revisions = new Map<number, bigint>();
const chains = new Map<number, Promise<void>>();
/** 100 streams in turn; a stream's appends follow one another, as decisions do. */
function append(store: EmbeddedEventStore, i: number): Promise<void> {
  const s = i % 100;
  const next = (chains.get(s) ?? Promise.resolve()).then(async () => {
    const expectedRevision = revisions.get(s) ?? 'no-stream';
    const { revision } = await store.append(`conversation-bench.${s}`, [messageEvent()], { expectedRevision });
    revisions.set(s, revision);
  });
  chains.set(s, next);
  return next;
}

const folder = mkdtempSync(join(process.cwd(), '.bench-'));
const rows: string[][] = [];
const report = (label: string, sorted: number[], note = ''): void => {
  rows.push([
    label,
    ...[0.5, 0.95, 0.99, 0.999].map(share => round(percentile(sorted, share), 2)),
    round(sorted.at(-1) ?? 0, 1),
    note,
  ]);
  console.error(rows.at(-1)?.join('  '));
};
try {
  const store = await openEmbeddedEventStore({ directory: join(folder, 'log') });
  for (let done = 0; done < PREFILL; done += 10_000) {
    await Promise.all(
      Array.from({ length: 20 }, (_, s) =>
        store.append(`conversation-bench.fill-${s}`, Array.from({ length: 500 }, messageEvent), {
          expectedRevision: 'any',
        }),
      ),
    );
  }
  await openLoop(i => append(store, i)); // warm-up
  report('bare write + fdatasync', await bare(folder));
  report('append, alone', await openLoop(i => append(store, i)));
  let scanned = 0;
  const scanning = new AbortController();
  const isOver = (): boolean => scanning.signal.aborted;
  const scan = (async () => {
    const started = performance.now();
    while (!isOver()) {
      for await (const event of store.readAll()) {
        if (event.revision >= 0n) scanned++;
        if (isOver()) break;
      }
    }
    return scanned / ((performance.now() - started) / 1000);
  })();
  const beside = await openLoop(i => append(store, i));
  scanning.abort();
  report('append, beside a full scan', beside, `${round(await scan)} events/s scanned`);
  report('bare write + fdatasync, again', await bare(folder));
  await store.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`append-latency: ${PER_SECOND}/s open loop, ${machineLine()}\n`);
console.log(table(['', 'p50 ms', 'p95', 'p99', 'p99.9', 'max', ''], rows));
