/**
 * After a cut, how long until a client has all it missed? From TCP connect to the last missed broadcast, p50, p95 and
 * p99, while 2,000 clients of one room are cut again and again, each at its own time or all at once. Compared with ws
 * and an application that keeps messages in memory, and with socket.io and its connection state recovery, in the same run,
 * one after the other; servers and clients are processes of their own. Then ours alone, restarted in the middle.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signToken } from '../src/auth/tokens.ts';
import { SOCKET_PATH, SUBPROTOCOL } from '../src/gateway/gateway.ts';
import { startChild, type Child } from './support/child-process.ts';
import { machineLine, versionOf } from './support/machine.ts';
import { percentile, round, table } from './support/stats.ts';
import type { StormPlan } from './support/storm-clients.ts';
import { startStormCrowd } from './support/storm-crowd.ts';
import type { StormServer } from './support/storm-server.ts';
import type { StormSystemName } from './support/storm-systems.ts';
import { WireSocket, type WireAddress } from './support/wire-socket.ts';

const CLIENTS = Number(process.env.CLIENTS ?? 2_000);
const BROADCASTS = Number(process.env.BROADCASTS ?? 120);
const ROOMS = Number(process.env.ROOMS ?? 1);
const INTERVAL_MS = 500;
const UP_MS = Number(process.env.UP_MS ?? 15_000);
const SETTLE_MS = 40_000;
const TEXT_BYTES = 200;
const asked = process.env.RUNS?.split(',');

type End = 'none' | 'kill -9' | 'SIGTERM';
const RUNS: readonly {
  readonly name: string;
  readonly system: StormSystemName;
  readonly cuts: StormPlan['cuts'];
  readonly end: End;
}[] = [
  { name: 'spread/verbatim', system: 'verbatim', cuts: 'spread', end: 'none' },
  { name: 'spread/ws', system: 'ws', cuts: 'spread', end: 'none' },
  { name: 'spread/socket-io', system: 'socket-io', cuts: 'spread', end: 'none' },
  { name: 'at-once/verbatim', system: 'verbatim', cuts: 'at-once', end: 'none' },
  { name: 'at-once/ws', system: 'ws', cuts: 'at-once', end: 'none' },
  { name: 'at-once/socket-io', system: 'socket-io', cuts: 'at-once', end: 'none' },
  { name: 'killed/verbatim', system: 'verbatim', cuts: 'spread', end: 'kill -9' },
  { name: 'stopped/verbatim', system: 'verbatim', cuts: 'spread', end: 'SIGTERM' },
];

const LABELS: Record<StormSystemName, string> = {
  verbatim: 'Verbatim, durable',
  ws: `ws ${versionOf('ws')}, messages in memory`,
  'socket-io': `socket.io ${versionOf('socket.io')}, state recovery`,
};

const secret = randomBytes(32).toString('hex');
const rooms = Array.from({ length: ROOMS }, () => `conversation:${randomUUID()}`);
const sleepUntil = (at: number) =>
  new Promise<void>(resolve => setTimeout(resolve, Math.max(0, at - performance.now())));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise(resolve => server.close(resolve));
  return port;
}

/** Sends commands to ours, each until it is acknowledged, across any restart. */
class Publisher {
  private readonly address: WireAddress;
  private socket: WireSocket | undefined;
  private readonly open = new Map<string, string>();

  constructor(address: WireAddress) {
    this.address = address;
    this.connect();
  }

  private connect(): void {
    WireSocket.begin(this.address, {
      onText: payload => {
        const frame = JSON.parse(payload.toString('utf8')) as { op: string; id?: string };
        if (frame.op === 'ack') this.open.delete(frame.id ?? '');
        else if (frame.op === 'nack') console.error(payload.toString('utf8'));
      },
      onUpgraded: socket => {
        this.socket = socket;
        for (const frame of this.open.values()) socket.sendText(frame);
      },
      onLost: () => {
        this.socket = undefined;
        setTimeout(() => {
          this.connect();
        }, 50);
      },
    });
  }

