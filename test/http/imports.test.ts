import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createTokenVerifier } from '../../src/auth/tokens.ts';
import type { ImportResult } from '../../src/commands/import.ts';
import { ask, NOW, SECRET, startHttp, tokenOf } from './support.ts';
import type { TestServer } from './support.ts';

let running: TestServer | undefined;
afterEach(async () => {
  await running?.server.close(0);
  running = undefined;
});

const NDJSON = 'application/x-ndjson';

async function openImport(url: string): Promise<{ request: ClientRequest; response: Promise<IncomingMessage> }> {
  const headers = { authorization: `Bearer ${await tokenOf()}`, 'content-type': NDJSON };
  const request = httpRequest(`${url}/v1/import`, { method: 'POST', headers });
  const response = once(request, 'response').then(([message]) => message as IncomingMessage);
  response.catch(() => undefined);
  return { request, response };
}

async function postLines(url: string, body: string, headers: Record<string, string> = {}) {
  return ask(`${url}/v1/import`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await tokenOf()}`, 'content-type': NDJSON, ...headers },
    body,
  });
}

describe('an import', () => {
  it('answers one result a line, in order, bad ones among them', async () => {
    running = await startHttp();
    const { status, text, headers } = await postLines(running.url, 'a1\nbad\na2\n');
    expect(status).toBe(200);
    expect(headers['content-type']).toContain(NDJSON);
    expect(
      text
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line) as unknown),
    ).toEqual([
      { line: 1, status: 'imported', id: 'a1', conversation: 'a' },
      { line: 2, status: 'rejected', code: 'bad-request', path: 'text', message: 'bad' },
      { line: 3, status: 'imported', id: 'a2', conversation: 'a' },
    ]);
  });

  it('answers while the request still comes in', async () => {
    running = await startHttp();
    const { request, response } = await openImport(running.url);
    request.write('a1\n');
    const answer = await response;
    const [first] = (await once(answer, 'data')) as [Buffer];
    expect(first.toString()).toContain('"id":"a1"');
    const ended = once(answer, 'end');
    const next = once(answer, 'data');
    request.end('a2\n');
    const [second] = (await next) as [Buffer];
    expect(second.toString()).toContain('"id":"a2"');
    await ended;
  });

  it('may be longer than any other body', async () => {
    running = await startHttp();
    const lines = Array.from({ length: 2_000 }, (_, i) => `line-${i}`);
    const { text } = await postLines(running.url, `${lines.join('\n')}\n`);
    expect(text.trimEnd().split('\n')).toHaveLength(2_000);
  });

  it('is not read on while nobody reads its results', async () => {
    let taken = 0;
    const runImport = async function* (bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ImportResult> {
      for await (const chunk of bytes) {
        for (const byte of chunk) {
          if (byte !== 0x0a) continue;
          taken += 1;
          yield { line: taken, status: 'imported', message: 'x'.repeat(1_000) };
        }
      }
    };
    running = await startHttp({ runImport });
    const { request, response } = await openImport(running.url);
    const lines = 'x\n'.repeat(32_768);
    let sent = 0;
    const send = (): void => {
      while (sent < 100 && request.write(lines)) sent += 1;
    };
    request.on('drain', send).on('error', () => undefined);
    send();
    const answer = await response;
    // Held: the answer is not read, so at some point nothing moves any more. 100 chunks would be 3.3 million lines.
    for (let quiet = 0; quiet < 200;) {
      const before = taken;
      for (let turn = 0; turn < 50; turn += 1) await setImmediate();
      quiet = before === taken ? quiet + 1 : 0;
    }
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(100_000);
    answer.destroy();
    request.destroy();
  });

  it('that is cut off ends its reading, and the next one runs', async () => {
    let ended: () => void = () => undefined;
    const done = new Promise<void>(resolve => (ended = resolve));
    let cut = false;
    running = await startHttp({
      runImport: async function* (bytes): AsyncGenerator<ImportResult> {
        try {
          let line = 0;
          for await (const _chunk of bytes) yield { line: (line += 1), status: 'imported' };
        } catch (error) {
          cut = true;
          throw error;
        } finally {
          ended();
        }
      },
    });
    const { request, response } = await openImport(running.url);
    request.on('error', () => undefined);
    request.write('a1\n');
    const answer = await response;
    answer.on('error', () => undefined);
    await once(answer, 'data');
    request.destroy();
    await done;
    expect(cut).toBe(true);
    expect((await postLines(running.url, 'a2\n')).status).toBe(200);
  });

  it('of which too many run is refused for a while', async () => {
    running = await startHttp();
    const { request, response } = await openImport(running.url);
    request.write('a1\n');
    const answer = await response;
    const refused = await postLines(running.url, 'a2\n');
    expect(refused.json).toMatchObject({ code: 'rate-limited', retryable: true });
    expect(refused.headers['retry-after']).toBe('5');
    const ended = once(answer, 'end');
    answer.resume();
    request.end();
    await ended;
    expect((await postLines(running.url, 'a2\n')).status).toBe(200);
  });

  it('is cut, not ended, by a server that stops, so that the caller knows to run it again', async () => {
    running = await startHttp();
    const { request, response } = await openImport(running.url);
    request.on('error', () => undefined);
    request.write('a1\n');
    const answer = await response;
    await once(answer, 'data');
    const failed = once(answer, 'error');
    await running.server.close(5_000);
    running = undefined;
    await failed;
    expect(answer.complete).toBe(false);
  });
});

describe('an import is refused', () => {
  it('without a token, with a bad or an expired one', async () => {
    running = await startHttp();
    const without = await postLines(running.url, '', { authorization: '' });
    expect(without.json).toMatchObject({ code: 'unauthorized', status: 401, path: 'authorization' });
    expect(without.headers['www-authenticate']).toBe('Bearer');
    expect((await postLines(running.url, '', { authorization: 'Bearer nonsense' })).status).toBe(401);
    const expired = `Bearer ${await tokenOf({ expiresAt: NOW - 1_000 })}`;
    expect((await postLines(running.url, '', { authorization: expired })).json.detail).toContain('expired');
  });

  it('to every role but service', async () => {
    running = await startHttp();
    for (const role of ['visitor', 'agent', 'supervisor', 'auditor', 'bot'] as const) {
      const answer = await postLines(running.url, 'a\n', { authorization: `Bearer ${await tokenOf({ role })}` });
      expect(answer.json, role).toMatchObject({ code: 'forbidden', status: 403 });
    }
  });

  it('of another media type or a compressed one, saying what is taken', async () => {
    running = await startHttp();
    for (const [header, value, detail] of [
      ['content-type', 'application/json', 'An import is application/x-ndjson.'],
      ['content-type', 'text/csv', 'An import is application/x-ndjson.'],
      ['content-encoding', 'gzip', 'An import over HTTP comes uncompressed.'],
    ] as const) {
      const { json } = await postLines(running.url, '{}', { [header]: value });
      expect(json).toMatchObject({ status: 415, code: 'unsupported-media-type', path: header, detail });
    }
    expect((await postLines(running.url, 'a\n', { 'content-type': `${NDJSON}; charset=utf-8` })).status).toBe(200);
  });

  it("and a caller that leaves before its import has begun takes nobody's place", async () => {
    const verify = createTokenVerifier({ secret: SECRET, clock: { now: () => NOW } });
    let verifying = (): void => undefined;
    let goOn: Promise<unknown> = Promise.resolve();
    running = await startHttp({
      verifyToken: async token => {
        verifying();
        await goOn;
        return verify(token);
      },
    });
    const connected = once(running.server.app.server, 'connection');
    const reached = new Promise<void>(resolve => (verifying = resolve));
    let letGo = (): void => undefined;
    goOn = new Promise<void>(resolve => (letGo = resolve));
    const { request } = await openImport(running.url);
    request.on('error', () => undefined);
    request.write('a1\n');
    const [socket] = (await connected) as [Socket];
    await reached;
    request.destroy();
    await once(socket, 'close');
    letGo();
    await vi.waitFor(async () => {
      expect((await postLines(running?.url ?? '', 'a1\n')).status).toBe(200);
    });
  });

  it('and runs for the tenant of its token, by its subject', async () => {
    let seen: unknown;
    running = await startHttp({
      runImport: (_bytes, as) => {
        seen = as;
        return (async function* (): AsyncGenerator<ImportResult> {})();
      },
    });
    await postLines(running.url, 'a\n');
    expect(seen).toEqual({ tenant: 'acme', by: 'importer' });
  });
});
