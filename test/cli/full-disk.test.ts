/** A served process whose disk fills up, or cannot be written any more: what it says, what goes on, and that it heals. */
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { mountSmallDisk, NOT_MOUNTED, remount } from '../support/small-disk.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { importLines, Workplace } from './support.ts';

const SECRET = 'a-configured-secret-0123456789-0123456789';
const HEAL_MS_MAX = 15_000;

async function served(dataFolder: string, more: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
  const server = await startServer({
    dataFolder,
    environment: {
      ...more,
      ...{ JWT_SECRET: SECRET, HOST: '127.0.0.1' },
      ...{ HTTP_REQUESTS_PER_SECOND_MAX: '100000', HTTP_TENANT_REQUESTS_PER_SECOND_MAX: '100000' },
    },
  });
  onTestFinished(() => server.dispose());
  return server;
}

let commands = 0;
/** The status of a message posted to a room of its own subject, and the problem where there is one. */
async function post(server: ServerProcess, room: string, command: string, data: object) {
  const response = await fetch(`${server.httpUrl}/v1/conversations/${room}/commands/${command}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${server.token('agent', 'ada')}`,
      'content-type': 'application/json',
      'idempotency-key': `c${++commands}`,
    },
    body: JSON.stringify(data),
  });
  const body = (await response.json()) as { code?: string; retryable?: boolean; retryAfterMs?: number };
  return { status: response.status, retryAfter: response.headers.get('retry-after'), ...body };
}

const say = (server: ServerProcess, room: string, characters = 9_000) =>
  post(server, room, 'PostMessage', { text: 'x'.repeat(characters), format: 'plain', attachments: [] });
const health = async (server: ServerProcess, path: string) => (await fetch(`${server.httpUrl}/health/${path}`)).status;

async function history(server: ServerProcess, room: string): Promise<number> {
  const headers = { authorization: `Bearer ${server.token('agent', 'ada')}` };
  const response = await fetch(`${server.httpUrl}/v1/conversations/${room}/events?limit=500`, { headers });
  return response.status;
}

async function healed(server: ServerProcess): Promise<void> {
  const deadline = performance.now() + HEAL_MS_MAX;
  while ((await health(server, 'ready')) !== 200) {
    if (performance.now() > deadline) throw new Error(`Not ready again:\n${server.output()}`);
    await delay(100);
  }
}

/** Posts until the first refusal, which it gives. */
async function fill(server: ServerProcess, room: string) {
  for (let i = 0; i < 2_000; i++) {
    const answer = await say(server, room);
    if (answer.status !== 201 && answer.status !== 200) return answer;
  }
  throw new Error('The disk did not fill.');
}

it(
  'full: commands are unavailable with a time to come back, reads go on, and it heals by itself',
  { timeout: 60_000 },
  async ({ skip }) => {
    const disk = join(await tempFolder(), 'disk');
    if (!(await mountSmallDisk(disk, 8_000))) return skip(NOT_MOUNTED);
    const ballast = join(disk, 'ballast');
    await writeFile(ballast, Buffer.alloc(3_000_000));
    const data = join(disk, 'data');
    const server = await served(data);
    expect((await post(server, 'r1', 'StartConversation', { channel: 'web' })).status).toBeLessThan(300);
    const refusal = await fill(server, 'r1');
    expect(refusal).toMatchObject({ status: 503, code: 'unavailable', retryable: true });
    expect(Number(refusal.retryAfter)).toBeGreaterThan(0);
    expect(await health(server, 'live')).toBe(200);
    expect(await history(server, 'r1')).toBe(200);
    for (let i = 0; i < 5; i++) expect((await say(server, 'r1')).status).toBe(503);
    expect(await health(server, 'ready')).toBe(503);
    // A new person needs a key, which the keyring cannot keep now.
    expect((await post(server, 'r2', 'StartConversation', { channel: 'web', topic: 'new' })).status).toBe(503);
    await rm(ballast);
    await healed(server);
    expect((await say(server, 'r1')).status).toBeLessThan(300);
    expect((await post(server, 'r2', 'StartConversation', { channel: 'web', topic: 'new' })).status).toBeLessThan(300);
    expect(server.isRunning()).toBe(true);
    await server.kill9();
    await server.start();
    expect(await history(server, 'r1')).toBe(200);
    expect((await say(server, 'r2', 100)).status).toBeLessThan(300);
  },
);

it(
  'the keyring’s disk full: whoever has a key goes on, whoever needs one is told to come back',
  { timeout: 60_000 },
  async ({ skip }) => {
    const data = await tempFolder();
    if (!(await mountSmallDisk(join(data, 'keyring'), 200))) return skip(NOT_MOUNTED);
    const server = await served(data);
    expect((await post(server, 'r1', 'StartConversation', { channel: 'web', topic: 'known' })).status).toBeLessThan(
      300,
    );
    await writeFile(join(data, 'keyring', 'ballast.txt'), Buffer.alloc(190_000)).catch(() => undefined);
    const statuses = new Set<number>();
    for (let i = 0; i < 300 && !statuses.has(503); i++) {
      statuses.add((await post(server, `new${i}`, 'StartConversation', { channel: 'web', topic: 'x' })).status);
    }
    expect(statuses).toContain(503);
    expect(statuses).not.toContain(500);
    expect((await say(server, 'r1', 100)).status).toBeLessThan(300);
    await rm(join(data, 'keyring', 'ballast.txt'));
    expect((await post(server, 'later', 'StartConversation', { channel: 'web', topic: 'x' })).status).toBeLessThan(300);
    expect(server.isRunning()).toBe(true);
  },
);

