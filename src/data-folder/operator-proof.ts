/**
 * Who can read the root secret of a data folder runs it, whatever tokens are signed with: a proof of that, for one
 * request and a short time.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

const PROOF_LIFE_MS = 60_000;

/** @param what the request that is proved: its path and what it names */
export function operatorProof(rootSecret: Uint8Array, what: string, nowMs: number): string {
  const expiresMs = nowMs + PROOF_LIFE_MS;
  return `${expiresMs}.${digestOf(rootSecret, what, expiresMs).toString('hex')}`;
}

export function isOperatorProof(rootSecret: Uint8Array, proof: string, what: string, nowMs: number): boolean {
  const [, expires = '', digest = ''] = /^(\d{1,15})\.([0-9a-f]{64})$/.exec(proof) ?? [];
  const expiresMs = Number(expires);
  if (digest === '' || expiresMs <= nowMs || expiresMs > nowMs + 2 * PROOF_LIFE_MS) return false;
  return timingSafeEqual(Buffer.from(digest, 'hex'), digestOf(rootSecret, what, expiresMs));
}

function digestOf(rootSecret: Uint8Array, what: string, expiresMs: number): Buffer {
  return createHmac('sha256', rootSecret).update(`verbatim operator\n${expiresMs}\n${what}`).digest();
}
