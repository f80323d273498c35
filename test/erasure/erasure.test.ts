/** What an erasure must do to a whole data folder, and what it must leave. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { signToken } from '../../src/auth/tokens.ts';
import { openEngine } from '../../src/cli/engine.ts';
import { openProjectionHost } from '../../src/cli/projection-host.ts';
import type { StartProjections } from '../../src/cli/read-side.ts';
import { startServer } from '../../src/cli/server.ts';
import type { RunningServer } from '../../src/cli/server.ts';
import { createTenantKeys } from '../../src/commands/derived-ids.ts';
import type { ImportResult } from '../../src/commands/import.ts';
import { loadConfig } from '../../src/config/config.ts';
import { readSecret } from '../../src/data-folder/secrets.ts';
import type { Role } from '../../src/domain/decider.ts';
import { openEmbeddedKeyring } from '../../src/keyring/keyring.embedded.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { readRooms } from '../support/wire-client.ts';
import type { WireEvent } from '../support/wire-client.ts';
import { asFile, crowd, ERASED } from './crowd.ts';

const TENANT = 'acme';
const LINES = crowd();
const FILE = asFile(LINES);
const OWN = (conversation: string): boolean => conversation === 'c17' || conversation === 'c17-again';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verbatim-erasure-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, maxRetries: 5 });
});

const configOf = () =>
  loadConfig({ environment: { DATA_DIR: directory, HTTP_PORT: '0', GATEWAY_PORT: '0' }, flags: {} }).config;
const onLost = (): never => {
  throw new Error('The folder was taken.');
};

async function inFolder<T>(work: (engine: Awaited<ReturnType<typeof openEngine>>) => Promise<T>): Promise<T> {
  const engine = await openEngine({ config: configOf(), logger: silentLogger, command: 'test', onLost });
  try {
    return await work(engine);
  } finally {
    await engine.close();
  }
}

/** In this thread: one of its own runs the built product. */
const startProjections: StartProjections = options =>
  openProjectionHost({
    ...options,
    onCheckpoint: (name, _generation, { position }) => {
      options.onCheckpoint(name, position);
    },
  });

/** Projecting, and what an erasure leaves to be done, follow behind the answer. */
const EVENTUALLY = { timeout: 25_000, interval: 50 };

async function served<T>(work: (server: RunningServer) => Promise<T>): Promise<T> {
  const server = await startServer({ config: configOf(), logger: silentLogger, onLost, startProjections });
  try {
    return await work(server);
  } finally {
    await server.close(5_000);
  }
}

async function token(role: Role, sub = 'somebody'): Promise<string> {
  const secret = Buffer.from((await readSecret(directory, 'jwt-secret')) ?? '');
  return signToken(secret, { sub, role, tenant: TENANT, rooms: [], expiresAt: Date.now() + 600_000 });
}

const importAll = (file = FILE) =>
  inFolder(async engine => {
    const results: ImportResult[] = [];
    const bytes = (async function* () {
      yield await Promise.resolve(Buffer.from(file));
    })();
    for await (const result of engine.runImport(bytes, { tenant: TENANT, by: 'importer' })) results.push(result);
    return results;
  });

async function subjectOf(author: string): Promise<string> {
  const rootSecret = Buffer.from((await readSecret(directory, 'root-secret')) ?? '');
  return createTenantKeys({ rootSecret }).authorId(TENANT, author);
}

async function keyOf(subject: string): Promise<Buffer> {
  const keyring = await openEmbeddedKeyring({ directory: join(directory, 'keyring'), mayBegin: false });
  const [key] = await keyring.find([{ tenant: TENANT, subject }]);
  await keyring.close();
  if (key === undefined || key === 'erased') throw new Error(`${subject} has no key.`);
  return Buffer.from(key);
}

/** The files of the data folder that hold one of the byte strings. */
async function filesWith(needles: readonly Buffer[]): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const bytes = await readFile(join(entry.parentPath, entry.name));
    if (needles.some(needle => bytes.includes(needle))) found.push(entry.name);
  }
  return found;
}

const formsOf = (key: Buffer): Buffer[] => [
  key,
  ...(['hex', 'base64', 'base64url'] as const).map(encoding => Buffer.from(key.toString(encoding))),
];

const rooms = [...new Set(LINES.map(({ conversation }) => `conversation:${conversation}`))];

async function readAll(server: RunningServer): Promise<Map<string, WireEvent[]>> {
  return readRooms(server.gatewayUrl, await token('agent'), rooms);
}

/** As it was, with what the erasure takes away taken away. */
function afterErasure(before: ReadonlyMap<string, readonly WireEvent[]>, subject: string): Map<string, WireEvent[]> {
  return new Map(
    Array.from(before, ([room, events]) => {
      const own = OWN(room.slice('conversation:'.length));
      const erased = events.map((event): WireEvent => {
        if (event.type !== 'MessagePosted') return event;
        const text = own ? null : event.data.text;
        const source = event.data.source as { readonly author: string };
        const author = event.actor.id === subject ? null : source.author;
        if (!own && author !== null) return event;
        return { ...event, erased: true, data: { ...event.data, text, source: { ...source, author } } } as WireEvent;
      });
      return [room, erased];
    }),
  );
}

