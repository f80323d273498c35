/**
 * The kill storm: a served process under mixed load (sends, edits, redactions, notes, receipts, resumes of many rooms,
 * commands over HTTP, imports, exports) is killed with -9 at random instants: serving, in the first moments of a start,
 * just ready, in the middle of a drain, and several times in a row. Afterwards a process that has seen nothing of it holds
 * what the clients noted down against the log.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { startKillChild } from './kill-child.ts';
import type { KillChild } from './kill-child.ts';
import type { JudgeOrder, Verdict } from './kill-judge.ts';
import type { LoadOrder } from './kill-load.ts';
import { randomOf, SCALE, SEED } from './scale.ts';

const KILLS_FULL = 1_000;
/** So that a quarter of the scale is 25 kills, which fit into a minute. */
const KILLS_EXPONENT = Math.log(40) / Math.log(4);
const KILLS = Math.max(8, Math.round(KILLS_FULL * SCALE ** KILLS_EXPONENT));
const SECRET = 'the-secret-of-the-kill-storm-0123456789abcdef';
const MINUTE_MS = 60_000;
const PROGRESS_EVERY = 50;
/** A storm runs for long, and must outlive whatever else its machine has to do. */
const READY_MS = 3 * MINUTE_MS;
const SETTLE_MS = 10 * MINUTE_MS;

/** When in a server's life it is killed, how often of twenty times, and the longest wait before it. */
const MOMENTS = [
  { name: 'serving', often: 11, waitMs: 500 },
  { name: 'starting', often: 4, waitMs: 600 },
  { name: 'just ready', often: 2, waitMs: 5 },
  { name: 'draining', often: 3, waitMs: 250 },
] as const;
type Moment = (typeof MOMENTS)[number];

const folder = mkdtempSync(join(tmpdir(), 'verbatim-kills-'));
const children: KillChild<never>[] = [];
let server: ServerProcess | undefined;

afterAll(async () => {
  for (const child of children) child.kill();
  await server?.dispose();
  rmSync(folder, { recursive: true });
});

describe('kill storm', () => {
  it(`GW-3, GW-7, GW-8: ${KILLS} kill -9 under mixed load: nothing acked is lost, nothing is there twice, every reader is whole`, async () => {
    console.log(`SEED=${SEED} SCALE=${SCALE}`);
    const begunMs = performance.now();
    server = await startServer({
      environment: {
        ...{ JWT_SECRET: SECRET, HOST: '127.0.0.1', LOG_LEVEL: 'warn', SHUTDOWN_GRACE_MS: '3000' },
        // Small, so that segments roll and the index is flushed thousands of times.
        ...{ SEGMENT_BYTES: '1048576', INDEX_FLUSH_MS: '50', RECONNECT_SPREAD_MS: '100' },
      },
    });
    const at = {
      httpUrl: server.httpUrl,
      gatewayUrl: server.gatewayUrl,
      secret: SECRET,
      journal: join(folder, 'journal'),
    };
    const scale = { SEED: String(SEED), SCALE: String(SCALE) };
    const load = started(startKillChild<LoadOrder>('kill-load.ts', scale));
    await load.tell({ op: 'begin', options: at }, MINUTE_MS);
    const killed = await killAgainAndAgain(server);
    await load.tell({ op: 'settle' }, SETTLE_MS);
    await load.tell({ op: 'finish' }, SETTLE_MS);

    await server.kill9();
    await server.start();
    const judge = started(startKillChild<JudgeOrder>('kill-judge.ts', scale));
    const options = { ...at, dataFolder: server.dataFolder };
    await judge.tell({ op: 'read', options }, SETTLE_MS);
    await server.kill9();
    const { violations, counts } = await judge.tell<Verdict>({ op: 'judge', options }, SETTLE_MS);
    const seconds = Math.round((performance.now() - begunMs) / 1_000);
    console.log(`  kills: ${JSON.stringify(killed.moments)}; ${JSON.stringify(counts)}; ${seconds} s`);
    expect(violations).toEqual([]);
    expect(killed.complaints).toEqual([]);

    // The run must have been one: every moment was met, and work was under way when the server died.
    for (const { name, often } of MOMENTS)
      expect(killed.moments[name], name).toBeGreaterThanOrEqual(Math.floor(KILLS / 20) * (often - 1));
    expect(counts.acked).toBeGreaterThan(KILLS * 5);
    expect(counts.duplicates).toBeGreaterThan(0);
    for (const what of ['imports', 'exports', 'seen']) expect(counts[what], what).toBeGreaterThan(0);
  });
});

function started<Order extends { readonly op: string }>(child: KillChild<Order>): KillChild<Order> {
  children.push(child);
  return child;
}

interface Killed {
  readonly moments: Record<string, number>;
  /** Lines that a server wrote and never should: of level error, or of a command that failed or crashed. */
  readonly complaints: string[];
}

async function killAgainAndAgain(at: ServerProcess): Promise<Killed> {
  const random = randomOf('kills');
  const moments: Record<string, number> = Object.fromEntries(MOMENTS.map(({ name }) => [name, 0]));
  const complaints: string[] = [];
  let deck: Moment[] = [];
  for (let kill = 1; kill <= KILLS;) {
    if (deck.length === 0) deck = shuffled(random);
    const moment = deck.pop() ?? MOMENTS[0];
    if (!at.isRunning()) at.launch();
    if (moment.name !== 'starting') await at.untilReady(READY_MS);
    if (moment.name === 'draining') {
      await delay(random() * 300);
      at.signal('SIGTERM');
    }
    await delay(random() * moment.waitMs);
    const wasRunning = at.isRunning();
    await at.kill9();
    complaints.push(...complaintsOf(at.output()));
    // A drain may have come to its end before; that was a stop and no kill.
    if (!wasRunning && moment.name === 'draining') {
      deck.push(moment);
      continue;
    }
    if (!wasRunning) complaints.push(`ended by itself: ${at.output()}`);
    moments[moment.name] = (moments[moment.name] ?? 0) + 1;
    if (kill % PROGRESS_EVERY === 0) console.log(`  ${kill} kills`);
    kill += 1;
  }
  at.launch();
  await at.untilReady(READY_MS);
  return { moments, complaints };
}

/** Twenty moments in any order, so that each comes as often as it should. */
function shuffled(random: () => number): Moment[] {
  const deck = MOMENTS.flatMap(moment => Array.from({ length: moment.often }, () => moment));
  return deck
    .map(moment => ({ moment, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ moment }) => moment);
}

function complaintsOf(output: string): string[] {
  return output
    .split('\n')
    .filter(line => line.includes('"level":"error"') || /^(?!\{).*(Error:|verbatim:)/.test(line));
}
