/**
 * What does it cost the server to bring an event to a socket, in CPU? One room, 1,000 sockets, events of 200 bytes of
 * text that come in bursts, one turn of the event loop each. Compared with bare uWebSockets, ws and socket.io, each a
 * process of its own beside ours, their runs interleaved; ratios are medians of the ratios within one round. A figure
 * stands only where every socket got every event of every burst, once.
 */
import { startChild, type Child } from './support/child-process.ts';
import type { FanOutClients } from './support/fan-out-clients.ts';
import type { FanOutServer } from './support/fan-out-server.ts';
import type { SystemName } from './support/fan-out-systems.ts';
import { machineLine, versionOf } from './support/machine.ts';
import { median, round, table } from './support/stats.ts';

const SOCKETS = Number(process.env.SOCKETS ?? 1_000);
const ROUNDS = Number(process.env.ROUNDS ?? 9);
const BURST_SIZES = (process.env.BURSTS ?? '20,1').split(',').map(Number);
/** Bursts in one run of a system; those that take ten times as long a burst of many get fewer. */
const BURSTS_A_RUN = 20;
const BURSTS_A_SLOW_RUN = 5;

const BASE: SystemName = 'uws-publish';
const ALL: readonly { readonly name: SystemName; readonly label: string; readonly bursts: number }[] = [
  { name: 'verbatim', label: 'Verbatim, from the live feed to the sockets', bursts: BURSTS_A_RUN },
  { name: 'verbatim-ws', label: `Verbatim, the same on ws ${versionOf('ws')}`, bursts: BURSTS_A_RUN },
  { name: BASE, label: 'bare uWebSockets, one publish an event', bursts: BURSTS_A_RUN },
  { name: 'uws-publish-one-frame', label: 'bare uWebSockets, one publish a burst', bursts: BURSTS_A_RUN },
  { name: 'ws', label: `ws ${versionOf('ws')}, one send a socket and event`, bursts: BURSTS_A_SLOW_RUN },
  { name: 'socket-io', label: `socket.io ${versionOf('socket.io')}, emit to a room`, bursts: BURSTS_A_SLOW_RUN },
];
const asked = process.env.SYSTEMS?.split(',');
const systems = ALL.filter(({ name }) => asked === undefined || name === BASE || asked.includes(name));

/** CPU of the server in microseconds for one event at one socket. */
async function run(name: SystemName, bursts: number, events: number): Promise<number> {
  const server = servers.get(name);
  await server?.ask('begin');
  for (let sent = 0; sent < bursts; sent++)
    await Promise.all([clients.ask('receive', name, events), server?.ask('burst', events)]);
  return ((await server?.ask('end')) ?? NaN) / (bursts * events * SOCKETS);
}

const clients = startChild<FanOutClients>('fan-out-clients', []);
const servers = new Map<SystemName, Child<FanOutServer>>();
/** By burst size and system, one a round. */
const figures = new Map<string, number[]>();
try {
  for (const { name } of systems) {
    const server = startChild<FanOutServer>('fan-out-server', [name]);
    servers.set(name, server);
    await clients.ask('connect', name, await server.ask('door'), SOCKETS);
  }
  // The first round warms up.
  for (let roundNumber = 0; roundNumber <= ROUNDS; roundNumber++) {
    for (const events of BURST_SIZES) {
      for (const { name, bursts } of roundNumber % 2 === 0 ? systems : systems.toReversed()) {
        const cost = await run(name, bursts, events);
        if (roundNumber === 0) continue;
        const key = `${events} ${name}`;
        figures.set(key, [...(figures.get(key) ?? []), cost]);
        console.error(`round ${roundNumber}, bursts of ${events}, ${name}: ${round(cost, 2)} us a delivery`);
      }
    }
  }
} finally {
  for (const child of [clients, ...servers.values()]) await child.end();
}

const rows = BURST_SIZES.flatMap(events => {
  const base = figures.get(`${events} ${BASE}`) ?? [];
  return systems.map(({ name, label }) => {
    const costs = figures.get(`${events} ${name}`) ?? [];
    const ratio = median(costs.map((cost, i) => cost / (base[i] ?? NaN)));
    const range = `${round(Math.min(...costs), 2)} to ${round(Math.max(...costs), 2)}`;
    return [events, label, round(median(costs), 2), range, round(ratio, 2)];
  });
});
console.log(
  `fan-out: ${SOCKETS} sockets, ${ROUNDS} rounds, uws-pack ${versionOf('uWebSockets.js')}, ${machineLine()}\n`,
);
console.log(table(['burst', '', 'server CPU a delivery, us', 'lowest to highest', 'ratio'], rows));
