/**
 * Thousands of sockets of one node that are cut, all at once or each at its own time, while it is killed, restarted and
 * drained: every broadcast reaches everybody once and in order, and the resumes do not become reads of the log. The
 * clients are raw sockets in processes of their own.
 */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { StormPlan } from '../../bench/support/storm-clients.ts';
import { startStormCrowd } from '../../bench/support/storm-crowd.ts';
import type { StormCrowd } from '../../bench/support/storm-crowd.ts';
import { visitorOf } from '../../bench/support/storm-rooms.ts';
import { startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { connectWire } from '../support/wire-client.ts';
import type { WireClient } from '../support/wire-client.ts';
import { SCALE, scaled, SEED } from './scale.ts';

const CLIENTS = scaled(2_000, 100);
const BROADCASTS = scaled(120, 24);
const UP_MS = scaled(15_000, 4_000);
const RESTARTED_SOCKETS = scaled(5_000, 200);
const RESTARTED_ROOMS = scaled(500, 20);
const INTERVAL_MS = 500;
const SETTLE_MS = 40_000;
const SECRET = 'a secret that is long enough for the storm of reconnects';

let server: ServerProcess | undefined;
let clients: StormCrowd | undefined;

afterEach(async () => {
  await clients?.end();
  await server?.dispose();
  server = clients = undefined;
});

async function begin(
  rooms: readonly string[],
  cuts: StormPlan['cuts'],
  count: number,
  visitors = 0,
): Promise<WireClient> {
  console.log(`SEED=${SEED} SCALE=${SCALE}`);
  server = await startServer({ environment: { JWT_SECRET: SECRET, SENDS_PER_SECOND_MAX: '100000' } });
  const url = new URL(server.gatewayUrl);
  const publisher = await connectWire(server.gatewayUrl, server.token('service', 'publisher'));
  for (const [i, room] of rooms.entries())
    await send(publisher, room, 'StartConversation', { channel: 'chaos', visitor: visitorOf(i) });
  clients = startStormCrowd();
  const address = { port: Number(url.port), path: url.pathname, protocol: 'verbatim.v1' };
  const plan = {
    system: 'verbatim',
    address,
    secret: SECRET,
    clients: count,
    visitors,
    rooms,
    cuts,
    upMs: UP_MS,
  } as const;
  await clients.connect(plan);
  return publisher;
}

async function send(
  publisher: WireClient,
  room: string,
  command: string,
  data: object,
  id: string = randomUUID(),
): Promise<void> {
  publisher.send({ op: 'send', id, room, command, data });
  const answer = await publisher.nextOf('ack');
  if (answer.id !== id) throw new Error(`Another ack came: ${JSON.stringify(answer)}`);
}

/** What Prometheus would read. */
async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${server?.httpUrl ?? ''}/metrics`)).text();
  const found = new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1];
  if (found === undefined) throw new Error(`There is no metric ${name}.`);
  return Number(found);
}

describe('a storm of reconnects', () => {
  it.each([
    ['spread', 'kill9'],
    ['at-once', 'stop'],
  ] as const)(
    `GW-3, GW-11, GW-12: ${CLIENTS} clients, cuts %s, and a restart by %s: every broadcast, once, in order`,
    async (cuts, end) => {
      const room = 'conversation:storm';
      let publisher = await begin([room], cuts, CLIENTS);
      const sentAt: number[] = [];
      await clients?.storm();
      for (let seq = 0; seq < BROADCASTS; seq++) {
        const due = performance.now() + INTERVAL_MS;
        sentAt.push(performance.timeOrigin + performance.now());
        await send(publisher, room, 'PostMessage', { text: `#${seq}#` });
        if (seq === Math.floor(BROADCASTS / 2)) {
          await server?.[end]();
          await server?.start();
          publisher = await connectWire(server?.gatewayUrl ?? '', server?.token('service', 'publisher') ?? '');
        }
        await new Promise(resolve => setTimeout(resolve, Math.max(0, due - performance.now())));
      }
      const verdict = await clients?.settle(sentAt, SETTLE_MS);
      const { replayMs, ...counts } = verdict ?? { replayMs: [] };
      console.log(`  ${JSON.stringify(counts)}, ${replayMs.length} replays`);
      expect(counts).toMatchObject({
        ...{ expected: CLIENTS * BROADCASTS, delivered: CLIENTS * BROADCASTS, lost: 0, duplicates: 0, disordered: 0 },
      });
      // The run must have been a storm.
      expect(replayMs.length).toBeGreaterThanOrEqual(CLIENTS);
      expect(await metric('verbatim_room_reads_total')).toBeLessThanOrEqual(1);
      await publisher.close();
    },
  );

  it(`GW-11: a node with ${RESTARTED_SOCKETS} sockets in ${RESTARTED_ROOMS} rooms, a visitor in each, is killed: all are back and whole, one read a room`, async () => {
    const rooms = Array.from({ length: RESTARTED_ROOMS }, (_, i) => `conversation:room-${i}`);
    let publisher = await begin(rooms, 'none', RESTARTED_SOCKETS, RESTARTED_ROOMS);
    const sentAt: number[] = [];
    const broadcast = async (): Promise<void> => {
      const text = `#${sentAt.length}#`;
      sentAt.push(performance.timeOrigin + performance.now());
      for (const room of rooms) await send(publisher, room, 'PostMessage', { text });
    };
    for (let i = 0; i < 3; i++) await broadcast();
    await server?.kill9();
    const startedMs = await server?.start();
    publisher = await connectWire(server?.gatewayUrl ?? '', server?.token('service', 'publisher') ?? '');
    const deadline = performance.now() + SETTLE_MS;
    const isBack = async () => (await metric('verbatim_subscriptions')) === RESTARTED_SOCKETS;
    while (!(await isBack()) && performance.now() < deadline) await new Promise(resolve => setTimeout(resolve, 100));
    await broadcast();
    const { replayMs: _, ...counts } = (await clients?.settle(sentAt, SETTLE_MS)) ?? { replayMs: [] };
    const reads = await metric('verbatim_room_reads_total');
    const allReads = await metric('verbatim_conversation_reads_total');
    console.log(
      `  ${JSON.stringify(counts)}, ${reads} reads of rooms, ${allReads} in all, started in ${startedMs?.toFixed(0) ?? '?'} ms`,
    );
    const expected = RESTARTED_SOCKETS * sentAt.length;
    expect(counts).toMatchObject({ expected, delivered: expected, lost: 0, duplicates: 0, disordered: 0 });
    // Each room was in nobody's memory, so one read a room on average is one each, for whatever: the tail, what the
    // visitor's access is asked of, and the state that the broadcast's command is decided on.
    expect([reads, allReads]).toEqual([RESTARTED_ROOMS, RESTARTED_ROOMS]);
    await publisher.close();
  });
});
