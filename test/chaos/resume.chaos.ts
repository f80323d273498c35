/**
 * Clients in Python stay in one room and talk while their connections are cut and the server is killed with -9 and
 * restarted. Afterwards every journal is held against the log, as a fresh connection to a once more killed and
 * restarted server reads it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { findPython } from '../support/external-tools.ts';
import { startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { SOCKET_ADAPTERS } from '../support/socket-adapters.ts';
import { connectWire, readRooms } from '../support/wire-client.ts';
import type { WireEvent } from '../support/wire-client.ts';
import { checkRun } from './checker.ts';
import type { Journal, JournalEntry, SeenEvent } from './checker.ts';
import { randomOf, SCALE, scaled, SEED } from './scale.ts';

const CUTS = scaled(200, 10);
const KILLS = scaled(10, 1);
/** Restarts by SIGTERM among them: a node that drains loses nothing either. */
const STOPS = scaled(3, 1);
const START_ID = 'chaos-start';
const ROOM = 'conversation:chaos';
const ANSWER_TIMEOUT_MS = 180_000;

interface Talker {
  readonly name: string;
  readonly role: 'agent' | 'supervisor' | 'visitor';
  readonly cuts: number;
}

/** The first is the one whose cuts are counted; the others share its fate on a second connection each. */
const TALKERS: readonly Talker[] = [
  { name: 'agent-1', role: 'agent', cuts: CUTS },
  { name: 'visitor-1', role: 'visitor', cuts: Math.ceil(CUTS / 2) },
  { name: 'supervisor-1', role: 'supervisor', cuts: Math.ceil(CUTS / 10) },
];

interface RunningTalker extends Talker {
  readonly journal: string;
  order(order: object): void;
  /** Waits for a line with this `op`. @throws Error when the client ends without it. */
  answer(op: string): Promise<Record<string, unknown>>;
}

const python = findPython();
const folder = mkdtempSync(join(tmpdir(), 'verbatim-chaos-'));
const children: ChildProcess[] = [];
let server: ServerProcess | undefined;

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await server?.dispose();
  rmSync(folder, { recursive: true });
});

describe.for(SOCKET_ADAPTERS)('resume on $name', ({ name }) => {
  it.skipIf(!python.found)(
    `GW-3, GW-7, GW-8, GW-12: ${CUTS} cuts, ${KILLS} kill -9 and ${STOPS} SIGTERM lose nothing and double nothing, seen from Python`,
    async () => {
      console.log(`SEED=${SEED} SCALE=${SCALE}`);
      await server?.dispose();
      server = await startServer({ environment: { SOCKETS: name } });
      await startConversation(server);
      const talkers = TALKERS.map((talker, index) => startTalker(server, talker, index));
      const [first, ...others] = talkers;
      if (!first) throw new Error('Nobody talks.');
      const [restartsMs] = await Promise.all([killAndRestart(server, first), ...others.map(untilAllCut)]);
      for (const talker of talkers) talker.order({ op: 'settle' });
      const settled = await Promise.all(talkers.map(talker => talker.answer('settled')));
      const head = (await readLog(server)).length - 1;
      for (const talker of talkers) talker.order({ op: 'finish', head });
      await Promise.all(talkers.map(talker => talker.answer('finished')));

      await server.kill9();
      await server.start();
      const log = (await readLog(server)).map(seen);
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

async function startConversation(at: ServerProcess): Promise<void> {
  const client = await connectWire(at.gatewayUrl, at.token('agent', 'agent-1'));
  const data = { channel: 'chaos', visitor: 'visitor-1' };
  client.send({ op: 'send', id: START_ID, room: ROOM, command: 'StartConversation', data });
  await client.nextOf('ack');
  await client.close();
}

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

function startTalker(at: ServerProcess | undefined, talker: Talker, index: number): RunningTalker {
  if (!at || !python.found) throw new Error('The server and Python come first.');
  const journal = join(folder, `${talker.name}-${children.length}.ndjson`);
  const child = spawn(python.path, [join(import.meta.dirname, 'client.py')], { stdio: ['pipe', 'pipe', 'pipe'] });
  children.push(child);
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-8_000)));
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const order = (value: object): void => void child.stdin.write(`${JSON.stringify(value)}\n`);
  order({
    url: at.gatewayUrl,
    token: at.token(talker.role, talker.name),
    sub: talker.name,
    room: ROOM,
    cuts: talker.cuts,
    messagesPerSecond: 20,
    seed: SEED + index,
    journal,
  });
  return {
    ...talker,
    journal,
    order,
    answer: async op => {
      const timeout = delay(ANSWER_TIMEOUT_MS, undefined, { ref: false });
      for (;;) {
        const line = await Promise.race([answers.next(), timeout]);
        if (!line) throw new Error(`${talker.name} did not answer ${op} within ${ANSWER_TIMEOUT_MS} ms:\n${errors}`);
        if (line.done) throw new Error(`${talker.name} ended before ${op}:\n${errors}`);
        const answer = JSON.parse(line.value) as Record<string, unknown>;
        if (answer.op === op) return answer;
      }
    },
  };
}

async function readLog(at: ServerProcess): Promise<WireEvent[]> {
  const rooms = await readRooms(at.gatewayUrl, at.token('auditor', 'auditor-1'), [ROOM]);
  return rooms.get(ROOM) ?? [];
}

function readJournal({ name, role, journal }: RunningTalker): Journal {
  const lines = readFileSync(journal, 'utf8').trimEnd().split('\n');
  const entries = lines.map(line => JSON.parse(line) as JournalEntry);
  return { client: name, view: role === 'visitor' ? 'visitor' : 'staff', entries };
}

function seen({ rev, id, type, commandId, data }: WireEvent): SeenEvent {
  const text = typeof data.text === 'string' ? data.text : undefined;
  return { rev, id, type, ...(commandId === undefined ? {} : { commandId }), ...(text === undefined ? {} : { text }) };
}

function count(entries: readonly JournalEntry[], kind: JournalEntry['kind']): number {
  return entries.filter(entry => entry.kind === kind).length;
}

function isDuplicateAck(entry: JournalEntry): boolean {
  return entry.kind === 'acked' && entry.duplicate;
}
