import { expect, it } from 'vitest';
import { startHttp, tokenOf } from './support.ts';

const lines = (text: string): unknown[] =>
  text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as unknown);

it('a scavenge answers with its result; roles other than service are refused', async () => {
  const server = await startHttp();
  const ask = async (role: 'service' | 'agent') => {
    const authorization = `Bearer ${await tokenOf({ role })}`;
    return fetch(`${server.url}/v1/scavenges`, { method: 'POST', headers: { authorization } });
  };
  const answer = await ask('service');
  expect(answer.headers.get('content-type')).toContain('application/x-ndjson');
  expect(lines(await answer.text()).at(-1)).toMatchObject({ result: { eventsDropped: 7 } });
  expect((await ask('agent')).status).toBe(403);
});

it('a backup is for who runs the server, whatever tokens there are, and stands in no document', async () => {
  const server = await startHttp();
  const ask = (authorization: string) =>
    fetch(`${server.url}/v1/backups`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ target: '/nowhere' }),
    });
  expect((await ask(`Bearer ${await tokenOf()}`)).status).toBe(401);
  expect((await ask('Operator guessed')).status).toBe(401);
  const told = await ask('Operator proved');
  expect(lines(await told.text()).at(-1)).toMatchObject({ problem: { code: 'internal' } });
  expect(await (await fetch(`${server.url}/openapi.json`)).text()).not.toContain('/v1/backups');
});
