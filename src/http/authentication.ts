/** Who asks, and how often they may: what stands before every route that belongs to a tenant. */
import type { FastifyRequest } from 'fastify';
import type { VerifyToken } from '../auth/tokens.ts';
import type { Claims } from '../domain/claims.ts';
import { RequestError } from '../errors.ts';
import type { Strangers, Whence } from '../gateway/strangers.ts';
import type { RateLimits } from './rate-limits.ts';

declare module 'fastify' {
  interface FastifyRequest {
    claims?: Claims;
  }
}

/** An `onRequest` hook: it runs before the body is looked at, so that a stranger's is not read. */
export type Authenticate = (request: FastifyRequest) => Promise<void>;

/** Answers `unauthorized` and `rate-limited`. */
export function createAuthentication(
  verifyToken: VerifyToken,
  rateLimits: RateLimits,
  strangers?: Pick<Strangers, 'admit'>,
): Authenticate {
  return async request => {
    const claims = await authenticate(request, verifyToken).catch((error: unknown) => {
      // Without the header it was counted on its way in (server.ts).
      if (request.headers.authorization !== undefined) strangers?.admit(whenceOf(request));
      throw error;
    });
    rateLimits.admit(claims);
    request.claims = claims;
  };
}

export function whenceOf({ socket, headers }: Pick<FastifyRequest, 'socket' | 'headers'>): Whence {
  return {
    remoteAddress: socket.remoteAddress ?? '',
    forwardedFor: [headers['x-forwarded-for'] ?? []].flat().join(','),
  };
}

/** Of a request that came through `Authenticate`. */
export function claimsOf(request: { readonly claims?: Claims }): Claims {
  if (request.claims === undefined) throw new Error('A request reached its handler before it was authenticated.');
  return request.claims;
}

/** @throws RequestError `unauthorized` */
async function authenticate(request: FastifyRequest, verifyToken: VerifyToken): Promise<Claims> {
  const [scheme, token, ...rest] = (request.headers.authorization ?? '').split(' ');
  if (scheme?.toLowerCase() !== 'bearer' || !token || rest.length > 0)
    throw new RequestError('unauthorized', 'Authorization: Bearer <token or API key> is needed.', {
      path: 'authorization',
    });
  const verdict = await verifyToken(token);
  if (verdict.kind === 'valid') return verdict.claims;
  const why = verdict.kind === 'expired' ? 'The token has expired.' : `The token is not valid: ${verdict.message}.`;
  throw new RequestError('unauthorized', why, { path: 'authorization' });
}
