import { describe, expect, test } from 'vitest';
import { rememberTokens } from '../../src/auth/remembered-tokens.ts';
import type { TokenVerdict } from '../../src/auth/tokens.ts';
import { FakeTime } from '../support/fake-time.ts';

function fixture(options: { tokensMax?: number; keptMs?: number } = {}) {
  const time = new FakeTime();
  const checked: string[] = [];
  const verify = rememberTokens(
    token => {
      checked.push(token);
      if (!token.startsWith('good')) return Promise.resolve({ kind: 'invalid', message: 'no' } satisfies TokenVerdict);
      const claims = { sub: token, tenant: 'acme', role: 'agent', rooms: [], expiresAt: time.now() + 10_000 } as const;
      return Promise.resolve({ kind: 'valid', claims } satisfies TokenVerdict);
    },
    { clock: time, tokensMax: 2, keptMs: Infinity, ...options },
  );
  return { time, checked, verify };
}

describe('remembered tokens', () => {
  test('a valid one is checked once, and has its own claims', async () => {
    const { checked, verify } = fixture();
    for (const token of ['good-1', 'good-2', 'good-1', 'good-2'])
      expect(await verify(token)).toMatchObject({ kind: 'valid', claims: { sub: token } });
    expect(checked).toEqual(['good-1', 'good-2']);
  });

  test('one that has expired since is expired', async () => {
    const { time, verify } = fixture();
    await verify('good-1');
    await time.advance(10_000);
    expect(await verify('good-1')).toEqual({ kind: 'expired' });
  });

  test('one that is not valid is checked each time', async () => {
    const { checked, verify } = fixture();
    for (let i = 0; i < 2; i++) expect((await verify('bad')).kind).toBe('invalid');
    expect(checked).toEqual(['bad', 'bad']);
  });

  test('one is checked again after the time it is kept, and so is the one used longest ago when there are too many', async () => {
    const { time, checked, verify } = fixture({ keptMs: 5_000 });
    for (const token of ['good-1', 'good-2', 'good-1', 'good-3', 'good-1', 'good-2']) await verify(token);
    expect(checked).toEqual(['good-1', 'good-2', 'good-3', 'good-2']);
    await time.advance(5_000);
    await verify('good-1');
    expect(checked.at(-1)).toBe('good-1');
    expect(checked).toHaveLength(5);
  });
});