  send(room: string, command: string, data: object): void {
    const id = randomUUID();
    const frame = JSON.stringify({ op: 'send', id, room, command, data });
    this.open.set(id, frame);
    this.socket?.sendText(frame);
  }

  async settled(): Promise<void> {
    while (this.open.size > 0) await new Promise(resolve => setTimeout(resolve, 5));
  }

  close(): void {
    this.socket?.close();
  }
}

async function run({ system, cuts, end }: (typeof RUNS)[number]): Promise<(string | number)[]> {
  const folder = mkdtempSync(join(tmpdir(), 'verbatim-storm-'));
  const port = await freePort();
  const start = () => startChild<StormServer>('storm-server', [system, String(port), folder, secret]);
  let server: Child<StormServer> = start();
  const clients = startStormCrowd();
  try {
    await server.ask('port');
    const address = await addressOf(system, port);
    const publisher = system === 'verbatim' ? new Publisher(address) : undefined;
    for (const room of rooms) publisher?.send(room, 'StartConversation', { channel: 'web' });
    await publisher?.settled();
    await clients.connect({ system, address, secret, clients: CLIENTS, rooms, cuts, upMs: UP_MS });
    await server.ask('begin');
    await clients.storm();
    const sentAt: number[] = [];
    const begun = performance.now();
    for (let seq = 0; seq < BROADCASTS; seq++) {
      await sleepUntil(begun + seq * INTERVAL_MS);
      const text = `#${seq}# ${'and on it goes '.repeat(20)}`.slice(0, TEXT_BYTES);
      sentAt.push(performance.timeOrigin + performance.now());
      if (publisher) for (const room of rooms) publisher.send(room, 'PostMessage', { text });
      else await server.ask('broadcast', text);
      if (end === 'none' || seq !== Math.floor(BROADCASTS / 2)) continue;
      await (end === 'kill -9' ? server.kill() : server.ask('stop').then(() => server.end()));
      server = start();
    }
    await publisher?.settled();
    publisher?.close();
    const cpuMs = await server.ask('end');
    const {
      expected,
      delivered,
      duplicates,
      disordered,
      replayMs,
      cuts: made,
    } = await clients.settle(sentAt, SETTLE_MS);
    const at = (share: number) => round(percentile(replayMs, share), 1);
    // While a server is down broadcasts wait for it, and what is measured then is its start.
    const figures = end === 'none' ? [at(0.5), at(0.95), at(0.99), at(1)] : ['', '', '', ''];
    return [
      end === 'none' ? cuts : `${cuts}, ${end}`,
      ...[LABELS[system], ...figures, replayMs.length, made, `${round((100 * delivered) / expected, 4)} %`],
      ...[duplicates, disordered, end === 'none' ? round(cpuMs / 1_000, 1) : ''],
    ];
  } finally {
    await clients.end();
    await server.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function addressOf(system: StormSystemName, port: number): Promise<WireAddress> {
  if (system === 'ws') return { port, path: '/' };
  if (system === 'socket-io') return { port, path: '/socket.io/?EIO=4&transport=websocket' };
  const claims = {
    sub: 'agent-1',
    tenant: 'default',
    role: 'agent',
    rooms: [],
    expiresAt: Date.now() + 3_600_000,
  } as const;
  const token = await signToken(Buffer.from(secret), claims);
  return { port, path: SOCKET_PATH, protocol: SUBPROTOCOL, authorization: `Bearer ${token}` };
}

const HEADER = [
  'cuts',
  '',
  'p50 ms',
  'p95',
  'p99',
  'max',
  'replays',
  'cuts',
  'delivered',
  'duplicates',
  'out of order',
  'server CPU s',
];
const rows: (string | number)[][] = [];
for (const each of RUNS) {
  if (asked && !asked.some(name => each.name.startsWith(name))) continue;
  const row = await run(each);
  rows.push(row);
  console.error(row.join(' | '));
}
console.log(
  `reconnect-storm: ${CLIENTS} clients, ${ROOMS} room(s), ${BROADCASTS} broadcasts at 2/s, ${machineLine()}\n`,
);
console.log(table(HEADER, rows));
