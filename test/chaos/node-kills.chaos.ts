/**
 * Verbatim on an EventStoreDB that dies: `verbatim serve` with EVENTSTORE_URL before a `verbatim node`. Clients in Python
 * talk, edit and resume while their connections are cut, an import is run until it has come through, and at random
 * instants the node, Verbatim or both are killed with -9 and restarted. Afterwards every journal, the imported file and a
 * repeat of every acked message are held against the log.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { startNodeProcess } from '../support/node-process.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { byConversation, linesOf, readNdjson, SAMPLE, toNdjson, WHOLE_FILE } from '../support/sample.ts';
import type { SampleLine } from '../support/sample.ts';
import { cleanEnvironment, REPOSITORY, startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { readRooms } from '../support/wire-client.ts';
import type { WireEvent } from '../support/wire-client.ts';
import { checkRun } from './checker.ts';
import { checkImport } from './import-checker.ts';
import { checkRepeats, repeatPosts } from './repeats.ts';
import { randomOf, SCALE, scaled, SEED } from './scale.ts';
import {
  endTalkers,
  python,
  readJournal,
  readLog,
  START_ID,
  startConversation,
  startTalker,
  threeTalkers,
} from './talkers.ts';
import type { RunningTalker } from './talkers.ts';

const KILLS = scaled(60, 6);
const CUTS = scaled(100, 10);
const LINES = scaled(20_000, 2_000);
/** Whose life ends, how often of ten times. Twice in a row: the node a second time while it starts. */
const VICTIMS = ['node', 'node', 'node', 'node', 'node', 'twice', 'twice', 'verbatim', 'verbatim', 'both'] as const;
type Victim = (typeof VICTIMS)[number];
const WAIT_MS = 1_500;
/** A storm must outlive whatever else its machine has to do. */
const READY_MS = 180_000;
const DIFFERENCES_SHOWN = 20;
/** With nothing dying any more, an import may still meet what was dying when it began. */
const CALM_TRIES_MAX = 3;

const folder = mkdtempSync(join(tmpdir(), 'verbatim-node-kills-'));
const children: ChildProcess[] = [];
let node: NodeProcess | undefined;
let server: ServerProcess | undefined;

afterAll(async () => {
  endTalkers();
  for (const child of children) child.kill('SIGKILL');
  await server?.dispose();
  await node?.dispose();
  rmSync(folder, { recursive: true });
});

describe('Verbatim on a node', () => {
  it.skipIf(!python.found)(
    `GW-3, GW-7, GW-8: ${KILLS} kill -9 of the node and of Verbatim, ${CUTS} cuts: nothing acked is lost, nothing is there twice, every reader is whole`,
    async () => {
      console.log(`SEED=${SEED} SCALE=${SCALE}`);
      // Small, so that segments roll and the index is flushed often.
      const log = await startNodeProcess({ SEGMENT_BYTES: '1048576', INDEX_FLUSH_MS: '50' });
      node = log;
      const at = await startServer({
        environment: { EVENTSTORE_URL: log.url, SENDS_PER_SECOND_MAX: '100000', LOG_LEVEL: 'warn' },
      });
      server = at;
      await startConversation(at);
      const talkers = threeTalkers(CUTS).map(talker => startTalker(at, talker, folder, { storeMayBeAway: true }));
      const lines = readLines();
      let isStorming = true;
      const imported = importUntilDone(at, lines, () => isStorming);
      const killed = await killAgainAndAgain(at, log);
      isStorming = false;
      const imports = await imported;
      const sent = await settle(at, talkers);

      await Promise.all([at.kill9(), log.kill9()]);
      at.launch();
      await log.start();
      await at.untilReady(READY_MS);
      await judge(at, talkers, lines);
      expect((await readLog(at)).length, 'neither lost nor repeated').toBe(sent + 1);
      console.log(
        `  killed: ${JSON.stringify(killed)}; ${sent} messages, ${lines.length} lines, imports: ${JSON.stringify(imports)}`,
      );
      // The run must have been one: work was under way when something died.
      if (SCALE >= 0.5) expect(imports.interrupted).toBeGreaterThan(0);
      expect(killed.node + killed.twice).toBeGreaterThanOrEqual(KILLS / 3);
    },
  );
});

