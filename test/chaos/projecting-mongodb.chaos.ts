/**
 * Read models on a MongoDB that dies, hangs and answers slowly, and servers that are killed while they project into it. Chat
 * goes on meanwhile; queries say that they cannot, and when to ask again; the projector catches up; the log of the incident has
 * a beginning and an end. Two servers that project one log into one MongoDB never make a wrong document.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { percentile } from '../../bench/support/stats.ts';
import { findSecantusDb } from '../support/external-tools.ts';
import { startMongoDb } from '../support/mongodb-server.ts';
import type { MongoDbProcess } from '../support/mongodb-server.ts';
import { startNodeProcess } from '../support/node-process.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { ConversationTraffic } from './conversation-traffic.ts';
import { Deck, expectRightAnswers, expectVerified, importUntilThere, readLines } from './read-side-process.ts';
import { UNLIMITED, untilCaughtUp } from './read-side-process.ts';
import { randomOf, SCALE, scaled, SEED } from './scale.ts';
import { SteadyPoster } from './steady-posters.ts';

/** SecantusDB is slow: a small part of it must fit into a minute or two. */
const LINES = Math.max(250, Math.round(5_000 * SCALE ** 2));
const KILLS = scaled(16, 4);
const PAIR_KILLS = scaled(8, 3);
const PAIR_LINES = Math.max(150, Math.round(2_000 * SCALE ** 2));
const CONVERSATIONS = scaled(40, 12);
const INCIDENT_MS = scaled(20_000, 10_000);
const READY_MS = 180_000;
const WAIT_MS = 2_000;
/** An operation on MongoDB is given up after so long, in which a SecantusDB must be able to make a whole commit. */
const TIMEOUT_MS = 4_000;
const SLOW_MS = 9_000;
/** On a machine with other work to do. */
const ACK_P95_MS_MAX = 1_000;
/** What answers is looked for once more where a query fails. */
const ANSWER_MS_MAX = 2 * TIMEOUT_MS + 4_000;
/** Of an incident, both projections together: that it began, that it ended, and a few words more. */
const INCIDENT_LINES_MAX = 8;
const SECRETS = { JWT_SECRET: 'the-secret-of-two-nodes-0123456789abcdef', ROOT_SECRET: 'ab'.repeat(32) };

const mongoDb = findSecantusDb();
const things: { dispose(): Promise<void> }[] = [];
afterAll(async () => {
  for (const thing of things.reverse()) await thing.dispose();
});

function disposedOfAtTheEnd<Thing extends { dispose(): Promise<void> }>(thing: Thing): Thing {
  things.push(thing);
  return thing;
}

/** Through the proxy, and to no other address that the server tells of. */
async function behindProxy(mongo: MongoDbProcess): Promise<{ readonly url: string; readonly proxy: TcpProxy }> {
  const fresh = new URL(mongo.freshUrl());
  const proxy = await startTcpProxy({ port: Number(fresh.port) });
  disposedOfAtTheEnd({ dispose: () => proxy.close() });
  return { url: `mongodb://127.0.0.1:${proxy.port}${fresh.pathname}?directConnection=true`, proxy };
}

