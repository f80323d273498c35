import { describe, expect, test } from 'vitest';
import { SignJWT } from 'jose';
import { createTokenVerifier, signToken } from '../../src/auth/tokens.ts';
import type { Claims } from '../../src/domain/claims.ts';

const NOW = Date.UTC(2026, 0, 1);
const secret = new TextEncoder().encode('a secret of thirty-two bytes, or more');
const claims: Claims = { sub: 'ann', tenant: 'acme', role: 'agent', rooms: [], expiresAt: NOW + 60_000 };

function verifierAt(now: number) {
  return createTokenVerifier({ secret, clock: { now: () => now } });
}

function jwt(payload: Record<string, unknown>): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg: 'HS256' }).sign(secret);
}

describe('a token', () => {
  test('gives the claims it was signed with', async () => {
    const visitor: Claims = { ...claims, role: 'visitor', rooms: ['conversation:42'] };
    expect(await verifierAt(NOW)(await signToken(secret, visitor))).toEqual({ kind: 'valid', claims: visitor });
  });

  test('is expired at the second of its exp, without tolerance', async () => {
    const token = await signToken(secret, claims);
    expect((await verifierAt(NOW + 59_999)(token)).kind).toBe('valid');
    expect(await verifierAt(NOW + 60_000)(token)).toEqual({ kind: 'expired' });
  });

  test('signed with another secret is invalid', async () => {
    const other = new TextEncoder().encode('another secret of thirty-two bytes or more');
    expect((await verifierAt(NOW)(await signToken(other, claims))).kind).toBe('invalid');
  });

  test('without a signature is invalid', async () => {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const token = `${encode({ alg: 'none' })}.${encode({ ...claims, exp: NOW })}.`;
    expect((await verifierAt(NOW)(token)).kind).toBe('invalid');
  });

  test('without exp is invalid', async () => {
    const token = await jwt({ sub: 'ann', tenant: 'acme', role: 'agent' });
    expect(await verifierAt(NOW)(token)).toMatchObject({ kind: 'invalid' });
  });

  test.each([
    ['a role that is none', { role: 'king' }, 'role'],
    ['a tenant with a dot', { tenant: 'a.b' }, 'tenant'],
    ['the reserved tenant', { tenant: 'system' }, 'tenant'],
    ['an empty sub', { sub: '' }, 'sub'],
    ['an exp that is no time', { exp: 1e15 }, 'exp'],
    ['rooms that are no list', { rooms: 'conversation:1' }, 'rooms'],
  ])('with %s is invalid, and the message names the claim', async (_what, wrong, claim) => {
    const token = await jwt({ sub: 'ann', tenant: 'acme', role: 'agent', exp: NOW / 1_000 + 60, ...wrong });
    const verdict = await verifierAt(NOW)(token);
    expect(verdict.kind).toBe('invalid');
    expect(verdict).toHaveProperty('message', expect.stringContaining(`claim ${claim}`));
  });

  test('that is no token at all is invalid', async () => {
    expect((await verifierAt(NOW)('nonsense')).kind).toBe('invalid');
    expect((await verifierAt(NOW)('x'.repeat(20_000))).kind).toBe('invalid');
  });
});
