/**
 * Does anything get slower as the log grows? Appends, resumes, and the start, of the store and of the served product, at
 * 10,000, a million and five million events (SIZES), with the reads of segments an operation takes; each size compared
 * with the first. SIZES=15000000 is some 10 GB.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openEmbeddedEventStore, type EmbeddedEventStore } from '../src/event-store/event-store.embedded.ts';
import { SegmentFiles } from '../src/event-store/embedded/segments.ts';
import { importLines } from '../test/cli/support.ts';
import { startServer, type ServerProcess } from '../test/support/server-process.ts';
import { messageEvent } from './support/events.ts';
import { machineLine } from './support/machine.ts';
import { median, percentile, round, table } from './support/stats.ts';

const SIZES = (process.env.SIZES ?? '10000,1000000,5000000').split(',').map(Number);
const STREAM_EVENTS = 100;
const BATCH = 50;
const APPENDS = Number(process.env.APPENDS ?? 2_000);
const RESUMES = Number(process.env.RESUMES ?? 2_000);
const RESUMED = 20;
const STARTS = 5;
const KILLED_AFTER_MS = 2_000;
const IMPORTED_LINES = 2_000;
const SECRET = 'a-configured-secret-0123456789-0123456789';

let reads = 0;
let readBytes = 0;
const readOfFiles = Object.getOwnPropertyDescriptor(SegmentFiles.prototype, 'read')?.value as SegmentFiles['read'];
SegmentFiles.prototype.read = function (segment, offset, length) {
  reads++;
  readBytes += length;
  return readOfFiles.call(this, segment, offset, length);
};

const nameOf = (n: number): string => `conversation-bench.${n}`;

/** Rooms are written by turns, as conversations are: a room's events lie far apart. */
async function fill(store: EmbeddedEventStore, from: number, to: number): Promise<void> {
  for (let done = from; done < to;) {
    const appends: Promise<unknown>[] = [];
    for (let i = 0; i < 64 && done < to; i++, done += BATCH) {
      const room = Math.floor(done / (STREAM_EVENTS * 64)) * 64 + ((done / BATCH) % 64);
      appends.push(
        store.append(nameOf(room), Array.from({ length: BATCH }, messageEvent), { expectedRevision: 'any' }),
      );
    }
    await Promise.all(appends);
  }
}

interface Measured {
  readonly p50: number;
  readonly p99: number;
  readonly reads: number;
  readonly kilobytes: number;
}

async function measure(times: number, one: (i: number) => Promise<unknown>): Promise<Measured> {
  const latencies: number[] = [];
  [reads, readBytes] = [0, 0];
  for (let i = 0; i < times; i++) {
    const begun = performance.now();
    await one(i);
    latencies.push(performance.now() - begun);
  }
  latencies.sort((a, b) => a - b);
  return {
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    reads: reads / times,
    kilobytes: readBytes / times / 1024,
  };
}

async function resume(store: EmbeddedEventStore, size: number, i: number): Promise<void> {
  const room = nameOf((i * 7_919) % Math.max(1, Math.floor(size / STREAM_EVENTS / 64) * 64));
  const { head } = await store.streamBounds(room);
  let seen = 0n;
  const from = head - BigInt(RESUMED) + 1n;
  for await (const event of store.readStream(room, { from: from < 0n ? 0n : from })) seen += event.revision;
  if (seen < 0n) throw new Error('unreachable: revisions are positive');
}

async function timeToOpen(directory: string): Promise<number> {
  const begun = performance.now();
  const store = await openEmbeddedEventStore({ directory });
  const ms = performance.now() - begun;
  await store.close();
  return ms;
}

interface Starts {
  readonly readyMs: number;
  /** Of a server on a folder with nothing in it, started in turns with this one. */
  readonly emptyMs: number;
  /** Of the process, until it is ready. */
  readonly cpuMs: number;
  readonly emptyCpuMs: number;
  readonly rssMb: number;
}

/** Used so far by a process, of Linux's ticks of 10 ms. */
function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function rssMbOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_000;
}

