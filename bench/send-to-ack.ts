/**
 * How many messages a second are acknowledged, each durable before its ack, when 200 sockets post into conversations of
 * their own, one in flight each? Compared with the same path over a store that answers at once and keeps nothing, in a
 * process of its own beside ours, their runs interleaved; ratios are medians of the ratios within one round.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startChild, type Child } from './support/child-process.ts';
import { machineLine } from './support/machine.ts';
import type { RunFigures, SendToAckClients } from './support/send-to-ack-clients.ts';
import type { SendToAckServer } from './support/send-to-ack-server.ts';
import { median, round, table } from './support/stats.ts';

const SOCKETS = Number(process.env.SOCKETS ?? 200);
const ROUNDS = Number(process.env.ROUNDS ?? 9);
const RUN_MS = Number(process.env.SECONDS ?? 3) * 1_000;

const SYSTEMS = ['embedded', 'stub'] as const;
type SystemName = (typeof SYSTEMS)[number];
const LABELS: Record<SystemName, string> = {
  embedded: 'embedded store, acked after fdatasync',
  stub: 'the same path, the store stubbed',
};

interface Figures extends RunFigures {
  readonly rate: number;
  /** Of the server, a command, in microseconds. */
  readonly cpu: number;
}

async function run(name: SystemName): Promise<Figures> {
  const server = servers[name];
  await clients.ask('prepare', name);
  await server.ask('begin');
  const figures = await clients.ask('run', name, RUN_MS);
  const cpu = (await server.ask('end')) / figures.acks;
  return { ...figures, rate: figures.acks / figures.seconds, cpu };
}

const folder = mkdtempSync(join(process.cwd(), '.bench-'));
const clients = startChild<SendToAckClients>('send-to-ack-clients', []);
const servers: Record<SystemName, Child<SendToAckServer>> = {
  embedded: startChild('send-to-ack-server', [folder]),
  stub: startChild('send-to-ack-server', []),
};
const figures: Record<SystemName, Figures[]> = { embedded: [], stub: [] };
try {
  for (const name of SYSTEMS) await clients.ask('connect', name, await servers[name].ask('address'), SOCKETS);
  // The first round warms up.
  for (let roundNumber = 0; roundNumber <= ROUNDS; roundNumber++) {
    for (const name of roundNumber % 2 === 0 ? SYSTEMS : SYSTEMS.toReversed()) {
      const made = await run(name);
      if (roundNumber > 0) figures[name].push(made);
      const { rate, p50, p99, cpu } = made;
      const latency = `p50 ${round(p50, 1)} ms, p99 ${round(p99, 1)} ms`;
      console.error(`round ${roundNumber}, ${name}: ${round(rate)} acks/s, ${latency}, ${round(cpu, 1)} us CPU each`);
    }
  }
} finally {
  for (const child of [clients, ...Object.values(servers)]) await child.end();
  rmSync(folder, { recursive: true, force: true });
}

const middle = (name: SystemName, value: (figures: Figures) => number): number => median(figures[name].map(value));
const ratio = (value: (figures: Figures) => number): string =>
  round(median(figures.embedded.map((ours, i) => value(ours) / value(figures.stub[i] ?? ours))), 2);
const rows = SYSTEMS.map(name => [
  LABELS[name],
  round(middle(name, ({ rate }) => rate)),
  ...(['p50', 'p95', 'p99'] as const).map(share =>
    round(
      middle(name, made => made[share]),
      1,
    ),
  ),
  round(
    middle(name, ({ cpu }) => cpu),
    1,
  ),
]);
const shares = (['p50', 'p95', 'p99'] as const).map(share => ratio(made => made[share]));
rows.push(['ratio', ratio(({ rate }) => rate), ...shares, ratio(({ cpu }) => cpu)]);
console.log(`send-to-ack: ${SOCKETS} sockets, ${ROUNDS} rounds of ${RUN_MS / 1_000} s, ${machineLine()}\n`);
console.log(table(['', 'acks/s', 'p50 ms', 'p95', 'p99', 'server CPU a command, us'], rows));
