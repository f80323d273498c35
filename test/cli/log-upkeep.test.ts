/** `verbatim check | scavenge | backup | restore` on a served process with sealed segments, and each of them killed. */
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openEmbeddedEventStore, type EmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { collect } from '../event-store/events.ts';
import { signToken } from '../support/server-process.ts';
import { Workplace } from './support.ts';
import type { Ended, Serving, Started } from './support.ts';

const SECRET = 'a-configured-secret-0123456789-0123456789';
const ENV = { JWT_SECRET: SECRET, HOST: '127.0.0.1', SEGMENT_BYTES: String(1_048_576) };
const CHARACTERS = 4_000;
const POLL_MS = 1;
/** A kill may come when all is done already. */
const KILLS_TRIED_MAX = 8;

let place: Workplace;
let [target, elsewhere] = ['', ''];
beforeEach(async () => {
  place = await Workplace.create();
  [target, elsewhere] = [join(place.directory, '..', 'backup'), join(place.directory, '..', 'restored')];
});
afterEach(async () => {
  await place.clean();
});

/** Messages long enough that a few hundred fill a segment. */
async function importLong(conversation: string, count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, i) => {
    const at = new Date(Date.parse('2020-01-01T00:00:00Z') + i * 1_000).toISOString();
    const message = { id: `${conversation}.${i}`, conversation, at, author: 'ann', role: 'visitor' };
    return `${JSON.stringify({ ...message, text: `${i} `.padEnd(CHARACTERS, 'x') })}\n`;
  });
  const file = join(place.directory, '..', `${conversation}.ndjson`);
  await writeFile(file, lines.join(''));
  expect(await place.run(['import', file], ENV)).toMatchObject({ code: 0 });
}

