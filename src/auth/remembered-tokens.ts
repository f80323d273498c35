/**
 * Tokens whose signature was checked lately, so that those who come back all at once cost a hash each instead of a
 * check. Known by their SHA-256 alone; only valid ones are remembered, never past their `exp`.
 */
import { hash } from 'node:crypto';
import type { Claims } from '../domain/claims.ts';
import type { Clock } from '../domain/clock.ts';
import type { VerifyToken } from './tokens.ts';

export interface RememberedTokensOptions {
  readonly clock: Clock;
  /** Some 500 bytes each; the one used longest ago goes first. */
  readonly tokensMax: number;
  /** How long after its check a token passes without another, in ms: while the key it was checked with is sure to be taken. */
  readonly keptMs: number;
}

interface Remembered {
  readonly claims: Claims;
  readonly until: number;
}

export function rememberTokens(verify: VerifyToken, options: RememberedTokensOptions): VerifyToken {
  const { clock, tokensMax, keptMs } = options;
  /** By digest, in the order of use, the oldest first. */
  const tokens = new Map<string, Remembered>();
  return async token => {
    const digest = hash('sha256', token, 'base64');
    const known = tokens.get(digest);
    if (known) {
      tokens.delete(digest);
      const now = clock.now();
      if (now >= known.claims.expiresAt) return { kind: 'expired' };
      if (now < known.until) {
        tokens.set(digest, known);
        return { kind: 'valid', claims: known.claims };
      }
    }
    const verdict = await verify(token);
    if (verdict.kind === 'valid') {
      tokens.set(digest, { claims: verdict.claims, until: clock.now() + keptMs });
      const oldest = tokens.size > tokensMax ? tokens.keys().next().value : undefined;
      if (oldest !== undefined) tokens.delete(oldest);
    }
    return verdict;
  };
}
