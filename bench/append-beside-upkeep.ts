/**
 * What do appends lose while the log is scavenged, or copied by a backup, in the same process? 1,000 a second in an open
 * loop, in rounds of quiet, scavenging and backup by turns, with a bare write + fdatasync a time beside them; latencies from
 * when each was due, and the event loop's delay.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { backUp } from '../src/data-folder/backup.ts';
import { openEmbeddedEventStore, type EmbeddedEventStore } from '../src/event-store/event-store.embedded.ts';
import { messageEvent } from './support/events.ts';
import { machineLine } from './support/machine.ts';
import { bareAppends, openLoop } from './support/open-loop.ts';
import { median, percentile, round, table } from './support/stats.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 4);
const SECONDS = Number(process.env.SECONDS ?? 5);
const EVENTS = Number(process.env.EVENTS ?? 1_000_000);
const STREAMS = 1_000;
const BATCH = 500;
const PER_SECOND = 1_000;
const WRITERS = 100;
const any = { expectedRevision: 'any' } as const;

/** Streams lie in every segment, and each round truncates them further, so that scavenging has something to write. */
async function fill(store: EmbeddedEventStore, events: number): Promise<void> {
  for (let done = 0; done < events; done += BATCH) {
    const stream = `conversation-bench.${(done / BATCH) % STREAMS}`;
    await store.append(stream, Array.from({ length: BATCH }, messageEvent), any);
  }
}

async function truncate(store: EmbeddedEventStore, round: number): Promise<void> {
  const perStream = EVENTS / STREAMS;
  const before = BigInt(Math.floor((perStream * round) / (ROUNDS + 1)));
  await Promise.all(
    Array.from({ length: STREAMS }, (_, n) =>
      store.setStreamMetadata(`conversation-bench.${n}`, { truncateBefore: before }, any),
    ),
  );
}

const chains = new Map<number, Promise<unknown>>();
/** A stream's appends follow one another, as decisions do. */
function append(store: EmbeddedEventStore, i: number): Promise<unknown> {
  const writer = i % WRITERS;
  const next = (chains.get(writer) ?? Promise.resolve()).then(() =>
    store.append(`conversation-written.${writer}`, [messageEvent()], any),
  );
  chains.set(writer, next);
  return next;
}

const BARE = 'bare write + fdatasync';

const folder = mkdtempSync(join(process.cwd(), '.bench-'));
const directory = join(folder, 'data');
const store = await openEmbeddedEventStore({ directory: join(directory, 'log'), segmentBytes: 64 * 1024 * 1024 });
const bare = bareAppends(join(folder, 'bare'));
let backups = 0;
const works: Readonly<Record<string, (signal: AbortSignal) => Promise<unknown>>> = {
  [BARE]: () => Promise.resolve(),
  quiet: () => Promise.resolve(),
  'beside scavenging': signal => store.scavenge({ savedShareMin: 0, signal }),
  'beside a backup': signal =>
    backUp(
      {
        ...{ directory, log: 'bench', logFiles: () => store.files(), clock: { now: () => Date.now() } },
        copyKeyring: file => writeFile(file, 'keys'),
      },
      join(folder, `backup-${++backups}`),
      { signal },
    ),
};

interface Sample {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly loopP99: number;
}

async function sample(
  work: (signal: AbortSignal) => Promise<unknown>,
  one = (i: number): Promise<unknown> => append(store, i),
): Promise<Sample> {
  const over = new AbortController();
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const working = work(over.signal).catch((error: unknown) => {
    if (!over.signal.aborted) throw error;
  });
  loop.enable();
  const latencies = await openLoop(one, { perSecond: PER_SECOND, seconds: SECONDS });
  loop.disable();
  over.abort();
  await working;
  const at = (share: number): number => percentile(latencies, share);
  return { p50: at(0.5), p99: at(0.99), max: latencies.at(-1) ?? NaN, loopP99: loop.percentile(99) / 1e6 };
}

try {
  await fill(store, EVENTS);
  await sample(() => Promise.resolve()); // warm-up
  const samples: Record<string, Sample[]> = {};
  for (let number = 1; number <= ROUNDS; number++) {
    await truncate(store, number);
    for (const [label, work] of Object.entries(works)) {
      const one = await sample(work, label === BARE ? bare.one : undefined);
      (samples[label] ??= []).push(one);
      const { p50, p99, max, loopP99 } = one;
      console.error(`round ${number}, ${label}: ${[p50, p99, max, loopP99].map(ms => round(ms, 2)).join('  ')}`);
      rmSync(join(folder, `backup-${backups}`), { recursive: true, force: true });
    }
  }
  const quiet = samples.quiet ?? [];
  const rows = Object.entries(samples).map(([label, own]) => {
    const of = (key: keyof Sample): string => round(median(own.map(one => one[key])), 2);
    const ratio = median(own.map((one, i) => one.p99 / (quiet[i]?.p99 ?? NaN)));
    return [label, of('p50'), of('p99'), round(ratio, 2), of('max'), of('loopP99')];
  });
  console.log(`append-beside-upkeep: ${PER_SECOND}/s, ${ROUNDS} rounds of ${SECONDS} s, ${machineLine()}\n`);
  console.log(table(['', 'p50 ms', 'p99', 'p99 to quiet', 'max', 'event loop p99 ms'], rows));
} finally {
  await store.close();
  bare.close();
  rmSync(folder, { recursive: true, force: true });
}
