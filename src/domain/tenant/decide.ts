/** What a tenant answers to a command. */
import type { DecisionContext } from '../decider.ts';
import type { CreateApiKey, EraseSubject, RevokeApiKey, TenantCommand } from './commands.ts';
import type { TenantEvent } from './events.ts';
import { forbidden, keyExists, tooManyKeys, unknownKey } from './rejections.ts';
import type { TenantState } from './state.ts';

/** Keys of one tenant that are not revoked. */
const API_KEYS_MAX = 1_000;

export function decide(command: TenantCommand, state: TenantState, context: DecisionContext): readonly TenantEvent[] {
  switch (command.type) {
    case 'EraseSubject':
      return erase(command, state, context);
    case 'CreateApiKey':
      return createKey(command, state, context);
    case 'RevokeApiKey':
      return revokeKey(command, state, context);
  }
}

/** Erased is erased: a second time changes nothing. */
function erase({ data }: EraseSubject, state: TenantState, { actor }: DecisionContext): TenantEvent[] {
  if (actor.role !== 'supervisor' && actor.role !== 'service') throw forbidden(actor, 'erase a subject');
  if (state.erased.has(data.subject)) return [];
  return [{ type: 'SubjectErased', data: { subject: data.subject, by: actor.id, reason: data.reason } }];
}

/** A key may be of any role, so only who may do everything in the tenant anyway makes one. */
function createKey({ data }: CreateApiKey, { apiKeys }: TenantState, { actor }: DecisionContext): TenantEvent[] {
  if (actor.role !== 'service') throw forbidden(actor, 'create an API key');
  const { keyId, name, role, hash } = data;
  if (apiKeys.has(keyId)) throw keyExists(keyId);
  const inForce = [...apiKeys.values()].filter(({ revokedAt }) => revokedAt === undefined);
  if (inForce.length >= API_KEYS_MAX) throw tooManyKeys(API_KEYS_MAX);
  return [{ type: 'ApiKeyCreated', data: { keyId, name, role, hash } }];
}

/** Revoked is revoked: a second time changes nothing. */
function revokeKey({ data }: RevokeApiKey, { apiKeys }: TenantState, { actor }: DecisionContext): TenantEvent[] {
  if (actor.role !== 'service') throw forbidden(actor, 'revoke an API key');
  const key = apiKeys.get(data.keyId);
  if (key === undefined) throw unknownKey(data.keyId);
  return key.revokedAt === undefined ? [{ type: 'ApiKeyRevoked', data: { keyId: data.keyId } }] : [];
}
