/**
 * Runs the very lines of README.md against a served gateway. Only the addresses are replaced, because the server here
 * listens on free ports.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPython } from '../support/external-tools.ts';
import { cleanEnvironment, REPOSITORY, startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { readRooms } from '../support/wire-client.ts';
import { extractMarkedBlocks, requireBlock } from './marked-blocks.ts';

const RUN_TIMEOUT_MS = 60_000;

const python = findPython();
const folder = mkdtempSync(join(tmpdir(), 'verbatim-readme-'));
let server: ServerProcess;

beforeAll(async () => {
  // The `python3` of the shell tour is the one that has websockets: a venv's Python must be called by its own path.
  const script = python.found ? `#!/bin/sh\nexec '${python.path}' "$@"\n` : '';
  if (python.found) writeFileSync(join(folder, 'python3'), script, { mode: 0o755 });
  server = await startServer();
});

afterAll(async () => {
  await server.dispose();
  rmSync(folder, { recursive: true });
});

interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The block's lines with the default addresses replaced by this server's. */
function linesOf(name: string, language: RegExp): string {
  const { code } = requireBlock(
    extractMarkedBlocks(readFileSync(join(REPOSITORY, 'README.md'), 'utf8')),
    name,
    language,
  );
  return code
    .replaceAll(/(127\.0\.0\.1|localhost):3001/g, new URL(server.gatewayUrl).host)
    .replaceAll(/(127\.0\.0\.1|localhost):3000/g, new URL(server.httpUrl).host);
}

async function run(command: string, args: readonly string[], input: string, environment = {}): Promise<Finished> {
  const child = spawn(command, args, {
    cwd: REPOSITORY,
    env: cleanEnvironment({ ...server.environment, ...environment }),
    stdio: 'pipe',
    timeout: RUN_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.end(input);
  await once(child, 'close');
  return { status: child.exitCode, stdout, stderr };
}

/** The room a snippet names holds each text it posts, once a run, and the snippet printed it. */
async function expectConversation(code: string, finished: Finished, runs: number): Promise<void> {
  const room = /conversation:[A-Za-z0-9._~-]+/.exec(code)?.[0] ?? '';
  const rooms = await readRooms(server.gatewayUrl, server.token('auditor', 'auditor-1'), [room]);
  const texts = (rooms.get(room) ?? []).flatMap(({ data }) => (typeof data.text === 'string' ? [data.text] : []));
  expect(texts).toHaveLength(runs);
  for (const text of texts) {
    expect(code).toContain(text);
    expect(finished.stdout).toContain(text);
  }
}

describe('README.md', () => {
  it.skipIf(!python.found)('the quick start in Python talks to the gateway, run twice', async () => {
    if (!python.found) return;
    const code = linesOf('quickstart-python', /^(py|python)$/);
    const environment = { TOKEN: server.token('agent', 'alice') };
    for (const runs of [1, 2]) {
      const finished = await run(python.path, ['-'], code, environment);
      expect(finished).toMatchObject({ status: 0, stderr: '' });
      await expectConversation(code, finished, runs);
    }
  });

  it('the quick start in Node talks to the gateway, run twice', async () => {
    const code = linesOf('quickstart-node', /^(js|javascript)$/);
    const environment = { TOKEN: server.token('agent', 'alice') };
    for (const runs of [1, 2]) {
      const finished = await run(process.execPath, ['--input-type=module'], code, environment);
      expect(finished).toMatchObject({ status: 0, stderr: '' });
      await expectConversation(code, finished, runs);
    }
  });

  it('the shell tour runs to its end', async () => {
    const code = linesOf('tour', /^(sh|bash|shell)$/);
    const path = `${folder}:${process.env.PATH ?? ''}`;
    const finished = await run('bash', ['-euo', 'pipefail', '-s'], code, { PATH: path });
    expect(finished, finished.stderr).toMatchObject({ status: 0 });
  });

  it('the queries of what the tour has imported answer, and the read model equals the log', async () => {
    const code = linesOf('queries', /^(sh|bash|shell)$/);
    const finished = await run('bash', ['-euo', 'pipefail', '-s'], code);
    expect(finished, finished.stderr).toMatchObject({ status: 0 });
    expect(finished.stdout).toContain('"lastMessage"');
    expect(finished.stdout).toContain('Europe/Berlin');
    expect(finished.stdout).toContain('conversations equals the log');
  });
});
