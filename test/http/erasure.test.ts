/** Erasing over HTTP whoever a token can name. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, startHttp, tokenOf } from './support.ts';
import type { Answer, TestServer } from './support.ts';

let running: TestServer;
beforeEach(async () => {
  running = await startHttp();
});
afterEach(async () => {
  await running.server.close(0);
  await running.keyDirectory.stop();
});

let requests = 0;
const post = (path: string, token: string, data: object): Promise<Answer> =>
  ask(`${running.url}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': `request-${++requests}`,
    },
    body: JSON.stringify(data),
  });

const erase = async (subject: string): Promise<Answer> =>
  post(`/v1/subjects/${encodeURIComponent(subject)}/erasure`, await tokenOf(), { reason: 'case 7' });

describe('the erasure of a subject', () => {
  it.each(['auth0|5f7c8ec7c33c6c004bbafe82', 'ann@example.com', 'a/b?c#d e%20', '日本'.repeat(100)])(
    'reaches the visitor %s, whom its issuer named so',
    async sub => {
      const visitor = await tokenOf({ sub, role: 'visitor' });
      const started = await post('/v1/conversations', visitor, { channel: 'web', topic: 'my secret' });
      expect(started.status).toBe(201);
      const path = `/v1/conversations/${String(started.json.conversation)}/events`;
      const read = async (): Promise<Answer> =>
        ask(`${running.url}${path}`, { headers: { authorization: `Bearer ${visitor}` } });
      expect((await read()).text).toContain('my secret');
      const { json } = await erase(sub);
      expect(json).toEqual({ subject: sub, duplicate: false, held: true, position: json.position });
      expect(json.position).toMatch(/^\d+$/);
      expect((await erase(sub)).json).toMatchObject({ subject: sub, duplicate: true, held: false });
      expect((await read()).json.events).toMatchObject([{ erased: true, data: { topic: null, visitor: sub } }]);
    },
  );

  it.each(['', 'x'.repeat(201)])('is refused for %j, which no token can name', async subject => {
    expect([400, 404]).toContain((await erase(subject)).status);
  });
});