async function inLog<T>(work: (store: EmbeddedEventStore) => Promise<T>, directory = place.directory): Promise<T> {
  const store = await openEmbeddedEventStore({ directory: join(directory, 'log') });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

const any = { expectedRevision: 'any' } as const;
/** As retention will: nothing in the product truncates yet. */
const truncate = (conversation: string, before: bigint) =>
  inLog(store => store.setStreamMetadata(`conversation-default.${conversation}`, { truncateBefore: before }, any));

function segments(directory = place.directory): string[] {
  const folder = join(directory, 'log', 'segments');
  return existsSync(folder) ? readdirSync(folder) : [];
}

async function say(server: Serving, room: string, text: string): Promise<number> {
  const headers = {
    ...{ authorization: `Bearer ${signToken(SECRET, 'agent', 'ada')}`, 'content-type': 'application/json' },
    'idempotency-key': randomUUID(),
  };
  const body = JSON.stringify({ text, format: 'plain', attachments: [] });
  const url = `${server.http}/v1/conversations/${room}/commands/PostMessage`;
  return (await fetch(url, { method: 'POST', headers, body })).status;
}

/** Every event of a conversation in a folder that nobody has, with its bytes. */
function events(directory = place.directory): Promise<string[]> {
  return inLog(async store => {
    const filter = { by: 'stream', prefixes: ['conversation-'] } as const;
    const all = await collect(store.readAll({ filter }));
    return all.map(({ stream, revision, id, data }) => `${stream}@${revision} ${id} ${Buffer.from(data).toString()}`);
  }, directory);
}

async function run(...args: string[]): Promise<Ended> {
  const ended = await place.run(args, ENV);
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  return ended;
}

/** Kills a process once so many files have come into a folder, unless `ended` is first. */
async function killedAt(files: () => number, { child }: Started, ended: Promise<unknown>): Promise<void> {
  const over = { is: false };
  void ended.then(() => (over.is = true));
  for (const from = files(); files() < from + 2;) {
    if (over.is) return;
    await delay(POLL_MS);
  }
  child.kill('SIGKILL');
  await ended;
}

/** Kills a command of the command line in the middle. */
async function cutOff(files: () => number, args: readonly string[], env: Record<string, string>): Promise<void> {
  const started = place.start(args, env);
  await killedAt(files, started, started.ended);
  expect(started.child.signalCode).toBe('SIGKILL');
}

const copied = () => segments(target).length;

it('beside a served process: whole, given back, copied, restored', { timeout: 60_000 }, async () => {
  await importLong('kept', 400);
  await importLong('cut', 800);
  await truncate('cut', 700n);
  const server = await place.serve(ENV);
  expect((await run('check')).stdout).toMatch(/^The log is whole: 12\d\d events in \d+ streams, [4-9] segments/);
  const first = await run('backup', target);
  expect(first.stdout).toMatch(/^Log [0-9a-f-]{36} up to position \d+ is in \S+: \d+ files/);
  const scavenged = await run('scavenge');
  expect(Number(/^(\d+) events dropped/.exec(scavenged.stdout)?.[1])).toBeGreaterThan(400);
  expect(Number(/, (\d+) bytes given back/.exec(scavenged.stdout)?.[1])).toBeGreaterThan(1_000_000);
  expect((await run('scavenge')).stdout).toMatch(/^0 events dropped, 0 bytes given back/);
  expect(await say(server, 'kept', 'after the scavenge')).toBeLessThan(300);
  expect((await run('check')).stdout).toMatch(/and \d{3} stubs of dropped ones/);
  const second = await run('backup', target);
  const bytes = ({ stdout }: Ended) => /(\d+) bytes, (\d+) of them copied now/.exec(stdout)?.slice(1).map(Number) ?? [];
  const [all = 0, now = 0] = bytes(second);
  expect(all).toBeLessThan((bytes(first)[0] ?? 0) - 1_000_000);
  expect(now).toBeLessThan(all);
  const inUse = await place.run(['check', '--sealed'], ENV);
  expect(inUse.stderr).toMatch(/^verbatim: data-folder-in-use: [^\n]+\n$/);
  expect((await server.stop('SIGTERM')).code).toBe(0);

  expect((await run('check', '--sealed')).stdout).toContain('every sealed field opens or is erased');
  expect((await run('scavenge')).stdout).toMatch(/^0 events dropped/);
  const restored = await place.run(['restore', target], { ...ENV, DATA_DIR: elsewhere });
  expect(restored, restored.stderr).toMatchObject({ code: 0 });
  const again = await place.run(['restore', target], { ...ENV, DATA_DIR: elsewhere });
  expect(again).toMatchObject({ code: 1 });
  expect(await events(elsewhere)).toEqual(await events());
  expect((await place.run(['check', '--sealed'], { ...ENV, DATA_DIR: elsewhere })).stdout).toContain('is whole');
  expect((await events()).length).toBeGreaterThan(400);
});

it(
  'a server killed in the middle of a backup leaves the one before, and goes on with the next',
  { timeout: 60_000 },
  async () => {
    await importLong('first', 300);
    const before = await events();
    await run('backup', target);
    let said: Ended = { code: 0, stdout: '', stderr: '' };
    for (let tries = 1; said.code === 0 && tries <= KILLS_TRIED_MAX; tries++) {
      await importLong(`more-${tries}`, 800);
      const server = await place.serve(ENV);
      const backup = place.start(['backup', target], ENV);
      await killedAt(copied, server, backup.ended);
      said = await backup.ended;
      server.child.kill('SIGKILL');
      await server.ended;
    }
    expect(said.code).toBe(1);
    expect(said.stderr).toMatch(/^verbatim: (connection-lost|unavailable): [^\n]+\n$/);
    expect(await place.run(['restore', target], { ...ENV, DATA_DIR: elsewhere })).toMatchObject({ code: 0 });
    expect(await events(elsewhere)).toEqual(before);
    const server = await place.serve(ENV);
    await run('backup', target);
    await server.stop('SIGTERM');
    const another = `${elsewhere}-again`;
    expect(await place.run(['restore', target], { ...ENV, DATA_DIR: another })).toMatchObject({ code: 0 });
    expect(await events(another)).toEqual(await events());
  },
);

it('a backup and a restore that are killed themselves are run again', { timeout: 60_000 }, async () => {
  await importLong('c', 1_000);
  const whole = await events();
  await cutOff(copied, ['backup', target], ENV);
  const env = { ...ENV, DATA_DIR: elsewhere };
  const none = await place.run(['restore', target], env);
  expect(none.stderr).toMatch(/^verbatim: damaged-backup: [^\n]+\n$/);
  await run('backup', target);
  await cutOff(() => segments(elsewhere).length, ['restore', target], env);
  const early = await place.run(['serve'], env);
  expect(early.code).toBe(1);
  expect(early.stderr).toContain('restore-not-ended');
  expect(await place.run(['restore', target], env)).toMatchObject({ code: 0 });
  expect(await events(elsewhere)).toEqual(whole);
  expect(await events()).toEqual(whole);
});

it('a box that does not open is found by check --sealed alone, and named', { timeout: 30_000 }, async () => {
  await importLong('c', 20);
  const stream = 'conversation-default.c';
  await inLog(async store => {
    const [last] = await collect(store.readStream(stream, { direction: 'backwards', maxCount: 1 }));
    if (!last) throw new Error('The import brought no event.');
    const { type, data, metadata, contentType } = last;
    // A box is bound to its event's id, so that a copy of it does not open.
    await store.append(stream, [{ id: randomUUID(), type, data, metadata, contentType }], any);
  });
  await run('check');
  const { code, stderr } = await place.run(['check', '--sealed'], ENV);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^verbatim: \S+: .*\.segment.* byte \d+.*conversation-default\.c@2\d.* does not open[^\n]*\n$/,
  );
});
