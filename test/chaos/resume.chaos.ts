/**
 * Clients in Python stay in one room and talk while their connections are cut and the server is killed with -9 and
 * restarted. Afterwards every journal is held against the log, as a fresh connection to a once more killed and
 * restarted server reads it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { SOCKET_ADAPTERS } from '../support/socket-adapters.ts';
import { checkRun } from './checker.ts';
import type { JournalEntry } from './checker.ts';
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

const CUTS = scaled(200, 10);
const KILLS = scaled(10, 1);
/** Restarts by SIGTERM among them: a node that drains loses nothing either. */
const STOPS = scaled(3, 1);

const TALKERS = threeTalkers(CUTS);
const folder = mkdtempSync(join(tmpdir(), 'verbatim-chaos-'));
let server: ServerProcess | undefined;

afterAll(async () => {
  endTalkers();
  await server?.dispose();
  rmSync(folder, { recursive: true });
});

describe.for(SOCKET_ADAPTERS)('resume on $name', ({ name }) => {
  it.skipIf(!python.found)(
    `GW-3, GW-7, GW-8, GW-12: ${CUTS} cuts, ${KILLS} kill -9 and ${STOPS} SIGTERM lose nothing and double nothing, seen from Python`,
    async () => {
      console.log(`SEED=${SEED} SCALE=${SCALE}`);
      await server?.dispose();
      const at = await startServer({ environment: { SOCKETS: name } });
      server = at;
      await startConversation(at);
      const talkers = TALKERS.map(talker => startTalker(at, talker, folder));
      const [first, ...others] = talkers;
      if (!first) throw new Error('Nobody talks.');
      const [restartsMs] = await Promise.all([killAndRestart(at, first), ...others.map(untilAllCut)]);
      for (const talker of talkers) talker.order({ op: 'settle' });
      const settled = await Promise.all(talkers.map(talker => talker.answer('settled')));
      const head = (await readLog(at)).length - 1;
      for (const talker of talkers) talker.order({ op: 'finish', head });
      await Promise.all(talkers.map(talker => talker.answer('finished')));

      await at.kill9();
      await at.start();
      const log = await readLog(at);
      const journals = talkers.map(readJournal);
      expect(checkRun({ log, journals, foreign: new Set([START_ID]) })).toEqual([]);

      // The run must have been one: the cuts and kills happened, and messages really were repeated.
      const sent = settled.reduce((sum, answer) => sum + Number(answer.sent), 0);
      expect(log).toHaveLength(sent + 1);
      expect(restartsMs).toHaveLength(KILLS + STOPS);
      for (const [index, { entries }] of journals.entries()) {
        expect(entries.filter(({ kind }) => kind === 'cut')).toHaveLength(TALKERS[index]?.cuts ?? 0);
        expect(count(entries, 'lost')).toBeGreaterThanOrEqual((TALKERS[index]?.cuts ?? 0) + 1);
      }
      const duplicates = journals.flatMap(({ entries }) => entries).filter(isDuplicateAck).length;
      console.log(
        `  ${log.length} events, ${sent} messages, ${duplicates} acked again as duplicates, ` +
          `restarts took ${restartsMs.map(ms => ms.toFixed(0)).join(', ')} ms`,
      );
      if (SCALE >= 0.5) expect(duplicates).toBeGreaterThan(0);
    },
  );
});

/** Ends the server after random ones of the first client's cuts, each a random moment later; resolves to the restarts' times. */
async function killAndRestart(at: ServerProcess, first: RunningTalker): Promise<number[]> {
  const random = randomOf('kills');
  const cutsBeforeEnd = new Set<number>();
  while (cutsBeforeEnd.size < KILLS + STOPS) cutsBeforeEnd.add(1 + Math.floor(random() * (CUTS - 1)));
  const cutsBeforeStop = new Set([...cutsBeforeEnd].slice(0, STOPS));
  const restartsMs: number[] = [];
  for (let cuts = 1; cuts <= CUTS; cuts++) {
    await first.answer('cut');
    if (!cutsBeforeEnd.has(cuts)) continue;
    await delay(200 * random());
    if (cutsBeforeStop.has(cuts)) expect(await at.stop(), 'GW-12: exit code of SIGTERM').toBe(0);
    else await at.kill9();
    restartsMs.push(await at.start());
  }
  return restartsMs;
}

async function untilAllCut(talker: RunningTalker): Promise<void> {
  while (Number((await talker.answer('cut')).left) > 0);
}

function count(entries: readonly JournalEntry[], kind: JournalEntry['kind']): number {
  return entries.filter(entry => entry.kind === kind).length;
}

function isDuplicateAck(entry: JournalEntry): boolean {
  return entry.kind === 'acked' && entry.duplicate;
}
