/**
 * What does one resume cost, from TCP connect to the last missed event: latency, and CPU of the server? With 10, 100 and
 * 1,000 events missed, from the room's tail in memory and from the log. Compared with bare uWebSockets, which is asked
 * for as many bytes after its handshake; servers are processes of their own, their runs in turns, and ratios are medians
 * of the ratios within one round.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signToken } from '../src/auth/tokens.ts';
import { SOCKET_PATH, SUBPROTOCOL } from '../src/gateway/gateway.ts';
import { startChild, type Child } from './support/child-process.ts';
import { machineLine } from './support/machine.ts';
import type { ResumeServer, ResumeSystem } from './support/resume-server.ts';
import { median, percentile, round, table } from './support/stats.ts';
import { WireSocket, type WireAddress } from './support/wire-socket.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const RESUMES = Number(process.env.RESUMES ?? 200);
const MISSED = [10, 100, 1_000] as const;
const ROOMS = 20;
/** The start of a conversation, and so many messages. */
const HEAD = 1_000;
const TEXT = 'I built the vanilla kernel and it panics on boot: it does not recognise its root file system. '.repeat(2);
const IN_FLIGHT = 200;
const HOUR_MS = 3_600_000;

const SYSTEMS: readonly { readonly name: ResumeSystem; readonly label: string }[] = [
  { name: 'bare', label: 'bare uWebSockets, as many bytes' },
  { name: 'tail', label: 'Verbatim, from the tail in memory' },
  { name: 'log', label: 'Verbatim, read from the log' },
];

interface Running {
  readonly child: Child<ResumeServer>;
  readonly address: WireAddress;
}

const secret = randomBytes(32).toString('hex');
const room = (i: number): string => `conversation:room-${i % ROOMS}`;

async function start(name: ResumeSystem, folder: string): Promise<Running> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise(resolve => server.close(resolve));
  const child = startChild<ResumeServer>('resume-server', [name, String(port), folder, secret]);
  await child.ask('ready');
  if (name === 'bare') return { child, address: { port, path: '/' } };
  const claims = {
    sub: 'agent-1',
    tenant: 'default',
    role: 'agent',
    rooms: [],
    expiresAt: Date.now() + HOUR_MS,
  } as const;
  const authorization = `Bearer ${await signToken(Buffer.from(secret), claims)}`;
  const address = { port, path: SOCKET_PATH, protocol: SUBPROTOCOL, authorization };
  await fill(address);
  return { child, address };
}

async function fill(address: WireAddress): Promise<void> {
  let open = 0;
  let wake: () => void = () => undefined;
  const socket = await WireSocket.open(address, payload => {
    const text = payload.toString('utf8');
    if (text.startsWith('{"op":"nack"')) throw new Error(text);
    if (!text.startsWith('{"op":"ack"')) return;
    open -= 1;
    wake();
  });
  const send = async (i: number, command: string, data: object): Promise<void> => {
    while (open >= IN_FLIGHT) await new Promise<void>(resolve => (wake = resolve));
    open += 1;
    socket.sendText(JSON.stringify({ op: 'send', id: randomUUID(), room: room(i), command, data }));
  };
  for (let i = 0; i < ROOMS; i++) await send(i, 'StartConversation', { channel: 'web' });
  for (let i = 0; i < ROOMS * HEAD; i++) await send(i, 'PostMessage', { text: TEXT });
  while (open > 0) await new Promise<void>(resolve => (wake = resolve));
  socket.close();
}

/** One resume: ms, and the bytes of `events` that came. */
async function resume(address: WireAddress, says: string): Promise<{ ms: number; bytes: number }> {
  const begun = performance.now();
  let bytes = 0;
  let over: () => void = () => undefined;
  const complete = new Promise<void>(resolve => (over = resolve));
  const socket = await WireSocket.open(address, payload => {
    const start = payload.toString('latin1', 0, 20);
    if (start.startsWith('{"op":"error"')) throw new Error(payload.toString('utf8'));
    if (start.includes('"events"')) bytes += payload.length;
    if (start.includes('"caught-up"') || payload.toString('latin1', payload.length - 17).includes('"caught-up"'))
      over();
  });
  socket.sendText(says);
  await complete;
  const ms = performance.now() - begun;
  socket.close();
  return { ms, bytes };
}

const folder = mkdtempSync(join(tmpdir(), 'verbatim-resume-'));
const servers = new Map<ResumeSystem, Running>();
const figures = new Map<string, { p50: number; p99: number; cpu: number; bytes: number }[]>();
try {
  for (const { name } of SYSTEMS) servers.set(name, await start(name, join(folder, name)));
  const sizes = new Map<number, number>();
  // The first round warms up.
  for (let roundNumber = 0; roundNumber <= ROUNDS; roundNumber++)
    for (const missed of MISSED)
      // Ours come first, so that the peer knows how many bytes it is asked for.
      for (const { name } of SYSTEMS.toReversed()) {
        const server = servers.get(name);
        if (!server) continue;
        const bytes = sizes.get(missed) ?? 0;
        await server.child.ask('begin');
        const times: number[] = [];
        for (let i = 0; i < RESUMES; i++) {
          const says = name === 'bare' ? { bytes } : { op: 'subscribe', room: room(i), after: HEAD - missed };
          const got = await resume(server.address, JSON.stringify(says));
          if (name !== 'bare') sizes.set(missed, got.bytes);
          times.push(got.ms);
        }
        const cpu = (await server.child.ask('end')) / RESUMES;
        if (roundNumber === 0) continue;
        times.sort((a, b) => a - b);
        const key = `${missed} ${name}`;
        const figure = { p50: percentile(times, 0.5), p99: percentile(times, 0.99), cpu, bytes };
        figures.set(key, [...(figures.get(key) ?? []), figure]);
        console.error(`round ${roundNumber}, ${key}: p50 ${round(figure.p50, 2)} ms, ${round(cpu)} us`);
      }
} finally {
  for (const { child } of servers.values()) await child.end();
  rmSync(folder, { recursive: true, force: true });
}

const rows = MISSED.flatMap(missed => {
  const base = figures.get(`${missed} bare`) ?? [];
  return SYSTEMS.map(({ name, label }) => {
    const own = figures.get(`${missed} ${name}`) ?? [];
    const of = (pick: 'p50' | 'p99' | 'cpu') => median(own.map(figure => figure[pick]));
    const ratio = (pick: 'p50' | 'cpu') => median(own.map((figure, i) => figure[pick] / (base[i]?.[pick] ?? NaN)));
    const times = [round(of('p50'), 2), round(of('p99'), 2), round(ratio('p50'), 2)];
    return [missed, label, ...times, round(of('cpu')), round(ratio('cpu'), 2)];
  });
});
console.log(`resume: ${ROUNDS} rounds of ${RESUMES}, one after the other, ${ROOMS} rooms, ${machineLine()}\n`);
console.log(table(['missed', '', 'p50 ms', 'p99', 'ratio', 'server CPU, us', 'ratio'], rows));
