/**
 * API keys of a tenant: made, listed, revoked. A key's secret is shown in the answer that makes it and kept nowhere;
 * a repeat of the request finds its key, and not the secret.
 */
import { randomUUID } from 'node:crypto';
import { formatApiKey, hashOfSecret, newApiKeySecret } from '../auth/api-keys.ts';
import type { Actor } from '../domain/decider.ts';
import type { ApiKeyRole } from '../domain/tenant/events.ts';
import type { ApiKeyState } from '../domain/tenant/state.ts';
import { RequestError } from '../errors.ts';
import type { TenantCommands } from './commands.ts';
import { nameUuid } from './derived-ids.ts';
import { TENANT_STREAM_ID } from './tenant-commands.ts';

export interface ApiKeyRequest {
  readonly tenant: string;
  readonly actor: Actor;
  readonly traceparent?: string;
}

export interface ApiKey extends ApiKeyState {
  readonly keyId: string;
}

export interface CreatedApiKey extends ApiKey {
  /** The key itself; undefined for a repeat. */
  readonly key: string | undefined;
}

/** @throws RequestError, Rejection, UnavailableError as the handler of commands does */
export interface ApiKeys {
  create(
    request: ApiKeyRequest & { readonly commandId: string; readonly name: string; readonly role: ApiKeyRole },
  ): Promise<CreatedApiKey>;
  /** Revoked ones among them, in the order they were made. */
  list(tenant: string): Promise<readonly ApiKey[]>;
  /** @throws RequestError `not-found` */
  revoke(request: ApiKeyRequest & { readonly keyId: string }): Promise<ApiKey>;
}

/** Ids of keys stand under it; drawn once, never changed. */
const KEY_NAMESPACE = Buffer.from('4b0d6a0e52c64c0f9d1c7a1f3b8e6d25', 'hex');

export interface ApiKeysOptions {
  readonly commands: TenantCommands;
  /** A tenant's keys have changed on this node. */
  readonly onChanged: (tenant: string, revoked?: string) => void;
  readonly newSecret?: () => string;
  /** A new id each call. */
  readonly newCommandId?: () => string;
}

export function createApiKeys({
  commands,
  onChanged,
  newSecret = newApiKeySecret,
  newCommandId = randomUUID,
}: ApiKeysOptions): ApiKeys {
  const keysOf = async (tenant: string) => (await commands.load(tenant, TENANT_STREAM_ID)).state.apiKeys;
  return {
    async create({ commandId, name, role, ...request }) {
      const { tenant } = request;
      // Of the command's id, so that a repeat asks for the same key.
      const keyId = nameUuid(KEY_NAMESPACE, JSON.stringify([tenant, commandId])).replaceAll('-', '');
      const known = (await keysOf(tenant)).get(keyId);
      if (known !== undefined) return repeated({ ...known, keyId }, { name, role });
      const secret = newSecret();
      const command = { type: 'CreateApiKey', data: { keyId, name, role, hash: hashOfSecret(secret) } } as const;
      await commands.handle({ ...request, command, commandId, id: TENANT_STREAM_ID });
      onChanged(tenant);
      const made = (await keysOf(tenant)).get(keyId);
      if (made === undefined) throw new Error(`The key ${keyId} was made, and is not there.`);
      return { ...made, keyId, key: formatApiKey({ tenant, keyId, secret }) };
    },

    async list(tenant) {
      return [...(await keysOf(tenant))].map(([keyId, key]) => ({ ...key, keyId }));
    },

    async revoke({ keyId, ...request }) {
      const { tenant } = request;
      if (!(await keysOf(tenant)).has(keyId)) throw unknownKey();
      const command = { type: 'RevokeApiKey', data: { keyId } } as const;
      // Never a derived id: whoever used it before would keep the key in force. A repeat changes nothing anyway.
      await commands.handle({ ...request, command, commandId: newCommandId(), id: TENANT_STREAM_ID });
      onChanged(tenant, keyId);
      const revoked = (await keysOf(tenant)).get(keyId);
      if (revoked === undefined) throw unknownKey();
      return { ...revoked, keyId };
    },
  };
}

/** @throws RequestError `idempotency-mismatch` */
function repeated(known: ApiKey, asked: { readonly name: string; readonly role: ApiKeyRole }): CreatedApiKey {
  if (known.name !== asked.name || known.role !== asked.role)
    throw new RequestError('idempotency-mismatch', 'This id was used before, for another key.');
  return { ...known, key: undefined };
}

function unknownKey(): RequestError {
  return new RequestError('not-found', 'There is no such API key.', { path: 'keyId' });
}