describe('read models on a MongoDB', () => {
  it.skipIf(!mongoDb.found)(
    `${KILLS} kill -9 of MongoDB and the server, then a MongoDB that is dead, hangs and is slow: chat goes on, nothing is lost`,
    async () => {
      console.log(`SEED=${SEED} SCALE=${SCALE}`);
      const mongo = disposedOfAtTheEnd(await startMongoDb());
      const { url, proxy } = await behindProxy(mongo);
      const at = disposedOfAtTheEnd(
        await startServer({
          environment: {
            ...{ ...UNLIMITED, LOG_LEVEL: 'info', MONGODB_URL: url, MONGODB_TIMEOUT_MS: String(TIMEOUT_MS) },
            ...{ PROJECTION_RETRY_MS_MAX: '1000', QUERY_WAIT_MS_MAX: '60000' },
          },
        }),
      );
      const traffic = trafficOf(at, 'mongo', CONVERSATIONS);
      await traffic.begin(4);
      const lines = readLines(LINES);
      const ended = new AbortController();
      const working = traffic.run(ended.signal, 2, 50);
      const importing = importUntilThere(at, lines);
      const killed = await killBoth(mongo, at);
      await importing;
      ended.abort();
      await working;
      await untilCaughtUp(at);

      const poster = new SteadyPoster({
        ...{ gatewayUrl: at.gatewayUrl, token: at.token('agent', 'ada'), name: 'meanwhile', rooms: 5, perSecond: 10 },
      });
      await poster.begin();
      // From then on their keys are in memory: who is new has to wait for MongoDB, who talks already has not.
      while (poster.rooms.some(({ posts }) => posts === 0)) await delay(50);
      const incidents: Incident[] = [
        { name: 'dead', begin: () => mongo.kill9(), end: () => mongo.start() },
        { name: 'hanging', begin: () => mongo.hang(), end: () => mongo.goOn() },
        { name: 'slow', begin: () => proxy.slow(SLOW_MS), end: () => proxy.slow(0) },
      ];
      for (const incident of incidents) await expectCalm(at, poster, incident);
      await poster.end();
      expect(poster.refusals).toEqual([]);

      await untilCaughtUp(at);
      await expectVerified(at);
      const conversations = [
        ...new Set(lines.map(({ conversation }) => conversation)),
        ...traffic.conversations(),
        ...poster.rooms.map(({ conversation }) => conversation),
      ];
      const counts = await expectRightAnswers(at, conversations, BigInt(poster.position));
      console.log(`  killed: ${JSON.stringify(killed)}; ${JSON.stringify({ commands: traffic.answered, ...counts })}`);
    },
  );

  it.skipIf(!mongoDb.found)(
    `two servers project one log into one MongoDB, ${PAIR_KILLS} of them killed: never a wrong document`,
    async () => {
      const mongo = disposedOfAtTheEnd(await startMongoDb());
      const node = disposedOfAtTheEnd(await startNodeProcess());
      const [url, servers] = [mongo.freshUrl(), [] as ServerProcess[]];
      for (let i = 0; i < 2; i++) servers.push(disposedOfAtTheEnd(await startServer(nodeOptions(node, url))));
      const [one, other] = servers as [ServerProcess, ServerProcess];
      const lines = readLines(PAIR_LINES);
      const traffics = servers.map((server, i) => trafficOf(server, `pair-${i}`, CONVERSATIONS / 2));
      for (const traffic of traffics) await traffic.begin(2);
      const ended = new AbortController();
      const working = traffics.map(traffic => traffic.run(ended.signal, 2, 50));
      const importing = importUntilThere(one, lines);
      const random = randomOf('pair');
      for (let kill = 0; kill < PAIR_KILLS; kill++) {
        await delay(WAIT_MS * random());
        const victim = kill % 2 === 0 ? other : one;
        await victim.kill9();
        await delay(WAIT_MS * random());
        victim.launch();
        await victim.untilReady(READY_MS);
      }
      await importing;
      ended.abort();
      await Promise.all(working);

      const conversations = [
        ...new Set(lines.map(({ conversation }) => conversation)),
        ...traffics.flatMap(traffic => traffic.conversations()),
      ];
      const position = traffics.reduce((most, traffic) => (traffic.position > most ? traffic.position : most), -1n);
      const counts = await expectRightAnswers(one, conversations, position);
      await expectVerified(other);
      console.log(`  ${PAIR_KILLS} kills; ${JSON.stringify(counts)}`);
    },
  );
});

function nodeOptions(node: NodeProcess, url: string): { readonly environment: Readonly<Record<string, string>> } {
  return {
    environment: {
      ...{ ...UNLIMITED, ...SECRETS, EVENTSTORE_URL: node.url, MONGODB_URL: url, LOG_LEVEL: 'warn' },
      ...{ PROJECTION_STANDBY_MS: '300', PROJECTION_RETRY_MS_MAX: '1000', QUERY_WAIT_MS_MAX: '60000' },
    },
  };
}

function trafficOf(at: ServerProcess, name: string, conversations: number): ConversationTraffic {
  const token = (role: string, sub: string): string => at.token(role, sub);
  return new ConversationTraffic({ httpUrl: at.httpUrl, random: randomOf(name), name, conversations, token });
}

const VICTIMS = [
  { name: 'MongoDB', often: 2 },
  { name: 'the server', often: 1 },
  { name: 'both', often: 1 },
] as const;

async function killBoth(mongo: MongoDbProcess, at: ServerProcess): Promise<Record<string, number>> {
  const random = randomOf('mongodb kills');
  const deck = new Deck<(typeof VICTIMS)[number]>(VICTIMS, random);
  const killed: Record<string, number> = {};
  for (let kill = 0; kill < KILLS; kill++) {
    await delay(WAIT_MS * random());
    const { name } = deck.deal();
    killed[name] = (killed[name] ?? 0) + 1;
    await Promise.all([name !== 'the server' && mongo.kill9(), name !== 'MongoDB' && at.kill9()]);
    await delay(WAIT_MS * random() ** 2);
    // The server first, so that it begins while its MongoDB is away.
    if (name !== 'MongoDB') at.launch();
    if (name !== 'the server') await mongo.start();
    await at.untilReady(READY_MS);
  }
  return killed;
}

