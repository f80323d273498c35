import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { CryptoKey, JWK } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isKeySetUrl, openKeySet } from '../../src/auth/key-sets.ts';
import { UnavailableError } from '../../src/errors.ts';

const NOW = Date.UTC(2026, 0, 1);
const clock = { now: () => NOW };

let server: Server;
let url: string;
/** What the server answers. */
let keys: JWK[] = [];
let answer: { status: number; body?: string } = { status: 200 };
let asked = 0;

beforeEach(async () => {
  [keys, answer, asked] = [[], { status: 200 }, 0];
  server = createServer((_request, response) => {
    asked += 1;
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(answer.body ?? JSON.stringify({ keys }));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
});

interface Signer {
  readonly publish: JWK;
  sign(claims?: Record<string, unknown>): Promise<string>;
}

async function signer(alg: string, kid: string): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { publish: { ...(await exportJWK(publicKey)), kid }, sign: claims => sign(privateKey, alg, kid, claims) };
}

function sign(key: CryptoKey | Uint8Array, alg: string, kid: string, claims: Record<string, unknown> = {}) {
  const payload = { sub: 'ada', tenant: 'acme', role: 'agent', exp: NOW / 1_000 + 60, ...claims };
  return new SignJWT(payload).setProtectedHeader({ alg, kid }).sign(key);
}

describe('a token signed by somebody else', () => {
  it.each(['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'])('with %s is checked with the key it names', async alg => {
    const [one, other] = [await signer(alg, 'one'), await signer(alg, 'one')];
    keys = [one.publish, (await signer('RS256', 'two')).publish];
    const verify = await openKeySet({ url, clock });
    expect(await verify(await one.sign())).toMatchObject({ kind: 'valid', claims: { sub: 'ada', tenant: 'acme' } });
    expect(await verify(await other.sign())).toMatchObject({ kind: 'invalid' });
    expect(await verify(await one.sign({ exp: NOW / 1_000 }))).toEqual({ kind: 'expired' });
    expect(await verify(await one.sign({ tenant: 'system' }))).toMatchObject({ kind: 'invalid' });
    expect(asked).toBe(1);
  });

  it('with a shared secret is refused, be the secret a public key', async () => {
    const one = await signer('RS256', 'one');
    keys = [one.publish];
    const verify = await openKeySet({ url, clock });
    const forged = await sign(new TextEncoder().encode(JSON.stringify(one.publish)), 'HS256', 'one');
    expect(await verify(forged)).toMatchObject({ kind: 'invalid' });
    expect(await verify('nonsense')).toMatchObject({ kind: 'invalid' });
  });

  it('of another issuer or for another audience is refused', async () => {
    const one = await signer('ES256', 'one');
    keys = [one.publish];
    const verify = await openKeySet({ url, clock, issuer: 'https://us.example', audience: 'verbatim' });
    const ours = { iss: 'https://us.example', aud: ['verbatim', 'billing'] };
    expect((await verify(await one.sign(ours))).kind).toBe('valid');
    for (const wrong of [{}, { ...ours, iss: 'https://them.example' }, { ...ours, aud: 'billing' }])
      expect((await verify(await one.sign(wrong))).kind).toBe('invalid');
  });
});

describe('keys that rotate', () => {
  it('are read again when a token names a new one, and the old ones end', async () => {
    const [old, next] = [await signer('ES256', 'old'), await signer('ES256', 'next')];
    keys = [old.publish];
    const verify = await openKeySet({ url, clock, cooldownMs: 0 });
    expect((await verify(await old.sign())).kind).toBe('valid');
    keys = [old.publish, next.publish];
    expect((await verify(await next.sign())).kind).toBe('valid');
    expect((await verify(await old.sign())).kind).toBe('valid');
    keys = [next.publish];
    expect((await verify(await (await signer('ES256', 'made-up')).sign())).kind).toBe('invalid');
    expect((await verify(await old.sign())).kind).toBe('invalid');
    expect((await verify(await next.sign())).kind).toBe('valid');
  });

  it('are not asked for by every made-up name', async () => {
    keys = [(await signer('ES256', 'one')).publish];
    const verify = await openKeySet({ url, clock });
    for (let i = 0; i < 5; i += 1)
      expect((await verify(await (await signer('ES256', `made-up-${i}`)).sign())).kind).toBe('invalid');
    expect(asked).toBe(1);
  });

  it('that cannot be read again are not the token’s fault', async () => {
    const [one, next] = [await signer('ES256', 'one'), await signer('ES256', 'next')];
    keys = [one.publish];
    const verify = await openKeySet({ url, clock, cooldownMs: 0 });
    answer = { status: 500 };
    await expect(verify(await next.sign())).rejects.toBeInstanceOf(UnavailableError);
    expect((await verify(await one.sign())).kind).toBe('valid');
  });

  it('that cannot be read are not asked for by every made-up name either, nor named to whom made it up', async () => {
    keys = [(await signer('ES256', 'one')).publish];
    const time = { now: NOW };
    const verify = await openKeySet({ url, clock: { now: () => time.now }, cooldownMs: 0 });
    answer = { status: 500 };
    const madeUp = await (await signer('ES256', 'made-up')).sign();
    for (let i = 0; i < 5; i += 1) {
      const refusal: unknown = await verify(madeUp).catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(UnavailableError);
      expect((refusal as Error).message).not.toContain('127.0.0.1');
      expect(String((refusal as Error).cause)).toContain(url);
    }
    expect(asked).toBe(2);
    answer = { status: 200 };
    time.now += 1_000;
    expect((await verify(madeUp)).kind).toBe('invalid');
    expect(asked).toBe(3);
  });
});

describe('a server does not start', () => {
  it.each<[string, () => { status: number; body?: string }]>([
    ['where the set is not there', () => ({ status: 404 })],
    ['where it is no JSON', () => ({ status: 200, body: '<html>' })],
    ['where it is no key set', () => ({ status: 200, body: '{"keys": 1}' })],
    ['where it holds no key', () => ({ status: 200, body: '{"keys": []}' })],
    ['where it holds shared secrets alone', () => ({ status: 200, body: '{"keys": [{"kty": "oct", "k": "AA"}]}' })],
  ])('%s, and says so', async (_what, answered) => {
    answer = answered();
    await expect(openKeySet({ url, clock })).rejects.toThrow(`The key set at ${url}`);
  });

  it('where nobody answers', async () => {
    await new Promise(resolve => server.close(resolve));
    await expect(openKeySet({ url, clock })).rejects.toBeInstanceOf(UnavailableError);
    server.listen(0);
  });

  it.each([
    ['https://login.example.com/jwks', true],
    ['http://127.0.0.1:8080/jwks', true],
    ['http://[::1]/jwks', true],
    ['http://localhost/jwks', true],
    ['http://login.example.com/jwks', false],
    ['http://127.0.0.1.example.com/jwks', false],
    ['https://user:word@login.example.com/jwks', false],
    ['file:///etc/passwd', false],
    ['jwks', false],
  ])('may have its keys from %s: %s', (text, may) => {
    expect(isKeySetUrl(text)).toBe(may);
  });
});
