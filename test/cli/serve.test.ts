import { once } from 'node:events';
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { Workplace } from './support.ts';

const SECRET = 'a-configured-secret-0123456789-0123456789';

let place: Workplace;
beforeEach(async () => {
  place = await Workplace.create();
});
afterEach(async () => {
  await place.clean();
});

async function postJson(url: string): Promise<{ status: number; json: Record<string, unknown> }> {
  const response = await fetch(url, { method: 'POST' });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

/** The first frame of a socket opened as a browser would. */
async function helloOf(gateway: string, token: string): Promise<Record<string, unknown>> {
  const socket = new WebSocket(gateway, ['verbatim.v1', `bearer.${token}`]);
  const [data] = (await once(socket, 'message')) as [Buffer];
  socket.terminate();
  return JSON.parse(data.toString()) as Record<string, unknown>;
}

describe('a first start without any setting', () => {
  it('makes its secrets for itself, listens on loopback, and says where it is and what to try', async () => {
    const server = await place.serve();
    expect(server.http).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(server.said.stdout).toContain(place.directory);
    expect(server.said.stdout).toContain('npx verbatim token --role agent --sub ada');
    for (const secret of ['jwt-secret', 'root-secret'])
      expect((await stat(join(place.directory, secret))).mode & 0o777).toBe(0o600);
    expect((await fetch(`${server.http}/health/ready`)).status).toBe(200);
    const { json } = await postJson(`${server.http}/v1/page/tokens`);
    expect(json.gatewayUrl).toBe(server.gateway);
    const hello = await helloOf(server.gateway, (json.visitor as { token: string }).token);
    expect(hello).toMatchObject({ op: 'hello', user: 'page-visitor', role: 'visitor' });
    const token = (await place.run(['token', '--role', 'agent', '--sub', 'ada'])).stdout.trim();
    const sample = await postJson(`${server.http}/v1/import/sample`);
    expect(sample.json).toMatchObject({ duplicates: 0, rejected: 0 });
    expect(sample.json.imported).toBeGreaterThan(100);
    expect((await postJson(`${server.http}/v1/import/sample`)).json).toMatchObject({
      imported: 0,
      duplicates: sample.json.imported,
    });
    expect(await helloOf(server.gateway, token)).toMatchObject({
      op: 'hello',
      user: 'ada',
      role: 'agent',
      log: hello.log,
    });
    const ended = await server.stop('SIGTERM');
    expect(ended.code).toBe(0);
    expect(ended.stderr).not.toContain(token);
  });

  it('keeps its secrets and its log over a restart, also after kill -9', async () => {
    const first = await place.serve();
    const secret = await readFile(join(place.directory, 'jwt-secret'), 'utf8');
    const token = (await place.run(['token', '--role', 'agent', '--sub', 'ada'])).stdout.trim();
    const { log } = await helloOf(first.gateway, token);
    await first.stop('SIGKILL');
    const second = await place.serve();
    expect(await readFile(join(place.directory, 'jwt-secret'), 'utf8')).toBe(secret);
    expect((await helloOf(second.gateway, token)).log).toBe(log);
    expect((await second.stop('SIGINT')).code).toBe(0);
  });
});

describe('with a configured secret', () => {
  it('the page has no tokens and no sample', async () => {
    const server = await place.serve({ JWT_SECRET: SECRET, HOST: '127.0.0.1' });
    for (const path of ['/v1/page/tokens', '/v1/import/sample']) {
      const { status, json } = await postJson(`${server.http}${path}`);
      expect({ status, code: json.code }).toEqual({ status: 404, code: 'not-found' });
    }
  });
});

describe('a start that cannot be ends with 1 and one line', () => {
  it('that names pid and address of the process that has the folder', async () => {
    const server = await place.serve();
    const { code, stderr } = await place.run(['serve']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^verbatim: data-folder-in-use: [^\n]+\n$/);
    expect(stderr).toContain(`pid ${String(server.child.pid)}`);
    expect(stderr).toContain(server.http);
  });

  it.each(['HTTP_PORT', 'GATEWAY_PORT'])('that names the setting of a port in use: %s', async setting => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    try {
      const { code, stderr } = await place.run(['serve'], { [setting]: String(port) });
      expect(code).toBe(1);
      expect(stderr).toContain(`verbatim: port-in-use: ${setting} ${port} is in use on 127.0.0.1`);
    } finally {
      other.close();
    }
    // The folder was let go, and the port is free: the same start succeeds.
    await (await place.serve({ [setting]: String(port) })).stop('SIGTERM');
  });

  it('in production without a secret, also where the folder has made one before', async () => {
    const env = { NODE_ENV: 'production' };
    const { code, stderr } = await place.run(['serve'], env);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('JWT_SECRET') as string });
    await mkdir(place.directory, { recursive: true });
    await writeFile(join(place.directory, 'jwt-secret'), SECRET);
    expect((await place.run(['serve'], env)).code).toBe(1);
  });

  it('on an address for others while the secret is self-made', async () => {
    const { code, stderr } = await place.run(['serve'], { HOST: '0.0.0.0' });
    expect(code).toBe(1);
    expect(stderr).toContain('JWT_SECRET');
  });

  it('with another root secret than the log was begun with', async () => {
    await (await place.serve()).stop('SIGTERM');
    const { code, stderr } = await place.run(['serve'], { ROOT_SECRET: SECRET });
    expect(code).toBe(1);
    expect(stderr).toContain('root-secret-mismatch');
  });

  it('without the root secret that the log was begun with, and makes none in its place', async () => {
    await (await place.serve()).stop('SIGTERM');
    await rm(join(place.directory, 'root-secret'));
    const { code, stderr } = await place.run(['serve']);
    expect(code).toBe(1);
    expect(stderr).toContain('root-secret-missing');
    expect(await readdir(place.directory)).not.toContain('root-secret');
  });

  it('on a path that cannot be a folder, and says how to name another', async () => {
    const file = join(place.directory, '..', 'taken');
    await writeFile(file, '');
    for (const path of [file, join(file, 'data')]) {
      const { code, stderr } = await place.run(['serve'], { DATA_DIR: path });
      expect(code).toBe(1);
      expect(stderr).toMatch(/^verbatim: (eexist|enotdir): [^\n]*DATA_DIR or --data-dir\.\n$/);
    }
  });

  it('on a folder that holds what this log never wrote', async () => {
    await mkdir(join(place.directory, 'log', 'segments'), { recursive: true });
    await writeFile(join(place.directory, 'log', 'segments', 'holiday.jpg'), 'x');
    const { code, stderr } = await place.run(['serve']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^verbatim: corrupt-log: [^\n]*holiday\.jpg[^\n]*\n$/);
  });
});
