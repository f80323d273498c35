/**
 * Tokens: JWTs signed with HS256 under one secret. The only file that knows how a token is signed or checked; the
 * gateway, the HTTP routes and the CLI see `Claims`.
 */
import { createSecretKey } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import type { Claims } from '../domain/claims.ts';
import type { Clock } from '../domain/clock.ts';
import type { Role } from '../domain/decider.ts';
import { TENANT_PATTERN } from '../domain/stream-name.ts';

/** HS256 wants a key of at least the hash's own size (RFC 7518, section 3.2). */
export const TOKEN_SECRET_BYTES_MIN = 32;
/** Room names one token may carry. */
export const TOKEN_ROOMS_MAX = 100;
/** A longer token is refused unread. */
const TOKEN_BYTES_MAX = 16_384;
const EXPIRY_S_MAX = 8_640_000_000_000;

const ROLES = ['visitor', 'agent', 'supervisor', 'auditor', 'bot', 'service'] as const satisfies readonly Role[];

const claimsSchema = z.object({
  sub: z.string().min(1).max(200),
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

/** Never rejects: a token that cannot be read is `invalid`. */
export type VerifyToken = (token: string) => Promise<TokenVerdict>;

/** No tolerance for clocks that differ: `exp` is required, and over at its second. */
export function createTokenVerifier(options: { readonly secret: Uint8Array; readonly clock: Clock }): VerifyToken {
  const key = createSecretKey(options.secret);
  return async token => {
    if (token.length > TOKEN_BYTES_MAX)
      return { kind: 'invalid', message: `a token is at most ${TOKEN_BYTES_MAX} bytes` };
    let payload: unknown;
    try {
      const verified = await jwtVerify(token, key, {
        algorithms: ['HS256'],
        requiredClaims: ['exp'],
        clockTolerance: 0,
        currentDate: new Date(options.clock.now()),
      });
      payload = verified.payload;
    } catch (error) {
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
    const { exp, ...claims } = parsed.data;
    return { kind: 'valid', claims: { ...claims, expiresAt: exp * 1_000 } };
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
