import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Claims } from '../../src/domain/claims.ts';
import type { Role } from '../../src/domain/decider.ts';
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

let keys = 0;
const service = (claims: Partial<Claims> = {}) => tokenOf({ sub: 'ops', ...claims });

async function create(data: object, token?: string, key = `key-${++keys}`): Promise<Answer> {
  return ask(`${running.url}/v1/api-keys`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token ?? (await service())}`,
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: JSON.stringify(data),
  });
}

async function list(token?: string): Promise<Answer> {
  return ask(`${running.url}/v1/api-keys`, { headers: { authorization: `Bearer ${token ?? (await service())}` } });
}

async function revoke(keyId: string, token?: string): Promise<Answer> {
  const authorization = `Bearer ${token ?? (await service())}`;
  return ask(`${running.url}/v1/api-keys/${keyId}`, { method: 'DELETE', headers: { authorization } });
}

describe('an API key', () => {
  it('is shown once, and from then on speaks for its tenant in its role', async () => {
    const { status, json } = await create({ name: 'CRM', role: 'auditor' });
    expect(status).toBe(201);
    expect(json).toMatchObject({ name: 'CRM', role: 'auditor', createdBy: 'ops', revokedAt: null, duplicate: false });
    expect(json.key).toMatch(/^vbk_acme_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/);
    const seen = await list(String(json.key));
    expect(seen.json.keys).toEqual([
      { keyId: json.keyId, name: 'CRM', role: 'auditor', createdAt: json.createdAt, createdBy: 'ops', revokedAt: null },
    ]);
    expect((await create({ name: 'x', role: 'service' }, String(json.key))).status).toBe(403);
  });

  it('is nowhere in the log', async () => {
    const { json } = await create({ name: 'CRM', role: 'bot' });
    const secret = String(json.key).split('_').slice(3).join('_');
    let events = 0;
    for await (const event of running.store.readAll()) {
      events += 1;
      expect(Buffer.from(event.data).toString()).not.toContain(secret);
      expect(Buffer.from(event.metadata).toString()).not.toContain(secret);
    }
    expect(events).toBe(1);
    expect((await list()).text).not.toMatch(/hash|secret/);
  });

  it('asked for again under the same Idempotency-Key is the same key, without its secret', async () => {
    const first = await create({ name: 'CRM', role: 'bot' }, undefined, 'once');
    const again = await create({ name: 'CRM', role: 'bot' }, undefined, 'once');
    expect(again.json).toMatchObject({ keyId: first.json.keyId, duplicate: true });
    expect(again.json.key).toBeUndefined();
    expect((await create({ name: 'Other', role: 'bot' }, undefined, 'once')).json).toMatchObject({
      status: 422,
      code: 'idempotency-mismatch',
    });
    expect((await list()).json.keys).toHaveLength(1);
  });

  it('is refused at once when it was revoked, for good and however often', async () => {
    const { json } = await create({ name: 'CRM', role: 'service' });
    const key = String(json.key);
    expect((await list(key)).status).toBe(200);
    const revoked = await revoke(String(json.keyId));
    expect(revoked.json).toMatchObject({ keyId: json.keyId, revokedAt: expect.any(String) as string });
    const refused = await list(key);
    expect(refused.json).toMatchObject({ status: 401, code: 'unauthorized' });
    expect(refused.json.detail).toContain('revoked');
    const again = await revoke(String(json.keyId), await service({ sub: 'somebody-else' }));
    expect(again.json).toMatchObject({ revokedAt: revoked.json.revokedAt });
    expect((await list()).json.keys).toHaveLength(1);
  });

  it('is revoked in the log whatever command ids others have used before', async () => {
    const { json } = await create({ name: 'CRM', role: 'service' });
    const keyId = String(json.keyId);
    const squatted = await ask(`${running.url}/v1/subjects/nobody/erasure`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await service({ sub: 'boss', role: 'supervisor' })}`,
        'content-type': 'application/json',
        'idempotency-key': `revoke.${keyId}`,
      },
      body: JSON.stringify({ reason: 'none' }),
    });
    expect(squatted.status).toBe(200);
    expect((await revoke(keyId)).json).toMatchObject({ keyId, revokedAt: expect.any(String) as string });
    expect((await list()).json.keys).toMatchObject([{ keyId, revokedAt: expect.any(String) as string }]);
  });

  it('with a letter changed, of another tenant or made up, is refused in the same words', async () => {
    const { json } = await create({ name: 'CRM', role: 'service' });
    const key = String(json.key);
    const answers = await Promise.all(
      [
        `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`,
        key.replace('_acme_', '_other_'),
        key.replace(String(json.keyId), '0'.repeat(32)),
        'vbk_acme_x_y',
        'vbk_',
      ].map(list),
    );
    for (const answer of answers) expect(answer.status).toBe(401);
    expect(new Set(answers.map(({ json: { detail } }) => detail)).size).toBe(1);
  });

  it('GW-1: is its tenant’s alone to see and to revoke', async () => {
    const { json } = await create({ name: 'CRM', role: 'bot' });
    const other = await service({ tenant: 'other' });
    expect((await list(other)).json.keys).toEqual([]);
    expect((await revoke(String(json.keyId), other)).json).toMatchObject({ status: 404, code: 'not-found' });
    expect((await list()).json.keys).toMatchObject([{ revokedAt: null }]);
  });
});

describe('who may', () => {
  it.each<[Role, number, number]>([
    ['visitor', 403, 403],
    ['agent', 403, 403],
    ['bot', 403, 403],
    ['supervisor', 403, 200],
    ['auditor', 403, 200],
    ['service', 201, 200],
  ])('a %s: making one is %i, listing them %i', async (role, made, listed) => {
    const token = await service({ role });
    const { json } = await create({ name: 'CRM', role: 'bot' });
    expect((await create({ name: 'x', role: 'bot' }, token)).status).toBe(made);
    expect((await list(token)).status).toBe(listed);
    expect((await revoke(String(json.keyId), token)).status).toBe(made === 201 ? 200 : 403);
  });

  it.each([
    [{ role: 'bot' }, 'name'],
    [{ name: '', role: 'bot' }, 'name'],
    [{ name: 'x'.repeat(101), role: 'bot' }, 'name'],
    [{ name: 'x', role: 'visitor' }, 'role'],
    [{ name: 'x' }, 'role'],
  ])('nobody makes one of %j', async (data, path) => {
    expect((await create(data)).json).toMatchObject({ status: 400, path });
  });
});
