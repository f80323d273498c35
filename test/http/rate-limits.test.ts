import { afterEach, describe, expect, it } from 'vitest';
import { RequestError } from '../../src/errors.ts';
import { ask, startHttp, tokenOf } from './support.ts';
import type { TestServer } from './support.ts';

let running: TestServer;
afterEach(async () => {
  await running.server.close(0);
  await running.keyDirectory.stop();
});

function start(userRequestsPerSecond: number, tenantRequestsPerSecond: number): Promise<TestServer> {
  const bounds = { bodyBytes: 1_024, idleTimeoutMs: 10_000, importsAtOnce: 1 };
  return startHttp({ limits: { ...bounds, userRequestsPerSecond, tenantRequestsPerSecond } });
}

async function get(sub: string, tenant = 'acme') {
  const authorization = `Bearer ${await tokenOf({ sub, tenant })}`;
  return ask(`${running.url}/v1/conversations/42/events`, { headers: { authorization } });
}

describe('requests', () => {
  it('of one user over its limit are 429 with Retry-After, and go on when the time has passed', async () => {
    running = await start(2, 100);
    expect((await get('ada')).status).toBe(200);
    expect((await get('ada')).status).toBe(200);
    const refused = await get('ada');
    expect(refused.json).toMatchObject({ status: 429, code: 'rate-limited', retryable: true, retryAfterMs: 500 });
    expect(refused.headers['retry-after']).toBe('1');
    expect((await get('bob')).status).toBe(200);
    running.time.now += 499;
    expect((await get('ada')).status).toBe(429);
    running.time.now += 1;
    expect((await get('ada')).status).toBe(200);
    expect(running.server.stats()).toEqual({ requestsRefused: 2 });
  });

  it('of one tenant over its limit are 429, and another tenant does not feel it', async () => {
    running = await start(2, 3);
    for (const sub of ['ada', 'bob', 'cyd']) expect((await get(sub)).status).toBe(200);
    expect((await get('dan')).json).toMatchObject({ status: 429 });
    expect((await get('ada', 'other')).status).toBe(200);
  });

  it('that are refused to one user use up nothing of its tenant’s', async () => {
    running = await start(1, 3);
    await get('ada');
    for (let i = 0; i < 5; i += 1) expect((await get('ada')).status).toBe(429);
    expect((await get('bob')).status).toBe(200);
    expect((await get('cyd')).status).toBe(200);
  });

  it('without valid credentials are 429 once their address makes too many; those with some, and probes, never are', async () => {
    let left = 3;
    const strangers = {
      admit: () => {
        left -= 1;
        if (left < 0) throw new RequestError('rate-limited', 'too many', { retryAfterMs: 20 });
      },
    };
    running = await startHttp({ strangers });
    const route = `${running.url}/v1/conversations/42/events`;
    const forged = { headers: { authorization: 'Bearer x.y.z' } };
    expect((await ask(route)).status).toBe(401);
    expect((await ask(route, forged)).status).toBe(401);
    expect((await ask(`${running.url}/openapi.json`)).status).toBe(200);
    for (const refused of [await ask(route), await ask(route, forged), await ask(`${running.url}/openapi.json`)])
      expect(refused.json).toMatchObject({ status: 429, code: 'rate-limited', retryAfterMs: 20 });
    expect((await get('ada', 'acme')).status).toBe(200);
    expect((await ask(`${running.url}/health/live`)).status).toBe(200);
  });

  it('for a backup, without the proof of what they name, are a stranger’s; the operator’s are not', async () => {
    let counted = 0;
    running = await startHttp({ strangers: { admit: () => void (counted += 1) } });
    const request = async (authorization: string | undefined, body: string) => {
      const headers = { 'content-type': 'application/json', ...(authorization === undefined ? {} : { authorization }) };
      return (await fetch(`${running.url}/v1/backups`, { method: 'POST', headers, body })).status;
    };
    const body = JSON.stringify({ target: '/nowhere' });
    expect(await request('Operator guessed', body)).toBe(401);
    expect(await request(`Bearer ${await tokenOf()}`, body)).toBe(401);
    expect(await request('Operator guessed', '{}')).toBe(401);
    expect(await request(undefined, body)).toBe(401);
    expect(counted).toBe(4);
    expect(await request('Operator proved', body)).toBe(200);
    expect(await request('Operator proved', JSON.stringify({ target: '' }))).toBe(400);
    expect(counted).toBe(4);
  });

  it('of nobody are not counted: they are refused before', async () => {
    running = await start(1, 1);
    for (let i = 0; i < 3; i += 1) expect((await ask(`${running.url}/v1/conversations/42/events`)).status).toBe(401);
    expect((await get('ada')).status).toBe(200);
  });
});
