import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { createTokenVerifier } from '../../src/auth/tokens.ts';
import type { ImportResult } from '../../src/commands/import.ts';
import { ask, NOW, SECRET, startHttp } from './support.ts';
import type { Answer, TestServer } from './support.ts';

let running: TestServer | undefined;
afterEach(async () => {
  await running?.server.close(0);
  running = undefined;
});

const verify = createTokenVerifier({ secret: SECRET, clock: { now: () => NOW } });
/** An address of this machine that is not loopback, where it has one. */
const outerAddress = Object.values(networkInterfaces())
  .flat()
  .find(address => address?.family === 'IPv4' && !address.internal)?.address;

function askTokens(url: string, headers: Record<string, string> = {}, body?: string): Promise<Answer> {
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return ask(`${url}/v1/page/tokens`, {
    method: 'POST',
    headers: { ...type, ...headers },
    ...(body === undefined ? {} : { body }),
  });
}

async function claimsOf(side: unknown): Promise<unknown> {
  const verdict = await verify((side as { token: string }).token);
  return verdict.kind === 'valid' ? verdict.claims : verdict;
}

describe('the page on this machine', () => {
  it('gets two tokens for an hour: a visitor of one room, and an agent', async () => {
    running = await startHttp();
    const { status, json, headers } = await askTokens(running.url, {}, '{"room":"42"}');
    expect(status).toBe(200);
    expect(headers['cache-control']).toBe('no-store');
    expect(json).toMatchObject({
      gatewayUrl: 'ws://127.0.0.1:3001/v1/socket',
      tenant: 'default',
      room: 'conversation:42',
      expiresAt: new Date(NOW + 3_600_000).toISOString(),
      visitor: { sub: 'page-visitor' },
      agent: { sub: 'page-agent' },
    });
    expect(await claimsOf(json.visitor)).toEqual({
      sub: 'page-visitor',
      tenant: 'default',
      role: 'visitor',
      rooms: ['conversation:42'],
      expiresAt: NOW + 3_600_000,
    });
    expect(await claimsOf(json.agent)).toMatchObject({ sub: 'page-agent', role: 'agent', rooms: [] });
  });

  it('gets a room of the server where it names none, and may name one by its full name', async () => {
    running = await startHttp();
    expect((await askTokens(running.url)).json.room).toBe('conversation:made-by-the-server');
    expect((await askTokens(running.url, {}, '')).json.room).toBe('conversation:made-by-the-server');
    expect((await askTokens(running.url, {}, '{"room":"conversation:7"}')).json.room).toBe('conversation:7');
    const refused = await askTokens(running.url, {}, '{"room":"a b"}');
    expect(refused.json).toMatchObject({ code: 'bad-request', path: 'room' });
  });

  it('is the same by name, by address, and with its own origin', async () => {
    running = await startHttp();
    const { port, url } = running;
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `LocalHost:${port}`])
      expect((await askTokens(url, { host, origin: `http://${host.toLowerCase()}` })).status, host).toBe(200);
    expect((await askTokens(url, { host: `localhost:${port}` })).json.gatewayUrl).toBe('ws://localhost:3001/v1/socket');
  });
});

describe('to everybody else the route does not exist', () => {
  it('whose Host is not this machine, as after DNS rebinding', async () => {
    running = await startHttp();
    const { port, url } = running;
    for (const host of [
      `evil.example:${port}`,
      'localhost',
      `localhost.evil.example:${port}`,
      `localhost:${port + 1}`,
    ]) {
      const answer = await askTokens(url, { host });
      expect(answer.status, host).toBe(404);
      expect(answer.text, host).not.toContain('token');
    }
  });

  it('whose Origin is another site, or none that a page has', async () => {
    running = await startHttp();
    for (const origin of ['https://evil.example', 'null', `https://127.0.0.1:${running.port}`, 'http://127.0.0.1'])
      expect((await askTokens(running.url, { origin })).status, origin).toBe(404);
  });

  it('who came through a proxy', async () => {
    running = await startHttp();
    for (const header of ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'])
      expect((await askTokens(running.url, { [header]: '203.0.113.7' })).status, header).toBe(404);
  });

  it.runIf(outerAddress !== undefined)('whose address is not loopback, whatever Host it sends', async () => {
    running = await startHttp({}, '0.0.0.0');
    const answer = await askTokens(`http://${outerAddress ?? ''}:${running.port}`, {
      host: `localhost:${running.port}`,
    });
    expect(answer.status).toBe(404);
    expect(answer.json.code).toBe('not-found');
  });

  it('once a secret is configured', async () => {
    running = await startHttp({ pageTokens: undefined });
    expect((await askTokens(running.url)).json).toMatchObject({ code: 'not-found' });
    expect((await ask(`${running.url}/v1/import/sample`, { method: 'POST' })).status).toBe(404);
  });
});

describe('the sample', () => {
  async function* results(): AsyncGenerator<ImportResult> {
    yield { line: 1, status: 'imported', id: 'a.1', conversation: 'a' };
    yield { line: 2, status: 'imported', id: 'b.1', conversation: 'b' };
    yield { line: 3, status: 'duplicate', id: 'b.2', conversation: 'b' };
    yield { line: 4, status: 'rejected', code: 'bad-request', message: 'no' };
  }

  it('is imported once for all who ask at the same time, and its longest conversations are named', async () => {
    let imports = 0;
    running = await startHttp({
      pageTokens: {
        clock: { now: () => NOW },
        sign: () => Promise.resolve(''),
        newRoom: () => '',
        importSample: () => {
          imports += 1;
          return results();
        },
      },
    });
    const url = `${running.url}/v1/import/sample`;
    const answers = await Promise.all([ask(url, { method: 'POST' }), ask(url, { method: 'POST' })]);
    for (const { json } of answers)
      expect(json).toEqual({
        imported: 2,
        duplicates: 1,
        rejected: 1,
        conversations: [
          { id: 'b', messages: 2 },
          { id: 'a', messages: 1 },
        ],
      });
    expect(imports).toBeLessThanOrEqual(2);
    expect((await ask(url, { method: 'POST', headers: { origin: 'https://evil.example' } })).status).toBe(404);
  });
});
