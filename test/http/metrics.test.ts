import { afterEach, describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { ask, startHttp } from './support.ts';
import type { TestServer } from './support.ts';

let running: TestServer;
afterEach(async () => {
  await running.server.close(0);
  await running.keyDirectory.stop();
});

const TOKEN = 'a-token-of-operators';

describe('/metrics', () => {
  it('tells what was measured and what its owners count', async () => {
    const metrics = createMetrics();
    let sockets = 3;
    metrics.add([
      { name: 'verbatim_sockets', help: 'Sockets.', kind: 'gauge', read: () => sockets },
      { name: 'verbatim_resets_total', help: 'Resets.', kind: 'counter', read: () => 7 },
    ]);
    const timed = metrics.timed('append');
    expect(await timed(() => Promise.resolve('result'))).toBe('result');
    await expect(timed(() => Promise.reject(new TypeError('no')))).rejects.toThrow('no');
    running = await startHttp({ metrics: { read: metrics.read, token: undefined } });
    const first = await ask(`${running.url}/metrics`);
    expect(first.headers['content-type']).toContain('text/plain');
    expect(first.text).toMatch(/^verbatim_sockets 3$/m);
    expect(first.text).toMatch(/^verbatim_append_seconds_count\{outcome="ok"\} 1$/m);
    expect(first.text).toMatch(/^verbatim_append_seconds_count\{outcome="TypeError"\} 1$/m);
    sockets = 2;
    const second = await ask(`${running.url}/metrics`);
    expect(second.text).toMatch(/^verbatim_sockets 2$/m);
    expect(second.text).toMatch(/^verbatim_resets_total 7$/m);
  });

  it('is for this machine alone, whatever a proxy or a name says', async () => {
    running = await startHttp();
    expect((await ask(`${running.url}/metrics`)).status).toBe(200);
    for (const headers of [{ 'x-forwarded-for': '203.0.113.7' }, { host: 'evil.example' }])
      expect((await ask(`${running.url}/metrics`, { headers })).json).toMatchObject({ status: 403 });
  });

  it('with a configured token is for whoever names it, and nobody else', async () => {
    const read = () => Promise.resolve({ contentType: 'text/plain', text: 'x 1' });
    running = await startHttp({ metrics: { read, token: TOKEN } });
    const get = (authorization: string) => ask(`${running.url}/metrics`, { headers: { authorization } });
    expect((await get(`Bearer ${TOKEN}`)).text).toBe('x 1');
    for (const wrong of ['', 'Bearer x', `Bearer ${TOKEN}x`]) expect((await get(wrong)).status).toBe(401);
  });
});