async function killAgainAndAgain(at: ServerProcess, log: NodeProcess): Promise<Record<Victim, number>> {
  const random = randomOf('node-kills');
  const killed = { node: 0, twice: 0, verbatim: 0, both: 0 };
  // Dealt from a shuffled deck, so that a short storm has something of everything.
  let deck: Victim[] = [];
  for (let kill = 1; kill <= KILLS; kill++) {
    await delay(WAIT_MS * random());
    if (deck.length === 0) deck = [...VICTIMS];
    const victim = deck.splice(Math.floor(random() * deck.length), 1)[0] ?? 'node';
    killed[victim] += 1;
    const [hitsNode, hitsVerbatim] = [victim !== 'verbatim', victim === 'verbatim' || victim === 'both'];
    await Promise.all([hitsNode && log.kill9(), hitsVerbatim && at.kill9()]);
    // How long it stays away.
    await delay(WAIT_MS * random() ** 2);
    if (victim === 'twice') {
      const starting = log.start();
      await delay(400 * random());
      await log.kill9();
      await starting;
    }
    if (hitsVerbatim) at.launch();
    if (hitsNode) await log.start();
    // A node alone may die again before Verbatim has found it.
    if (hitsVerbatim) await at.untilReady(READY_MS);
  }
  await at.untilReady(READY_MS);
  return killed;
}

/** Resolves to the number of messages sent, once every client has every answer and has seen the room to its end. */
async function settle(at: ServerProcess, talkers: readonly RunningTalker[]): Promise<number> {
  for (const talker of talkers) talker.order({ op: 'settle' });
  const settled = await Promise.all(talkers.map(talker => talker.answer('settled')));
  const head = (await readLog(at)).length - 1;
  for (const talker of talkers) talker.order({ op: 'finish', head });
  await Promise.all(talkers.map(talker => talker.answer('finished')));
  return settled.reduce((sum, answer) => sum + Number(answer.sent), 0);
}

async function judge(
  at: ServerProcess,
  talkers: readonly RunningTalker[],
  lines: readonly SampleLine[],
): Promise<void> {
  const log = await readLog(at);
  const journals = talkers.map(readJournal);
  expect(checkRun({ log, journals, foreign: new Set([START_ID]) })).toEqual([]);
  const rooms = await readImported(at, lines);
  expect(checkImport(lines, rooms).slice(0, DIFFERENCES_SHOWN)).toEqual([]);
  for (const [index, talker] of talkers.entries()) {
    const journal = journals[index];
    if (!journal) throw new Error(`${talker.name} wrote no journal.`);
    const repeats = await repeatPosts(at, talker, journal);
    expect(repeats.length).toBeGreaterThan(0);
    expect(checkRepeats(repeats)).toEqual([]);
  }
}

interface Imports {
  interrupted: number;
  complete: number;
}

/** Runs `verbatim import` over and over while it storms, and then until all of the file is there. */
async function importUntilDone(
  at: ServerProcess,
  lines: readonly SampleLine[],
  isStorming: () => boolean,
): Promise<Imports> {
  const file = join(folder, 'messages.ndjson');
  writeFileSync(file, toNdjson(lines));
  const command = [join(REPOSITORY, 'bin', 'verbatim.js'), 'import', file, '--url', at.httpUrl];
  const imports: Imports = { interrupted: 0, complete: 0 };
  for (let triesInCalm = 0; ;) {
    const child = spawn(process.execPath, command, {
      cwd: REPOSITORY,
      env: cleanEnvironment(at.environment),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    children.push(child);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-8_000)));
    await once(child, 'close');
    if (child.exitCode === 0) imports.complete += 1;
    // One that finds nobody there has not begun.
    else if (!stderr.includes('Nothing answers')) imports.interrupted += 1;
    if (child.exitCode === 0 && !isStorming()) return imports;
    if (!isStorming() && ++triesInCalm > CALM_TRIES_MAX)
      throw new Error(`The import does not come through:\n${stderr}`);
    await delay(100);
  }
}

/** Whole conversations of real data, as many as the scale wants. */
function readLines(): SampleLine[] {
  const conversations = byConversation(linesOf(readNdjson(WHOLE_FILE ?? SAMPLE)));
  const lines: SampleLine[] = [];
  for (const conversation of conversations.values()) {
    if (lines.length >= LINES) break;
    lines.push(...conversation);
  }
  return lines;
}

async function readImported(at: ServerProcess, lines: readonly SampleLine[]): Promise<Map<string, WireEvent[]>> {
  const conversations = [...byConversation(lines).keys()];
  const rooms = conversations.map(conversation => `conversation:${conversation}`);
  const events = await readRooms(at.gatewayUrl, at.token('auditor', 'auditor-1'), rooms);
  return new Map(conversations.map(conversation => [conversation, events.get(`conversation:${conversation}`) ?? []]));
}
