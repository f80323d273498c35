/**
 * Does anything grow, or slow down, in a server that works for an hour? Mixed load on a served process: MESSAGES a second
 * into 200 rooms that end and begin anew, 1,000 sockets that come, resume and go, slow readers, histories, HTTP. Every 5 s
 * its memory, handles, files and event loop are noted; a verdict at the end, which can fail. MINUTES, MESSAGES, OUT.
 */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startServer } from '../test/support/server-process.ts';
import type { ServerProcess } from '../test/support/server-process.ts';
import { startChild } from './support/child-process.ts';
import { linePlotsSvg } from './support/line-plots.ts';
import { machineLine } from './support/machine.ts';
import type { SoakClients, SoakSample } from './support/soak-clients.ts';
import { soakVerdict } from './support/soak-verdict.ts';
import type { SoakRow } from './support/soak-verdict.ts';
import { round, table } from './support/stats.ts';

const MINUTES = Number(process.env.MINUTES ?? 5);
const MESSAGES = Number(process.env.MESSAGES ?? 500);
const SOCKETS = Number(process.env.SOCKETS_COUNT ?? 1_000);
const ROOMS = 200;
const OUT = process.env.OUT ?? join(import.meta.dirname, 'plots');
const SAMPLE_MS = 5_000;
/** Until caches are as full as they may be and the collector has found its pace. */
const WARM_UP_SECONDS = Math.min(15 * 60, MINUTES * 60 * 0.4);
const SECRET = 'the-secret-of-the-soak-0123456789-abcdefghij';
const MB = 1e6;

async function readRow(server: ServerProcess, sample: SoakSample, seconds: number, passedMs: number): Promise<SoakRow> {
  const metrics = await (await fetch(`${server.httpUrl}/metrics`)).text();
  const read = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1] ?? NaN);
  const status = readFileSync(`/proc/${server.pid()}/status`, 'utf8');
  const kilobytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? NaN);
  return {
    seconds,
    rssAnonMb: (kilobytes('RssAnon') * 1_024) / MB,
    rssFileMb: (kilobytes('RssFile') * 1_024) / MB,
    heapMb: read('nodejs_heap_size_used_bytes') / MB,
    externalMb: read('nodejs_external_memory_bytes') / MB,
    handles: read('nodejs_active_resources_total'),
    fds: readdirSync(`/proc/${server.pid()}/fd`).length,
    loopP50Ms: read('nodejs_eventloop_lag_p50_seconds') * 1_000,
    loopP99Ms: read('nodejs_eventloop_lag_p99_seconds') * 1_000,
    acksPerSecond: (sample.acks * 1_000) / passedMs,
    ackP50Ms: sample.ackP50Ms,
    ackP99Ms: sample.ackP99Ms,
    logMb: sizeOf(join(server.dataFolder, 'log', 'segments')) / MB,
    sockets: sample.open,
    gaps: sample.gaps,
    lost: sample.lost,
  };
}

function sizeOf(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

function write(rows: readonly SoakRow[]): void {
  mkdirSync(OUT, { recursive: true });
  writeFileSync(join(OUT, 'soak.json'), `[\n${rows.map(row => JSON.stringify(row)).join(',\n')}\n]\n`);
  const line = (name: string, read: (row: SoakRow) => number) => ({ name, values: rows.map(read) });
  const svg = linePlotsSvg(
    `soak: ${MESSAGES} messages/s, ${ROOMS} rooms, ${SOCKETS} sockets, ${machineLine()}`,
    rows.map(({ seconds }) => seconds),
    [
      {
        title: 'memory, MB',
        lines: [
          line('resident but mapped files', row => row.rssAnonMb),
          line('heap in use', row => row.heapMb),
          line('mapped files', row => row.rssFileMb),
        ],
      },
      { title: 'handles and files', lines: [line('handles', row => row.handles), line('open files', row => row.fds)] },
      { title: 'event loop delay, ms', lines: [line('p50', row => row.loopP50Ms), line('p99', row => row.loopP99Ms)] },
      { title: 'acks a second', lines: [line('acks', row => row.acksPerSecond)] },
      { title: 'send to ack, ms', lines: [line('p50', row => row.ackP50Ms), line('p99', row => row.ackP99Ms)] },
      { title: 'log, MB', lines: [line('segments', row => row.logMb)] },
    ],
  );
  writeFileSync(join(OUT, 'soak.svg'), svg);
}

const server = await startServer({
  environment: {
    ...{ JWT_SECRET: SECRET, HOST: '127.0.0.1', LOG_LEVEL: 'warn' },
    // A tenth of the folds that an hour leaves behind: the cache is full before the warm-up is over.
    FOLDED_EVENTS_CACHED_MAX: '100000',
    ...(process.env.SERVER_OPTIONS === undefined ? {} : { NODE_OPTIONS: process.env.SERVER_OPTIONS }),
  },
});
const clients = startChild<SoakClients>('soak-clients', []);
const rows: SoakRow[] = [];
try {
  const { httpUrl, gatewayUrl } = server;
  await clients.ask('begin', {
    httpUrl,
    gatewayUrl,
    secret: SECRET,
    sockets: SOCKETS,
    rooms: ROOMS,
    messagesPerSecond: MESSAGES,
  });
  const begunMs = performance.now();
  let sampledMs = begunMs;
  while (performance.now() - begunMs < MINUTES * 60_000) {
    await delay(SAMPLE_MS);
    const sample = await clients.ask('sample');
    const nowMs = performance.now();
    const row = await readRow(server, sample, Math.round((nowMs - begunMs) / 1_000), nowMs - sampledMs);
    sampledMs = nowMs;
    rows.push(row);
    if (rows.length % 12 === 0) {
      write(rows);
      console.error(`${row.seconds} s: ${JSON.stringify({ ...row, ...sample })}`);
    }
  }
} finally {
  await clients.end();
  console.error(server.output().slice(-4_000));
  await server.dispose();
}
write(rows);
const findings = soakVerdict(
  rows.filter(({ seconds }) => seconds >= WARM_UP_SECONDS),
  MESSAGES,
);
console.log(`soak: ${MINUTES} minutes, ${MESSAGES} messages/s asked for, ${SOCKETS} sockets, ${machineLine()}\n`);
console.log(
  table(
    ['', 'measured', 'allowed', ''],
    findings.map(({ what, measured, allowed, isKept }) => [
      what,
      round(measured, 1),
      round(allowed, 1),
      isKept ? 'kept' : 'BROKEN',
    ]),
  ),
);
if (findings.some(({ isKept }) => !isKept)) process.exitCode = 1;