interface Incident {
  readonly name: string;
  readonly begin: () => unknown;
  readonly end: () => unknown;
}

/** Chat goes on while it lasts, queries say what is the matter, and afterwards all of it is shown. */
async function expectCalm(at: ServerProcess, poster: SteadyPoster, { name, begin, end }: Incident): Promise<void> {
  await untilCaughtUp(at);
  const [logged, acked] = [at.output().length, poster.ackMs.length];
  await begin();
  const deadlineMs = performance.now() + INCIDENT_MS;
  const answers: Asked[] = [];
  while (performance.now() < deadlineMs) {
    answers.push(await askWhatIsUp(at, poster));
    await delay(50);
  }
  const acks = poster.ackMs.slice(acked).sort((a, b) => a - b);
  await end();
  const endedMs = performance.now();
  await untilShown(at, poster);
  const caughtUpMs = performance.now() - endedMs;
  await untilCaughtUp(at);

  const refused = answers.filter(({ status }) => status === 503);
  const slowest = answers.reduce((most, { ms }) => Math.max(most, ms), 0);
  const lines = incidentLines(at.output().slice(logged));
  const p95 = percentile(acks, 0.95);
  console.log(
    `  ${name}: ${acks.length} acks, p95 ${p95.toFixed(0)} ms; ${refused.length} of ${answers.length} queries answered 503, ` +
      `the slowest after ${slowest.toFixed(0)} ms; caught up ${caughtUpMs.toFixed(0)} ms after; ${lines.length} lines in the log`,
  );
  expect(answers.filter(({ status, retryAfter }) => status !== 200 && !(status === 503 && retryAfter >= 1))).toEqual(
    [],
  );
  expect(refused.length).toBeGreaterThan(0);
  expect(slowest).toBeLessThan(ANSWER_MS_MAX);
  expect(acks.length).toBeGreaterThan(INCIDENT_MS / 1_000);
  expect(p95).toBeLessThan(ACK_P95_MS_MAX);
  expect(lines.length, lines.join('\n')).toBeLessThanOrEqual(INCIDENT_LINES_MAX);
  expect(
    lines.some(line => line.includes('projecting waits for a store that is away')),
    lines.join('\n'),
  ).toBe(true);
  expect(
    lines.some(line => line.includes('projecting goes on')),
    lines.join('\n'),
  ).toBe(true);
}

interface Asked {
  readonly status: number;
  /** In seconds; NaN: none. */
  readonly retryAfter: number;
  readonly ms: number;
}

async function askWhatIsUp(at: ServerProcess, poster: SteadyPoster): Promise<Asked> {
  const room = poster.rooms[0]?.conversation ?? '';
  const askedMs = performance.now();
  const answer = await fetch(`${at.httpUrl}/v1/conversations/${room}/messages`, {
    headers: { authorization: `Bearer ${at.token('agent', 'ada')}` },
  });
  await answer.text();
  const retryAfter = Number.parseInt(answer.headers.get('retry-after') ?? '', 10);
  return { status: answer.status, retryAfter, ms: performance.now() - askedMs };
}

/** Everything that was acked by now. */
async function untilShown(at: ServerProcess, poster: SteadyPoster): Promise<void> {
  const [room] = poster.rooms;
  if (room === undefined) return;
  const { position, lastRev, conversation } = room;
  const headers = { authorization: `Bearer ${at.token('agent', 'ada')}` };
  const path = `/v1/conversations/${conversation}/messages?minPosition=${position}`;
  for (;;) {
    const answer = await fetch(`${at.httpUrl}${path}`, { headers });
    const text = await answer.text();
    if (answer.status === 200) {
      const { messages } = JSON.parse(text) as { readonly messages: readonly { readonly rev: number }[] };
      expect(messages.at(-1)?.rev).toBeGreaterThanOrEqual(lastRev);
      return;
    }
    expect(answer.status).toBe(503);
    await delay(100);
  }
}

/** Without the line that each request has. */
function incidentLines(output: string): string[] {
  return output.split('\n').filter(line => line !== '' && !line.includes('"message":"request"'));
}
