import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Workplace } from './support.ts';

let place: Workplace;
beforeEach(async () => {
  place = await Workplace.create();
});
afterEach(async () => {
  await place.clean();
});

interface Listed {
  readonly keyId: string;
  readonly name: string;
  readonly revokedAt: string | null;
}

async function list(): Promise<Listed[]> {
  const { stdout, code, stderr } = await place.run(['apikey', 'list']);
  expect(code, stderr).toBe(0);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as Listed);
}

describe('verbatim apikey', () => {
  it('makes a key on a running server, which speaks over HTTP and WebSocket until it is revoked', async () => {
    const serving = await place.serve();
    const made = await place.run(['apikey', 'create', '--name', 'CRM', '--role', 'supervisor']);
    expect(made.code, made.stderr).toBe(0);
    expect(made.stdout).toMatch(/^vbk_default_[0-9a-f]{32}_[A-Za-z0-9_-]{43}\n$/);
    const key = made.stdout.trim();
    const get = () => fetch(`${serving.http}/v1/api-keys`, { headers: { authorization: `Bearer ${key}` } });
    expect((await get()).status).toBe(200);
    const metrics = await (await fetch(`${serving.http}/metrics`)).text();
    expect(metrics).toMatch(/^verbatim_append_seconds_count\{outcome="ok"\} [1-9]/m);
    expect(metrics).toMatch(/^verbatim_feed_connected 1$/m);

    const socket = new WebSocket(serving.gateway, ['verbatim.v1', `bearer.${key}`]);
    const [hello] = (await once(socket, 'message')) as [Buffer];
    expect(JSON.parse(hello.toString())).toMatchObject({ op: 'hello', role: 'supervisor' });
    const [{ keyId, name, revokedAt }] = (await list()) as [Listed];
    expect({ name, revokedAt }).toEqual({ name: 'CRM', revokedAt: null });

    const closed = once(socket, 'close');
    const before = performance.now();
    const revoked = await place.run(['apikey', 'revoke', keyId]);
    expect(revoked.code, revoked.stderr).toBe(0);
    expect((await get()).status).toBe(401);
    const [code] = (await closed) as [number];
    expect(code).toBe(4501);
    expect(performance.now() - before).toBeLessThan(10_000);
    await serving.stop('SIGTERM');
  });

  it('works in the folder itself where nobody has it', async () => {
    const made = await place.run(['apikey', 'create', '--name', 'CRM', '--role', 'bot']);
    expect(made.stdout).toMatch(/^vbk_default_/);
    const [key] = await list();
    expect((await place.run(['apikey', 'revoke', key?.keyId ?? ''])).code).toBe(0);
    expect((await list()).map(({ revokedAt }) => typeof revokedAt)).toEqual(['string']);
    const unknown = await place.run(['apikey', 'revoke', '0'.repeat(32)]);
    expect(unknown).toMatchObject({ code: 1, stdout: '' });
    expect(unknown.stderr).toContain('not-found');
  });

  it.each([
    [['apikey']],
    [['apikey', 'make']],
    [['apikey', 'create', '--role', 'bot']],
    [['apikey', 'create', '--name', 'x', '--role', 'visitor']],
    [['apikey', 'create', '--name', 'x', '--role', 'bot', '--tenant', 'system']],
    [['apikey', 'revoke']],
  ])('refuses the usage %j with 2', async args => {
    const ended = await place.run(args);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toMatch(/^verbatim: usage: /);
  });
});
