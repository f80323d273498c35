import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SETTINGS } from '../../src/config/settings.ts';
import { REPOSITORY } from '../support/server-process.ts';
import { copiedFromHere, DOCKERFILE_RULES, isSent, readDockerfile } from './dockerfile.ts';

const TEXT = readFileSync(join(REPOSITORY, 'Dockerfile'), 'utf8');
const FILE = readDockerfile(TEXT);
const IGNORE = readFileSync(join(REPOSITORY, '.dockerignore'), 'utf8');

/** What to change in the Dockerfile, so that a rule is broken. */
const BROKEN: Readonly<Record<string, readonly (readonly [from: string | RegExp, to: string])[]>> = {
  'every stage begins with Node 22 of a pinned version': [
    [/NODE_IMAGE=\S+/, 'NODE_IMAGE=node:22'],
    [/NODE_IMAGE=\S+/, 'NODE_IMAGE=node:20.20.0-bookworm-slim'],
  ],
  'it is built in one stage and run in another': [['USER node', 'RUN npm run build\nUSER node']],
  'what runs has no development dependencies, and no package’s script was run': [
    ['--omit=dev', ''],
    ['--from=dependencies', '--from=build'],
    ['npm ci --ignore-scripts', 'npm ci'],
    ['npm ci --ignore-scripts', 'npm install --ignore-scripts'],
  ],
  'what runs is not root': [
    ['USER node', ''],
    ['USER node', 'USER node\nUSER root'],
    ['USER node', 'USER 0:0'],
  ],
  'it has a health check, a process that gets the signals, and SIGTERM as the one that stops it': [
    [/HEALTHCHECK .*/, ''],
    ['STOPSIGNAL SIGTERM', 'STOPSIGNAL SIGKILL'],
    [/ENTRYPOINT .*/, 'ENTRYPOINT node bin/verbatim.js'],
  ],
  'no secret is baked in': [['ENV NODE_ENV', 'ENV JWT_SECRET=abc NODE_ENV']],
  'what is copied from here is there, and never the folder as a whole': [
    ['COPY src src', 'COPY . .'],
    ['COPY src src', 'COPY sources src'],
  ],
};

describe('The Dockerfile', () => {
  it.each(Object.entries(DOCKERFILE_RULES))('%s', (name, rule) => {
    expect(rule(FILE)).toEqual([]);
    const changes = BROKEN[name] ?? [];
    expect(changes.length).toBeGreaterThan(0);
    for (const [from, to] of changes) {
      const changed = TEXT.replace(from, to);
      expect(changed).not.toBe(TEXT);
      expect(rule(readDockerfile(changed)), to).not.toEqual([]);
    }
  });

  it('exposes the default ports', () => {
    const exposed = FILE.all.filter(({ name }) => name === 'EXPOSE').map(({ rest }) => rest);
    expect(exposed).toEqual([`${SETTINGS.HTTP_PORT.fallback} ${SETTINGS.GATEWAY_PORT.fallback}`]);
  });

  it('is sent what it copies, and neither secrets nor data nor what was built here', () => {
    const copied = copiedFromHere(FILE.all);
    expect(copied).toContain('src');
    expect(copied.filter(path => !isSent(IGNORE, path))).toEqual([]);
    const kept = ['deploy/secrets/jwt-secret', 'data', 'node_modules', 'dist', '.env', '.git', 'test', '.venv'];
    expect(kept.filter(path => isSent(IGNORE, path))).toEqual([]);
    expect(() => isSent('node_modules\n', 'data')).toThrow();
  });
});

describe('The health check of the image', () => {
  it.each([
    [200, 0],
    [503, 1],
  ])('on an answer of %d exits with %d', async (status, code) => {
    const server = createServer((request, response) => {
      response.writeHead(request.url === '/health/ready' ? status : 404).end('the reason');
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(await healthOf(port)).toEqual({ code, output: code === 0 ? '' : 'the reason' });
  });

  it('exits with 1 where nobody listens', async () => {
    expect(await healthOf(1)).toMatchObject({ code: 1, output: expect.stringContaining('fetch failed') as string });
  });
});

async function healthOf(port: number): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [join(REPOSITORY, 'deploy', 'health.js'), '/health/ready'], {
    env: { HTTP_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  await once(child, 'close');
  return { code: child.exitCode, output };
}
