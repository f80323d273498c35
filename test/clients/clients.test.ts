/**
 * The complete clients of examples/clients, as the documents show them, against a served process through a proxy that
 * cuts their connections: each must show every event of the room once and in order, and what is typed into it must be
 * in the log once.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { findPython } from '../support/external-tools.ts';
import { cleanEnvironment, REPOSITORY, startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { connectWire, readRooms } from '../support/wire-client.ts';
import { browserTool, launchBrowser } from '../web/page-driver.ts';
import { startCuttingProxy } from './cutting-proxy.ts';
import type { CuttingProxy } from './cutting-proxy.ts';

const CUTS = 4;
const WAIT = { timeout: 20_000, interval: 20 };

const python = findPython();
const folder = mkdtempSync(join(tmpdir(), 'verbatim-clients-'));
let server: ServerProcess;

beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await server.dispose();
  rmSync(folder, { recursive: true });
});

interface Client {
  /** What it shows, a line an event: `3 MessagePosted hello`. */
  lines(): Promise<readonly string[]>;
  type(text: string): Promise<void>;
}

interface Setting {
  readonly proxy: CuttingProxy;
  readonly room: string;
  readonly token: string;
}

/** Starts one in its own room, and the room. */
async function setUp(name: string): Promise<Setting & { post(text: string): Promise<void> }> {
  const proxy = await startCuttingProxy(server.gatewayUrl);
  const room = `conversation:client-${name}`;
  const other = await connectWire(server.gatewayUrl, server.token('agent', 'other'));
  other.send({ op: 'send', id: 'start', room, command: 'StartConversation', data: { channel: 'test' } });
  await other.nextOf('ack');
  onTestFinished(async () => {
    await other.close();
    await proxy.close();
  });
  let posted = 0;
  return {
    ...{ proxy, room, token: server.token('agent', name) },
    post: async text => {
      posted += 1;
      other.send({ op: 'send', id: `post-${posted}`, room, command: 'PostMessage', data: { text } });
      await other.nextOf('ack');
    },
  };
}

async function logOf(room: string): Promise<string[]> {
  const rooms = await readRooms(server.gatewayUrl, server.token('auditor', 'auditor-1'), [room]);
  return (rooms.get(room) ?? []).map(({ rev, type, data }) => lineOf(rev, type, data.text));
}

function lineOf(rev: number, type: string, text: unknown): string {
  return `${rev} ${type} ${typeof text === 'string' ? text : ''}`.trim();
}

/** Talks with the client while its connection is cut, and holds what it shows against the log. */
async function expectWhole(client: Client, { proxy, room, post }: Awaited<ReturnType<typeof setUp>>): Promise<void> {
  await expect.poll(() => client.lines(), WAIT).toEqual(['0 ConversationStarted']);
  const typed: string[] = [];
  const type = async (text: string): Promise<void> => {
    typed.push(text);
    await client.type(text);
  };
  for (let cut = 1; cut <= CUTS; cut++) {
    const connections = proxy.connections();
    await post(`before ${cut}`);
    proxy.cut();
    // While it is away, on either side.
    await post(`missed ${cut} <b>&</b> 日本語`);
    await type(`typed while cut ${cut}`);
    await expect.poll(() => proxy.connections(), WAIT).toBeGreaterThan(connections);
    await post(`at once after ${cut}`);
    await expect.poll(async () => (await client.lines()).at(-1) === (await logOf(room)).at(-1), WAIT).toBe(true);
  }
  const lost = proxy.loseNextAnswer();
  await type('its ack is lost');
  await lost;
  await expect.poll(async () => (await client.lines()).join('\n'), WAIT).toContain('its ack is lost');
  for (const text of typed)
    await expect.poll(async () => (await logOf(room)).filter(line => line.endsWith(text)), WAIT).toHaveLength(1);
  await expect.poll(async () => (await client.lines()).length, WAIT).toBeGreaterThanOrEqual((await logOf(room)).length);

  const log = await logOf(room);
  expect(await client.lines()).toEqual(log);
  expect(log).toHaveLength(1 + CUTS * 4 + 1);
  expect(proxy.connections()).toBe(1 + CUTS + 1);
}

const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** A client that reads lines and prints lines. */
function startProgram(command: string, file: string, { proxy, room, token }: Setting, more = {}): Client {
  const child = spawn(command, [join(REPOSITORY, 'examples', 'clients', file)], {
    cwd: REPOSITORY,
    env: cleanEnvironment({ URL: proxy.url, ROOM: room, TOKEN: token, ...more }),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.add(child);
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  return {
    lines: () =>
      Promise.resolve(
        output
          .split('\n')
          .slice(0, -1)
          .map(line => line.trim()),
      ),
    type: async text => void child.stdin.write(`${text}\n`),
  };
}

const PROGRAMS = [
  { name: 'python', file: 'room.py', command: python.found ? python.path : undefined },
  { name: 'node', file: 'room.mjs', command: process.execPath },
];

describe('the clients that the documents show', () => {
  describe.each(PROGRAMS)('$file', ({ name, file, command = '' }) => {
    it.skipIf(!command)(
      `GW-3, GW-7: ${CUTS + 1} cuts leave no gap and no duplicate, in either direction`,
      async () => {
        const setting = await setUp(name);
        await expectWhole(startProgram(command, file, setting), setting);
      },
      60_000,
    );

    it.skipIf(!command)(
      'GW-3: keeps its cursor in a file, and goes on from there when it is started again',
      async () => {
        const setting = await setUp(`${name}-again`);
        const CURSOR = join(folder, `${name}.cursor`);
        const first = startProgram(command, file, setting, { CURSOR });
        await setting.post('one');
        await expect.poll(() => first.lines(), WAIT).toHaveLength(2);
        await expect.poll(() => JSON.parse(readFileSync(CURSOR, 'utf8')) as unknown[], WAIT).toContain(1);
        for (const child of children) child.kill('SIGKILL');
        await setting.post('two');
        const second = startProgram(command, file, setting, { CURSOR });
        await expect.poll(() => second.lines(), WAIT).toEqual(['2 MessagePosted two']);
      },
    );

    it.skipIf(!command)('ends and says why where the server will not have it', async () => {
      const { proxy, room } = await setUp(`${name}-refused`);
      const child = spawn(command, [join(REPOSITORY, 'examples', 'clients', file)], {
        cwd: REPOSITORY,
        env: cleanEnvironment({ URL: proxy.url, ROOM: room, TOKEN: 'wrong' }),
      });
      children.add(child);
      let errors = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
      await once(child, 'close');
      expect(child.exitCode).toBe(1);
      expect(errors).toContain('4501');
    });
  });

  it.skipIf(!browserTool.found)(
    `GW-3, GW-7: room.html in a browser: ${CUTS + 1} cuts leave no gap and no duplicate, in either direction`,
    async () => {
      const setting = await setUp('browser');
      const browser = await launchBrowser();
      onTestFinished(() => browser.close());
      const page = await browser.newPage();
      const file = pathToFileURL(join(REPOSITORY, 'examples', 'clients', 'room.html'));
      file.hash = new URLSearchParams({ url: setting.proxy.url, room: setting.room, token: setting.token }).toString();
      await page.goto(file.href);
      const client: Client = {
        lines: async () => (await page.locator('#events li').allTextContents()).map(line => line.trim()),
        type: async text => {
          await page.locator('#text').fill(text);
          await page.locator('#text').press('Enter');
        },
      };
      await expectWhole(client, setting);
      expect(await page.locator('#state').textContent()).toBe('Connected as browser');
    },
    60_000,
  );
});
