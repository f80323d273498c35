/**
 * Tokens signed by somebody else, checked with the public keys of their JWKS (RFC 7517). A token that names a key which
 * is not known makes the set be read again, at most once in `COOLDOWN_MS`, so that keys rotate with no restart and
 * made-up names do not become a storm of requests; a key that was withdrawn is trusted for `AGE_MAX_MS` at the most.
 */
import { isIP } from 'node:net';
import { createRemoteJWKSet, customFetch, errors, jwtVerify } from 'jose';
import type { FetchImplementation } from 'jose';
import { isLoopback } from '../config/loopback.ts';
import type { Clock } from '../domain/clock.ts';
import { UnavailableError } from '../errors.ts';
import { createVerifier } from './tokens.ts';
import type { TokenConditions, VerifyToken } from './tokens.ts';

const COOLDOWN_MS = 30_000;
const AGE_MAX_MS = 600_000;
/** After an attempt to read the set that failed. */
const FAILURE_PAUSE_MS = 1_000;
const TIMEOUT_MS = 5_000;
/** None of them works with a shared secret: a public key must never pass for one. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];
const KEY_TYPES = ['RSA', 'EC', 'OKP'];
/** What is wrong with the set or the way to it, and not with the token. */
const SET_ERRORS = [errors.JWKSTimeout.code, errors.JWKSInvalid.code, errors.JOSEError.code];

/** https; or http where nobody stands in between. */
export function isKeySetUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.username !== '' || url.password !== '' || url.hash !== '') return false;
  if (url.protocol === 'https:') return true;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return url.protocol === 'http:' && (host === 'localhost' || (isIP(host) !== 0 && isLoopback(host)));
}

export interface KeySetOptions extends TokenConditions {
  readonly url: string;
  readonly cooldownMs?: number;
}

/**
 * Reads the set once, so that a server which could check no token does not start.
 *
 * @throws UnavailableError it cannot be read, or holds no key to check a signature with
 */
export async function openKeySet({
  url,
  cooldownMs = COOLDOWN_MS,
  ...conditions
}: KeySetOptions): Promise<VerifyToken> {
  const keys = createRemoteJWKSet(new URL(url), {
    cooldownDuration: cooldownMs,
    cacheMaxAge: AGE_MAX_MS,
    timeoutDuration: TIMEOUT_MS,
    [customFetch]: pausedByFailure(conditions.clock),
  });
  await keys.reload().catch((error: unknown) => {
    throw unreadable(url, error);
  });
  if (!keys.jwks()?.keys.some(({ kty }) => KEY_TYPES.includes(kty ?? '')))
    throw new UnavailableError(`The key set at ${url} holds no key of type ${KEY_TYPES.join(', ')}.`);
  return createVerifier(conditions, async (token, options) => {
    try {
      return await jwtVerify(token, keys, { ...options, algorithms: ALGORITHMS });
    } catch (error) {
      if (error instanceof errors.JOSEError && !SET_ERRORS.includes(error.code)) throw error;
      // Where it is read from is nobody's business who sends a token; the log has the cause.
      throw new UnavailableError('Tokens cannot be checked now.', { cause: unreadable(url, error) });
    }
  });
}

/** Made-up names must not become a storm of requests while the set cannot be read either. */
function pausedByFailure(clock: Clock): FetchImplementation {
  let failed: { readonly at: number; readonly error: unknown } | undefined;
  return async (url, init) => {
    if (failed !== undefined && clock.now() - failed.at < FAILURE_PAUSE_MS) throw failed.error;
    try {
      const response = await fetch(url, init);
      if (response.status !== 200) throw new Error(`it answered ${response.status}`);
      failed = undefined;
      return response;
    } catch (error) {
      failed = { at: clock.now(), error };
      throw error;
    }
  };
}

function unreadable(url: string, cause: unknown): UnavailableError {
  const why = cause instanceof Error ? (cause.cause instanceof Error ? cause.cause.message : cause.message) : 'unknown';
  return new UnavailableError(`The key set at ${url} cannot be read: ${why}.`, { cause });
}
