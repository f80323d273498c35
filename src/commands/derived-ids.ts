/**
 * What is derived rather than drawn, so that a repeat derives the same: ids of events, and per tenant the digest of a
 * command and the opaque ids of an import's authors, under keys of the root secret that no erasure destroys.
 */
import { createHmac, createSecretKey, hash, hkdfSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import canonicalize from 'canonicalize';

/** Drawn once for this product; ids of all events stand under it. */
const EVENT_NAMESPACE = uuidBytes('6f4c1c52-9a0b-4f3e-8f43-0d6a3f1f8c7e');

/** Of ids of conversations that are started without naming one; drawn once, never changed. */
const START_NAMESPACE = uuidBytes('8d3c1a52-6b1f-4c53-9f43-52c0f6a7d1be');

function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

/** A UUIDv5 (RFC 9562, 5.5) of a name in a namespace of 16 bytes; here because a command waits for each. */
export function nameUuid(namespace: Uint8Array, name: string): string {
  const hex = hash('sha1', Buffer.concat([namespace, Buffer.from(name)]), 'hex');
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * The id of a command's `index`-th event. The stream names the tenant. The digest is part of it, because a store
 * recognises a repeat by ids alone: another content under the same command id must not pass for one.
 */
export function eventId(stream: string, commandId: string, digest: string, index: number): string {
  return nameUuid(EVENT_NAMESPACE, `${stream}\n${commandId}\n${digest}\n${index}`);
}

/** The id of a conversation that is started without naming one: of who starts it and the command id, so that a repeat meets it. */
export function madeConversationId(tenant: string, sub: string, commandId: string): string {
  return nameUuid(START_NAMESPACE, JSON.stringify([tenant, sub, commandId]));
}

export interface TenantKeys {
  /** Of [actor id, command type, data as parsed, before defaults]: HMAC-SHA-256 over RFC 8785 JSON, base64url. */
  commandDigest(tenant: string, actorId: string, command: { readonly type: string; readonly data: object }): string;
  /** The opaque id of a person whom an imported file names. */
  authorId(tenant: string, nickname: string): string;
}

interface Keys {
  readonly digest: KeyObject;
  readonly authors: Uint8Array;
}

export interface TenantKeysOptions {
  /** The same on every node of one log; at least 32 bytes. */
  readonly rootSecret: Uint8Array;
  /** Tenants whose derived keys are kept at hand. Default 1,000. */
  readonly tenantsMax?: number;
}

export function createTenantKeys({ rootSecret, tenantsMax = 1_000 }: TenantKeysOptions): TenantKeys {
  if (rootSecret.byteLength < 32) throw new RangeError('The root secret must have at least 32 bytes.');
  const kept = new Map<string, Keys>();

  function keysOf(tenant: string): Keys {
    const known = kept.get(tenant);
    if (known !== undefined) return known;
    const derive = (purpose: string, bytes: number) =>
      new Uint8Array(hkdfSync('sha256', rootSecret, '', `verbatim/${tenant}/${purpose}`, bytes));
    const keys = { digest: createSecretKey(derive('command-digest', 32)), authors: derive('author-id', 16) };
    const oldest = kept.size >= tenantsMax ? kept.keys().next().value : undefined;
    if (oldest !== undefined) kept.delete(oldest);
    kept.set(tenant, keys);
    return keys;
  }

  return {
    commandDigest(tenant, actorId, { type, data }) {
      const content = canonicalize([actorId, type, data]) ?? '';
      return createHmac('sha256', keysOf(tenant).digest).update(content).digest('base64url');
    },
    authorId(tenant, nickname) {
      return nameUuid(keysOf(tenant).authors, nickname);
    },
  };
}