/** How many lines of an import came to what. */
async function imported(server: ServerProcess, room: string, lines: number): Promise<Record<string, number>> {
  const headers = {
    authorization: `Bearer ${server.token('service', 'importer')}`,
    'content-type': 'application/x-ndjson',
  };
  const body = importLines(room, lines);
  const answer = await fetch(`${server.httpUrl}/v1/import`, { method: 'POST', headers, body });
  const counts: Record<string, number> = {};
  for (const line of (await answer.text()).trim().split('\n')) {
    const { status } = JSON.parse(line) as { status: string };
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

it(
  'the index’s disk alone full: nothing acknowledged waits for it, up to a bound; then as a full disk',
  { timeout: 60_000 },
  async ({ skip }) => {
    const data = await tempFolder();
    const index = join(data, 'log', 'index');
    if (!(await mountSmallDisk(index, 600))) return skip(NOT_MOUNTED);
    const server = await served(data, { INDEX_FLUSH_MS: '50', INDEX_PENDING_ROWS_MAX: '1000' });
    expect((await post(server, 'r1', 'StartConversation', { channel: 'web' })).status).toBeLessThan(300);
    const ballast = join(index, 'ballast.txt');
    await writeFile(ballast, Buffer.alloc(600_000)).catch(() => undefined);
    // Within the bound the index may be away.
    expect(await imported(server, 'early', 300)).toEqual({ imported: 300 });
    expect(await health(server, 'ready')).toBe(200);
    // Cut off at the bound, after its own patience.
    await expect(imported(server, 'late', 3_000)).rejects.toThrow();
    expect(await say(server, 'r1', 10)).toMatchObject({ status: 503, code: 'unavailable', retryable: true });
    expect(await health(server, 'ready')).toBe(503);
    expect(await history(server, 'early')).toBe(200);
    await rm(ballast);
    await healed(server);
    const { duplicate = 0, ...rest } = await imported(server, 'late', 3_000);
    expect(duplicate).toBeGreaterThan(500);
    expect(rest).toEqual({ imported: 3_000 - duplicate });
    await server.kill9();
    await server.start();
    expect(await imported(server, 'late', 3_000)).toEqual({ duplicate: 3_000 });
    expect((await say(server, 'r1', 10)).status).toBeLessThan(300);
  },
);

/** ext4 and the like refuse writes to an immutable file even to who has it open; false where it cannot be had. */
function setImmutable(file: string, how: '+i' | '-i'): boolean {
  try {
    execFileSync('chattr', [how, file], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

it(
  'the log’s file refuses every write while it runs: as a full disk, and healed from',
  { timeout: 60_000 },
  async ({ skip }) => {
    const data = await tempFolder();
    const server = await served(data);
    expect((await post(server, 'r1', 'StartConversation', { channel: 'web' })).status).toBeLessThan(300);
    const [name = ''] = await readdir(join(data, 'log', 'segments'));
    const segment = join(data, 'log', 'segments', name);
    if (!setImmutable(segment, '+i')) return skip('NOT RUN: no file can be made immutable here (chattr +i)');
    try {
      expect(await say(server, 'r1', 100)).toMatchObject({ status: 503, code: 'unavailable', retryable: true });
      expect(await health(server, 'ready')).toBe(503);
      expect(await health(server, 'live')).toBe(200);
      expect(await history(server, 'r1')).toBe(200);
    } finally {
      setImmutable(segment, '-i');
    }
    await healed(server);
    expect((await say(server, 'r1', 100)).status).toBeLessThan(300);
    await server.kill9();
    await server.start();
    expect((await say(server, 'r1', 100)).status).toBeLessThan(300);
  },
);

it(
  'read-only at the start: said in one line, and what is there can be checked',
  { timeout: 60_000 },
  async ({ skip }) => {
    const disk = join(await tempFolder(), 'disk');
    if (!(await mountSmallDisk(disk, 16_000))) return skip(NOT_MOUNTED);
    await mkdir(join(disk, 'data'));
    const server = await served(join(disk, 'data'));
    expect((await post(server, 'r1', 'StartConversation', { channel: 'web' })).status).toBeLessThan(300);
    await server.stop();
    remount(disk, 'ro');
    const place = await Workplace.create();
    onTestFinished(() => place.clean());
    const { code, stderr } = await place.run(['serve'], { DATA_DIR: join(disk, 'data'), JWT_SECRET: SECRET });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^verbatim: erofs: [^\n]+read-only[^\n]+\n$/);
    expect((await place.run(['check'], { DATA_DIR: join(disk, 'data') })).stdout).toContain('The log is whole');
    remount(disk, 'rw');
    await server.start();
    expect((await say(server, 'r1', 100)).status).toBeLessThan(300);
  },
);