/** Imports until the server is gone. */
async function writeOn(server: ServerProcess, run: number): Promise<void> {
  const headers = {
    authorization: `Bearer ${server.token('service', 'bench')}`,
    'content-type': 'application/x-ndjson',
  };
  for (let n = 0; ; n++) {
    const body = importLines(`run-${process.pid}-${run}-${n}`, IMPORTED_LINES);
    const answer = await fetch(`${server.httpUrl}/v1/import`, { method: 'POST', headers, body }).catch(() => undefined);
    if (!answer?.ok || (await answer.text().catch(() => undefined)) === undefined) return;
  }
}

/** From start to ready after kill -9 while it writes, beside the same of an empty folder, in turns. */
async function timesToReady(dataFolder: string): Promise<Starts> {
  const environment = { JWT_SECRET: SECRET, HOST: '127.0.0.1' };
  const full = await startServer({ dataFolder, environment });
  const empty = await startServer({ environment });
  const times: Record<'full' | 'fullCpu' | 'empty' | 'emptyCpu', number[]> = {
    full: [],
    fullCpu: [],
    empty: [],
    emptyCpu: [],
  };
  let rssMb = 0;
  for (let i = 0; i < STARTS; i++) {
    await empty.kill9();
    times.empty.push(await empty.start());
    times.emptyCpu.push(cpuMsOf(empty.pid()));
    const writing = writeOn(full, i);
    await delay(KILLED_AFTER_MS);
    await full.kill9();
    await writing;
    times.full.push(await full.start());
    times.fullCpu.push(cpuMsOf(full.pid()));
    rssMb = rssMbOf(full.pid());
  }
  for (const server of [full, empty]) {
    await server.stop();
    await server.dispose();
  }
  return {
    ...{ readyMs: median(times.full), emptyMs: median(times.empty), rssMb },
    ...{ cpuMs: median(times.fullCpu), emptyCpuMs: median(times.emptyCpu) },
  };
}

const folder = mkdtempSync(join(process.cwd(), '.bench-'));
const directory = join(folder, 'log');
const rows: string[][] = [];
let base: { append: number; resume: number } | undefined;
try {
  let filled = 0;
  for (const size of SIZES) {
    let store = await openEmbeddedEventStore({ directory });
    const begun = performance.now();
    await fill(store, filled, size);
    console.error(`${size - filled} events in ${round((performance.now() - begun) / 1000, 1)} s`);
    filled = size;
    await store.close();
    const opens = [];
    for (let i = 0; i < STARTS; i++) opens.push(await timeToOpen(directory));
    store = await openEmbeddedEventStore({ directory });
    const appended = await measure(APPENDS, i =>
      store.append(`appended-${size}.${i % 50}`, [messageEvent()], { expectedRevision: 'any' }),
    );
    const resumed = await measure(RESUMES, i => resume(store, size, i));
    const rssMb = process.memoryUsage().rss / 1e6;
    await store.close();
    const served = await timesToReady(folder);
    const bytes = readdirSync(join(directory, 'segments')).reduce(
      (sum, name) => sum + statSync(join(directory, 'segments', name)).size,
      0,
    );
    base ??= { append: appended.p50, resume: resumed.p50 };
    rows.push([
      ...[round(size), round(bytes / 1e9, 2)],
      `${round(appended.p50, 2)} / ${round(appended.p99, 2)} (${round(appended.p50 / base.append, 2)})`,
      `${round(resumed.p50, 2)} / ${round(resumed.p99, 2)} (${round(resumed.p50 / base.resume, 2)})`,
      `${round(appended.reads, 2)}; ${round(resumed.reads, 2)}, ${round(resumed.kilobytes)} KB`,
      round(median(opens)),
      `${round(served.readyMs)} (${round(served.readyMs / served.emptyMs, 2)})`,
      `${round(served.cpuMs)} (${round(served.cpuMs / served.emptyCpuMs, 2)})`,
      `${round(rssMb)} / ${round(served.rssMb)}`,
    ]);
    console.error(rows.at(-1)?.join('  '));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`growth: resumes of ${RESUMED} events, ${machineLine()}\n`);
const header = ['events', 'GB', 'append p50 / p99 ms (ratio)', 'resume p50 / p99 ms (ratio)'];
console.log(
  table(
    [
      ...[
        ...header,
        'reads an append; a resume',
        'store open ms',
        'killed while it wrote: ready ms (to an empty folder)',
      ],
      ...['its CPU ms (to an empty folder)', 'RSS MB here / served'],
    ],
    rows,
  ),
);
