/**
 * An import whose server is killed with -9 at random instants and started again, as often as it takes; now and then it is
 * the importer itself that is killed, working in the folder while no server has it. In the end the rooms are the file.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { byConversation, linesOf, readNdjson, renamed, SAMPLE, toNdjson, WHOLE_FILE } from '../support/sample.ts';
import type { SampleLine } from '../support/sample.ts';
import { cleanEnvironment, REPOSITORY, startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { readRooms } from '../support/wire-client.ts';
import type { WireEvent } from '../support/wire-client.ts';
import { checkImport } from './import-checker.ts';
import { randomOf, SCALE, scaled, SEED } from './scale.ts';

const KILLS = scaled(20, 2);
/** Every so many kills it is the importer in the folder that dies, not the server. */
const IN_FOLDER_EVERY = 4;
/** Enough that an import is still at work when it is killed. */
const LINES = scaled(59_795, 30_000);

const DIFFERENCES_SHOWN = 20;

const folder = mkdtempSync(join(tmpdir(), 'verbatim-import-'));
const children: ChildProcess[] = [];
let server: ServerProcess | undefined;

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await server?.dispose();
  rmSync(folder, { recursive: true });
});

describe('import', () => {
  it(`${KILLS} kill -9 in the middle: every message once, in order, byte for byte; a second import appends nothing`, async () => {
    const lines = readData();
    const ndjson = toNdjson(lines);
    const file = join(folder, 'messages.ndjson.gz');
    writeFileSync(file, gzipSync(ndjson));
    console.log(`SEED=${SEED} SCALE=${SCALE}, ${lines.length} messages`);

    server = await startServer();
    const inTheMiddle = await importUnderFire(server, file);
    console.log(`  ${inTheMiddle} of ${KILLS} kills met an import at work`);
    // Most kills must have met an import at work, or this run has shown little.
    expect(inTheMiddle).toBeGreaterThanOrEqual(Math.ceil(KILLS / 2));

    const last = await importFile(server, file).ended;
    expect(last).toMatchObject({ status: 0 });
    const rooms = await readAll(server, lines);
    expect(checkImport(lines, rooms).slice(0, DIFFERENCES_SHOWN)).toEqual([]);

    const statuses = await importOverHttp(server, ndjson);
    expect(statuses).toEqual({ duplicate: lines.length });
    expect(await importFile(server, file).ended).toMatchObject({ status: 0 });

    await server.kill9();
    await server.start();
    expect(differing(rooms, await readAll(server, lines)).slice(0, DIFFERENCES_SHOWN)).toEqual([]);
  });
});

/** Resolves to how many of the kills met an import at work. */
async function importUnderFire(at: ServerProcess, file: string): Promise<number> {
  const random = randomOf('import');
  let inTheMiddle = 0;
  // When a kill falls, from the importer's start on; moved where a machine is slower or faster than thought.
  let earliestMs = 500;
  let spanMs = 1_500;
  for (let kill = 1; kill <= KILLS; kill++) {
    const inFolder = kill % IN_FOLDER_EVERY === 0;
    if (inFolder) await at.stop();
    const running = importFile(at, file, inFolder);
    await Promise.race([delay(earliestMs + spanMs * random()), running.ended]);
    if (inFolder) running.child.kill('SIGKILL');
    else await at.kill9();
    const { status, stderr } = await running.ended;
    // A kill before the first line met nothing at work, and one after the last neither.
    if (status === 0) spanMs *= 0.7;
    else if (stderr.includes('Nothing answers')) earliestMs += 300;
    else {
      inTheMiddle += 1;
      if (!inFolder) expect(stderr, 'it says that running it again is safe').toMatch(/Run the same command again/);
    }
    await at.start();
  }
  return inTheMiddle;
}

interface RunningImport {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly status: number | null; readonly stderr: string }>;
}

/** `inFolder`: by itself; else through the server, also where that has just died. */
function importFile(at: ServerProcess, file: string, inFolder = false): RunningImport {
  const where = inFolder ? [] : ['--url', at.httpUrl];
  const child = spawn(process.execPath, [join(REPOSITORY, 'bin', 'verbatim.js'), 'import', file, ...where], {
    cwd: REPOSITORY,
    env: cleanEnvironment(at.environment),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-8_000)));
  const ended = once(child, 'close').then(() => ({ status: child.exitCode, stderr }));
  return { child, ended };
}

/** The conversations whose events are not the same in both, as sentences. */
function differing(before: ReadonlyMap<string, WireEvent[]>, after: ReadonlyMap<string, WireEvent[]>): string[] {
  return [...before].flatMap(([conversation, events]) => {
    const now = after.get(conversation) ?? [];
    if (JSON.stringify(events) === JSON.stringify(now)) return [];
    return [`${conversation}: ${events.length} events before, ${now.length} after, or others`];
  });
}

/** Counts what each line was answered. */
async function importOverHttp(at: ServerProcess, ndjson: string): Promise<Record<string, number>> {
  const answer = await fetch(`${at.httpUrl}/v1/import`, {
    method: 'POST',
    headers: { authorization: `Bearer ${at.token('service', 'importer')}`, 'content-type': 'application/x-ndjson' },
    body: ndjson,
  });
  const counts: Record<string, number> = {};
  for (const line of (await answer.text()).trimEnd().split('\n')) {
    const { status } = JSON.parse(line) as { status: string };
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

async function readAll(
  at: ServerProcess,
  lines: readonly { readonly conversation: string }[],
): Promise<Map<string, WireEvent[]>> {
  const conversations = [...new Set(lines.map(({ conversation }) => conversation))];
  const rooms = await readRooms(
    at.gatewayUrl,
    at.token('auditor', 'auditor-1'),
    conversations.map(conversation => `conversation:${conversation}`),
  );
  return new Map(conversations.map(conversation => [conversation, rooms.get(`conversation:${conversation}`) ?? []]));
}

/**
 * SUPPORT_DATA, else the whole data where it lies beside the checkout, else the sample: cut to whole conversations where
 * that is more than the scale wants, and repeated under other ids where it is less.
 */
function readData(): SampleLine[] {
  const conversations = [...byConversation(linesOf(readNdjson(WHOLE_FILE ?? SAMPLE))).values()];
  const lines: SampleLine[] = [];
  for (let copy = 0; lines.length < LINES; copy++) {
    for (const conversation of conversations) {
      if (lines.length >= LINES) break;
      lines.push(...(copy === 0 ? conversation : renamed(conversation, `copy-${copy}`)));
    }
  }
  return lines;
}
