/**
 * API keys as text: `vbk_<tenant>_<key id>_<secret>`. The secret is 256 random bits, so that one SHA-256 of it is all
 * that has to be kept: there is nothing to guess that a slow hash would protect. Their letters are those that a
 * WebSocket subprotocol may have, for `bearer.<key>`.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const KEY_PATTERN = /^vbk_([a-z0-9][a-z0-9-]{0,62})_([0-9a-f]{32})_([A-Za-z0-9_-]{43})$/;
const PREFIX = 'vbk_';
const SECRET_BYTES = 32;

export interface ApiKeyParts {
  readonly tenant: string;
  readonly keyId: string;
  readonly secret: string;
}

/** What is meant to be a key, well formed or not. */
export function isApiKey(token: string): boolean {
  return token.startsWith(PREFIX);
}

export function formatApiKey({ tenant, keyId, secret }: ApiKeyParts): string {
  return `${PREFIX}${tenant}_${keyId}_${secret}`;
}

export function parseApiKey(token: string): ApiKeyParts | undefined {
  const [, tenant, keyId, secret] = KEY_PATTERN.exec(token) ?? [];
  if (tenant === undefined || keyId === undefined || secret === undefined) return undefined;
  return { tenant, keyId, secret };
}

export function newApiKeySecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

/** Base64url. */
export function hashOfSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}

/** Takes the same time whichever letter differs first. */
export function isSecretOf(hash: string, secret: string): boolean {
  const [kept, given] = [Buffer.from(hash), Buffer.from(hashOfSecret(secret))];
  return kept.length === given.length && timingSafeEqual(kept, given);
}