describe('Erasing one visitor among 100', () => {
  it('takes every text of their conversations and their name everywhere, and leaves all else', async () => {
    const first = await importAll();
    expect(new Set(first.map(({ status }) => status))).toEqual(new Set(['imported']));
    const subject = await subjectOf(ERASED);
    const key = await keyOf(subject);
    const others = await keyOf(await subjectOf('visitor_18_name'));
    expect(await filesWith(formsOf(key))).not.toEqual([]);

    // What it said in conversations of others is theirs, and stays.
    const texts = LINES.flatMap(({ conversation, text }) => (OWN(conversation) ? [Buffer.from(text)] : []));
    expect(texts.length).toBe(6);
    const before = await served(readAll);
    expect(JSON.stringify([...before])).toContain(ERASED);
    const expected = afterErasure(before, subject);
    expect(JSON.stringify([...expected])).not.toContain(ERASED);

    await served(async server => {
      // The read models have all of it, in the clear.
      await vi.waitFor(async () => {
        for (const needle of [...texts, Buffer.from(ERASED)]) expect(await filesWith([needle])).toContain('data.mdb');
      }, EVENTUALLY);
      // Read before, so that what is cached has to be forgotten.
      expect(await readAll(server)).toEqual(before);
      const erase = async (role: Role) =>
        fetch(`${server.httpUrl}/v1/subjects/${subject}/erasure`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${await token(role, 'the-officer')}`,
            'content-type': 'application/json',
            'idempotency-key': `erase-${role}`,
          },
          body: JSON.stringify({ reason: 'asked to' }),
        });
      for (const role of ['visitor', 'agent', 'auditor', 'bot'] as const) expect((await erase(role)).status).toBe(403);
      expect(await filesWith(formsOf(key))).not.toEqual([]);
      expect(await (await erase('supervisor')).json()).toMatchObject({ subject, duplicate: false, held: true });
      expect(await (await erase('supervisor')).json()).toMatchObject({ subject, duplicate: true, held: false });
      expect(await (await erase('service')).json()).toMatchObject({ subject, duplicate: true, held: false });
      expect(await readAll(server)).toEqual(expected);
      const history = await fetch(`${server.httpUrl}/v1/conversations/c17/events?before=99`, {
        headers: { authorization: `Bearer ${await token('agent')}` },
      });
      expect(await history.json()).toMatchObject({ events: expected.get('conversation:c17') });
      expect(await filesWith(formsOf(key))).toEqual([]);
      await vi.waitFor(async () => {
        expect(await filesWith([...texts, Buffer.from(ERASED)])).toEqual([]);
      }, EVENTUALLY);
      const transcript = await fetch(`${server.httpUrl}/v1/conversations/c17/messages`, {
        headers: { authorization: `Bearer ${await token('agent')}` },
      });
      const { messages } = (await transcript.json()) as { messages: { text: string | null }[] };
      expect(messages.map(({ text }) => text)).toEqual([null, null, null]);
    });
    expect(await served(readAll)).toEqual(expected);
    expect(await filesWith([...texts, Buffer.from(ERASED), ...formsOf(key)])).toEqual([]);
    expect(await filesWith([others])).not.toEqual([]);
  });

  it('does not break importing again, before and after a restart; what is new of them is refused', async () => {
    await importAll();
    const subject = await subjectOf(ERASED);
    const before = await served(readAll);
    await inFolder(engine => {
      const by = { id: 'the-officer', role: 'service' } as const;
      return engine.eraseSubject({ tenant: TENANT, subject, by, reason: 'asked to', commandId: 'erase-1' });
    });
    for (let i = 0; i < 2; i += 1) {
      const again = await importAll();
      expect(new Set(again.map(({ status }) => status))).toEqual(new Set(['duplicate']));
    }
    const more = LINES.flatMap(line =>
      line.id.endsWith('.0') ? [{ ...line, id: `${line.conversation}.more`, at: '2021-01-01T00:00:00.000Z' }] : [],
    );
    const results = await importAll(asFile(more));
    const refused = results.filter(({ status }) => status === 'rejected');
    expect(refused.map(({ conversation, reason }) => [conversation, reason])).toEqual([
      ['c17', 'erased'],
      ['c17-again', 'erased'],
    ]);
    expect(results.length - refused.length).toBe(rooms.length - 2);
    const altered = LINES.filter(({ conversation }) => OWN(conversation)).map(line => ({
      ...line,
      text: 'other words',
    }));
    expect(new Set((await importAll(asFile(altered))).map(({ status }) => status))).toEqual(new Set(['duplicate']));
    const after = await served(readAll);
    for (const [room, events] of afterErasure(before, subject))
      expect(after.get(room)?.slice(0, events.length)).toEqual(events);
  });

  it.each(['told', 'marked', 'published'])('is finished by the next start where kill -9 met it: %s', async place => {
    await importAll();
    const subject = await subjectOf(ERASED);
    const key = await keyOf(subject);
    const before = await served(readAll);
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', join(import.meta.dirname, 'killed-eraser.ts'), directory, TENANT, subject, place],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const [, signal] = (await once(child, 'close')) as [number | null, string | null];
    expect({ signal, said }).toEqual({ signal: 'SIGKILL', said: '' });
    expect(await filesWith([key])).not.toEqual([]);
    expect(await served(readAll)).toEqual(afterErasure(before, subject));
    expect(await filesWith(formsOf(key))).toEqual([]);
  });
});
