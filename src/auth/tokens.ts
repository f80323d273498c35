/**
 * Tokens: JWTs, their claims, and the way to sign and check them with HS256 under one secret; those that somebody else
 * signs are checked in key-sets.ts. The gateway, the HTTP routes and the CLI see `Claims`.
 */
import { createSecretKey, webcrypto } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import type { JWTVerifyOptions } from 'jose';
import { z } from 'zod';
import type { Claims } from '../domain/claims.ts';
import type { Clock } from '../domain/clock.ts';
import type { Role } from '../domain/decider.ts';
import { TENANT_PATTERN } from '../domain/stream-name.ts';
import { UnavailableError } from '../errors.ts';
import { personId } from '../schemas/text.ts';

/** HS256 wants a key of at least the hash's own size (RFC 7518, section 3.2). */
export const TOKEN_SECRET_BYTES_MIN = 32;
/** Room names one token may carry. */
export const TOKEN_ROOMS_MAX = 100;
/** A longer token is refused unread. */
const TOKEN_BYTES_MAX = 16_384;
const EXPIRY_S_MAX = 8_640_000_000_000;

const ROLES = ['visitor', 'agent', 'supervisor', 'auditor', 'bot', 'service'] as const satisfies readonly Role[];

const claimsSchema = z.object({
  sub: personId,
  tenant: z
    .string()
    .regex(TENANT_PATTERN)
    .refine(tenant => tenant !== 'system', 'the tenant `system` is reserved'),
  role: z.enum(ROLES),
  rooms: z.array(z.string().max(200)).max(TOKEN_ROOMS_MAX).default([]),
  /** Seconds since 1970, after RFC 7519; above the bound a `Date` cannot say it. */
  exp: z.number().max(EXPIRY_S_MAX),
});

export type TokenVerdict =
  | { readonly kind: 'valid'; readonly claims: Claims }
  | { readonly kind: 'expired' }
  /** `message` says what is wrong with the token and never repeats any of it. */
  | { readonly kind: 'invalid'; readonly message: string };

/** A token that cannot be read is `invalid`. @throws UnavailableError what it is checked against cannot be read now */
export type VerifyToken = (token: string) => Promise<TokenVerdict>;

export interface TokenConditions {
  readonly clock: Clock;
  /** The `iss` and the `aud` that a token must have; undefined: any. */
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
}

const HS256 = { name: 'HMAC', hash: 'SHA-256' } as const;

export function createTokenVerifier({
  secret,
  ...conditions
}: TokenConditions & { readonly secret: Uint8Array }): VerifyToken {
  // Imported once: jose imports whatever is no CryptoKey again at every token, which doubles the cost of a check.
  const key = webcrypto.subtle.importKey('raw', new Uint8Array(secret), HS256, false, ['verify']);
  return createVerifier(conditions, async (token, options) =>
    jwtVerify(token, await key, { ...options, algorithms: ['HS256'] }),
  );
}

/**
 * What holds whatever a token is signed with. No tolerance for clocks that differ: `exp` is required, and over at its
 * second.
 */
export function createVerifier(
  { clock, issuer, audience }: TokenConditions,
  verifySignature: (token: string, options: JWTVerifyOptions) => Promise<{ readonly payload: unknown }>,
): VerifyToken {
  const conditions = {
    ...{ requiredClaims: ['exp'], clockTolerance: 0 },
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  };
  return async token => {
    if (token.length > TOKEN_BYTES_MAX)
      return { kind: 'invalid', message: `a token is at most ${TOKEN_BYTES_MAX} bytes` };
    let payload: unknown;
    try {
      ({ payload } = await verifySignature(token, { ...conditions, currentDate: new Date(clock.now()) }));
    } catch (error) {
      if (error instanceof UnavailableError) throw error;
      if (error instanceof errors.JWTExpired) return { kind: 'expired' };
      return { kind: 'invalid', message: error instanceof errors.JOSEError ? error.message : 'not a token' };
    }
    const parsed = claimsSchema.safeParse(payload);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      return {
        kind: 'invalid',
        message: `claim ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not as expected'}`,
      };
    }
    const { sub, tenant, role, rooms, exp } = parsed.data;
    return { kind: 'valid', claims: { sub, tenant, role, rooms, expiresAt: exp * 1_000 } };
  };
}

/** Signs what `createTokenVerifier` accepts; `expiresAt` (ms) is cut to the second. */
export async function signToken(secret: Uint8Array, claims: Claims): Promise<string> {
  return new SignJWT({
    sub: claims.sub,
    tenant: claims.tenant,
    role: claims.role,
    ...(claims.rooms.length > 0 ? { rooms: [...claims.rooms] } : {}),
  })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setExpirationTime(Math.floor(claims.expiresAt / 1_000))
    .sign(createSecretKey(secret));
}
