/**
 * How many durable appends a second does the embedded store make, by number of writers and by size of the log? Compared
 * with writing the very same groups with write + fdatasync and nothing else, in the same run.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openEmbeddedEventStore, type EmbeddedEventStore } from '../src/event-store/event-store.embedded.ts';
import { messageEvent } from './support/events.ts';
import { machineLine } from './support/machine.ts';
import { median, round, table } from './support/stats.ts';

/** Rounds of a second each, ours and the bare disk in turn: the ratio is the median of the rounds' ratios. */
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const SECONDS = Number(process.env.SECONDS ?? 1);
const PREFILL = Number(process.env.PREFILL ?? 1_000_000);
const WRITERS = (process.env.WRITERS ?? '1,16,256,1000').split(',').map(Number);

async function run(store: EmbeddedEventStore, label: string, writers: number): Promise<number> {
  let appended = 0;
  const deadline = performance.now() + SECONDS * 1000;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: writers }, async (_, w) => {
      let revision: bigint | undefined;
      while (performance.now() < deadline) {
        const expectedRevision = revision ?? 'no-stream';
        appended++;
        const event = messageEvent();
        ({ revision } = await store.append(`conversation-bench.${label}-${w}`, [event], { expectedRevision }));
      }
    }),
  );
  return appended / ((performance.now() - started) / 1000);
}

/** The same bytes in the same groups, written and synced one after the other. Returns seconds. */
function raw(folder: string, groups: readonly number[]): number {
  const bytes = Buffer.alloc(Math.max(...groups), 1);
  const fd = openSync(join(folder, 'raw'), 'w');
  const started = performance.now();
  for (const size of groups) {
    writeSync(fd, bytes, 0, size);
    fdatasyncSync(fd);
  }
  const seconds = (performance.now() - started) / 1000;
  closeSync(fd);
  return seconds;
}

async function prefill(store: EmbeddedEventStore, events: number): Promise<void> {
  const streams = 10_000;
  for (let done = 0, round = 0; done < events; round++) {
    const appends: Promise<unknown>[] = [];
    for (let s = 0; s < streams && done < events; s++, done += 10) {
      const batch = Array.from({ length: 10 }, messageEvent);
      appends.push(
        store.append(`conversation-bench.prefill-${s}`, batch, {
          expectedRevision: round === 0 ? 'no-stream' : BigInt(round * 10 - 1),
        }),
      );
      if (appends.length === 500) await Promise.all(appends.splice(0));
    }
    await Promise.all(appends);
  }
}

const folder = mkdtempSync(join(process.cwd(), '.bench-'));
const rows: (string | number)[][] = [];
try {
  let groups: number[] = [];
  const store = await openEmbeddedEventStore({ directory: join(folder, 'log'), onGroup: bytes => groups.push(bytes) });
  for (const events of PREFILL > 0 ? [0, PREFILL] : [0]) {
    if (events > 0) await prefill(store, events);
    for (const writers of WRITERS) {
      await run(store, `warm-${events}-${writers}`, writers);
      const rounds: { rate: number; rawRate: number; ratio: number; grouped: number }[] = [];
      for (let i = 0; i < ROUNDS; i++) {
        groups = [];
        const rate = await run(store, `${events}-${writers}-${i}`, writers);
        const measured = groups;
        const rawRate = (rate * SECONDS) / raw(folder, measured);
        rounds.push({ rate, rawRate, ratio: rate / rawRate, grouped: (rate * SECONDS) / measured.length });
      }
      const of = (field: keyof (typeof rounds)[number]): number => median(rounds.map(each => each[field]));
      const figures = [round(of('rate')), round(of('grouped'), 1), round(of('rawRate')), round(of('ratio'), 2)];
      rows.push([round(events), writers, ...figures]);
      console.error(rows.at(-1)?.join('  '));
    }
  }
  await store.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`append: ${machineLine()}\n`);
console.log(
  table(['events in the log', 'writers', 'appends/s', 'events a group', 'raw write + fdatasync/s', 'ratio'], rows),
);
