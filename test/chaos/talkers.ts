/**
 * Chat clients in Python (client.py), each a process that stays in one room, has its connection cut, and writes a journal;
 * and what a run needs around them: the room's start, its log as a fresh connection reads it, and the journals.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { findPython } from '../support/external-tools.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { connectWire, readRooms } from '../support/wire-client.ts';
import type { WireEvent } from '../support/wire-client.ts';
import type { Journal, JournalEntry, SeenEvent } from './checker.ts';
import { SEED } from './scale.ts';

export const ROOM = 'conversation:chaos';
/** The command id of the room's start, which no talker sends. */
export const START_ID = 'chaos-start';
const VISITOR = 'visitor-1';
const ANSWER_TIMEOUT_MS = 180_000;
const MESSAGES_PER_SECOND = 20;

export interface Talker {
  readonly name: string;
  readonly role: 'agent' | 'supervisor' | 'visitor';
  readonly cuts: number;
}

export interface RunningTalker extends Talker {
  readonly journal: string;
  order(order: object): void;
  /** Waits for a line with this `op`. @throws Error when the client ends without it. */
  answer(op: string): Promise<Record<string, unknown>>;
}

/** An agent, the room's visitor and a supervisor; the first is cut so often, the others share its fate less. */
export function threeTalkers(cuts: number): readonly [Talker, ...Talker[]] {
  return [
    { name: 'agent-1', role: 'agent', cuts },
    { name: VISITOR, role: 'visitor', cuts: Math.ceil(cuts / 2) },
    { name: 'supervisor-1', role: 'supervisor', cuts: Math.ceil(cuts / 10) },
  ];
}

export const python = findPython();
const children: ChildProcess[] = [];

/** Ends every talker that was started in this process. */
export function endTalkers(): void {
  for (const child of children) child.kill('SIGKILL');
}

export async function startConversation(at: ServerProcess): Promise<void> {
  const client = await connectWire(at.gatewayUrl, at.token('agent', 'agent-1'));
  const data = { channel: 'chaos', visitor: VISITOR };
  client.send({ op: 'send', id: START_ID, room: ROOM, command: 'StartConversation', data });
  await client.nextOf('ack');
  await client.close();
}

/**
 * Its journal lies in `folder`. Where the store may be away, a subscribe that is answered `unavailable` is asked again, as any
 * client would; elsewhere that answer is a fault.
 */
export function startTalker(
  at: ServerProcess,
  talker: Talker,
  folder: string,
  { storeMayBeAway = false }: { readonly storeMayBeAway?: boolean } = {},
): RunningTalker {
  if (!python.found) throw new Error('Python comes first.');
  const index = children.length;
  const journal = join(folder, `${talker.name}-${index}.ndjson`);
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
    messagesPerSecond: MESSAGES_PER_SECOND,
    seed: SEED + index,
    ...{ journal, storeMayBeAway },
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

/** The room from its first revision, read over a connection of its own. */
export async function readLog(at: ServerProcess): Promise<SeenEvent[]> {
  const rooms = await readRooms(at.gatewayUrl, at.token('auditor', 'auditor-1'), [ROOM]);
  return (rooms.get(ROOM) ?? []).map(seen);
}

export function readJournal({ name, role, journal }: RunningTalker): Journal {
  const lines = readFileSync(journal, 'utf8').trimEnd().split('\n');
  const entries = lines.map(line => JSON.parse(line) as JournalEntry);
  return { client: name, view: role === 'visitor' ? 'visitor' : 'staff', entries };
}

function seen({ rev, id, type, commandId, data }: WireEvent): SeenEvent {
  const text = typeof data.text === 'string' ? data.text : undefined;
  return { rev, id, type, ...(commandId === undefined ? {} : { commandId }), ...(text === undefined ? {} : { text }) };
}
