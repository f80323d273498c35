import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Claims } from '../../src/domain/claims.ts';
import { UnavailableError } from '../../src/errors.ts';
import type { ProjectionStatus, ProjectionWork } from '../../src/projections/projector.ts';
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

async function send(method: string, path: string, role: Claims['role'] = 'service'): Promise<Answer> {
  const authorization = `Bearer ${await tokenOf({ role })}`;
  return ask(`${running.url}/v1/projections${path}`, { method, headers: { authorization } });
}

const lines = ({ text }: Answer): unknown[] =>
  text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as unknown);

describe('work on read models', () => {
  it('is answered with what became of it', async () => {
    const rebuilt = await send('POST', '/conversations/rebuild');
    expect(rebuilt.headers['content-type']).toContain('application/x-ndjson');
    expect(lines(rebuilt).at(-1)).toEqual({
      result: { projection: 'conversations', generation: 2, events: 3, documents: 1, ms: 4 },
    });
    expect(lines(await send('POST', '/conversations/verify')).at(-1)).toMatchObject({
      result: { position: '7', differences: 0 },
    });
  });

  it('is for the role service', async () => {
    for (const role of ['supervisor', 'agent', 'auditor', 'visitor', 'bot'] as const)
      expect((await send('POST', '/conversations/rebuild', role)).json).toMatchObject({ status: 403, path: 'role' });
    expect((await send('POST', '/conversations/verify', 'supervisor')).status).toBe(403);
  });

  it('of a projection that there is not is 404', async () => {
    expect((await send('POST', '/nothing/rebuild')).json).toMatchObject({ status: 404, path: 'name' });
    expect((await send('POST', '/nothing/verify')).json).toMatchObject({ status: 404, path: 'name' });
  });

  it('that ends badly says so in its last line', async () => {
    await running.server.close(0);
    const fails = (): Promise<never> => Promise.reject(new UnavailableError('The store is away.'));
    const projections: ProjectionWork = { status: () => [KNOWN], rebuild: fails, verify: fails };
    running = await startHttp({ projections });
    expect(lines(await send('POST', '/messages/verify')).at(-1)).toMatchObject({ problem: { code: 'unavailable' } });
  });

  it('is not taken before the projector has begun', async () => {
    await running.server.close(0);
    const never = (): Promise<never> => Promise.reject(new Error('Nothing is begun.'));
    running = await startHttp({ projections: { status: () => [], rebuild: never, verify: never } });
    expect((await send('POST', '/messages/verify')).json).toMatchObject({ status: 503, code: 'unavailable' });
  });
});

const KNOWN: ProjectionStatus = {
  ...{ name: 'messages', generation: 3, checkpoint: undefined, state: 'stopped', reason: 'Too many are parked.' },
  ...{ lagEvents: 9, lagSeconds: 1.5, eventsFolded: 0, batches: 0, retries: 2, staleCommits: 0, parkedDocuments: 1 },
  rebuilding: false,
};

describe('the list of projections', () => {
  it('says where each stands', async () => {
    await running.server.close(0);
    const never = (): Promise<never> => Promise.reject(new Error('Nothing is begun.'));
    running = await startHttp({ projections: { status: () => [KNOWN], rebuild: never, verify: never } });
    const { json } = await send('GET', '', 'auditor');
    expect(json).toEqual({
      projections: [
        {
          ...{ name: 'messages', generation: 3, position: null, state: 'stopped', reason: 'Too many are parked.' },
          ...{ lagEvents: 9, lagSeconds: 1.5, eventsFolded: 0, retries: 2, parkedDocuments: 1, rebuilding: false },
        },
      ],
    });
  });

  it('is for those who run or supervise', async () => {
    for (const role of ['service', 'supervisor', 'auditor'] as const)
      expect((await send('GET', '', role)).status, role).toBe(200);
    for (const role of ['agent', 'bot', 'visitor'] as const)
      expect((await send('GET', '', role)).status, role).toBe(403);
  });
});
