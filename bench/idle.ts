/**
 * How much memory does a subscribed socket cost the server that says nothing? 10,000 sockets, resident memory before and
 * after, everything collected that can be; the server and each half of the clients are processes of their own. Compared
 * with bare uWebSockets, bare ws and socket.io in the same run, in turns. Needs `ulimit -n` above the number of sockets.
 */
import { startChild } from './support/child-process.ts';
import type { SystemName } from './support/fan-out-systems.ts';
import type { IdleClients } from './support/idle-clients.ts';
import type { IdleServer } from './support/idle-server.ts';
import { machineLine, versionOf } from './support/machine.ts';
import { median, round, table } from './support/stats.ts';

const SOCKETS = Number(process.env.SOCKETS_OPEN ?? 10_000);
const ROUNDS = Number(process.env.ROUNDS ?? 3);
const CLIENT_PROCESSES = 2;
/** Open before the first look, a process: what a server needs for its first sockets, and has spare, is none's. */
const WARM = 500;
/** Bare uWebSockets costs less than what a process's memory wanders by, so that nothing can be divided by it. */
const BASE: SystemName = 'ws';

interface Case {
  readonly name: SystemName;
  readonly label: string;
  readonly rooms: number;
}

const ALL: readonly Case[] = [
  { name: 'verbatim', label: 'Verbatim, all in one room', rooms: 1 },
  { name: 'verbatim', label: 'Verbatim, two in each room', rooms: SOCKETS / CLIENT_PROCESSES },
  { name: 'verbatim-ws', label: `Verbatim on ws ${versionOf('ws')}, all in one room`, rooms: 1 },
  { name: 'uws-publish', label: 'bare uWebSockets', rooms: 1 },
  { name: BASE, label: `bare ws ${versionOf('ws')}`, rooms: 1 },
  { name: 'socket-io', label: `socket.io ${versionOf('socket.io')}`, rooms: 1 },
];
const asked = process.env.SYSTEMS?.split(',');
const cases = ALL.filter(({ name }) => asked === undefined || name === BASE || asked.includes(name));
let addresses = 1;

/** Bytes a socket: resident, and of JavaScript. */
async function measure({ name, rooms }: Case): Promise<readonly [resident: number, heap: number]> {
  const server = startChild<IdleServer>('idle-server', [name]);
  const clients = Array.from({ length: CLIENT_PROCESSES }, () => startChild<IdleClients>('idle-clients', []));
  try {
    const door = await server.ask('door');
    const perRoom = { ...door, ...(door.says === undefined ? {} : { says: door.says.replace('fan-out', '#') }) };
    addresses += CLIENT_PROCESSES;
    const connect = (sockets: number) =>
      Promise.all(
        clients.map((client, i) => client.ask('connect', perRoom, sockets, rooms, `127.0.0.${addresses + i}`)),
      );
    await connect(WARM);
    const before = await server.ask('memory');
    await connect(SOCKETS / CLIENT_PROCESSES);
    const after = await server.ask('memory');
    return [(after.resident - before.resident) / SOCKETS, (after.heap - before.heap) / SOCKETS];
  } finally {
    for (const child of [...clients, server]) await child.end();
  }
}

const figures = new Map<Case, { readonly resident: number; readonly heap: number; readonly ratio: number }[]>();
for (let roundNumber = 1; roundNumber <= ROUNDS; roundNumber++) {
  const measured = new Map<Case, readonly [number, number]>();
  for (const one of cases) measured.set(one, await measure(one));
  const base = [...measured].find(([{ name }]) => name === BASE)?.[1][0] ?? NaN;
  for (const [one, [resident, heap]] of measured) {
    figures.set(one, [...(figures.get(one) ?? []), { resident, heap, ratio: resident / base }]);
    console.error(
      `round ${roundNumber}, ${one.label}: ${round(resident)} bytes a socket, of it JavaScript ${round(heap)}`,
    );
  }
}

const rows = [...figures].map(([{ label }, all]) => {
  const residents = all.map(({ resident }) => resident);
  return [
    label,
    round(median(residents)),
    `${round(Math.min(...residents))} to ${round(Math.max(...residents))}`,
    round(median(all.map(({ heap }) => heap))),
    round(median(all.map(({ ratio }) => ratio)), 2),
  ];
});
console.log(`idle: ${SOCKETS} sockets, ${ROUNDS} rounds, uws-pack ${versionOf('uWebSockets.js')}, ${machineLine()}\n`);
console.log(table(['', 'resident bytes a socket', 'lowest to highest', 'JavaScript', 'ratio to ws'], rows));
