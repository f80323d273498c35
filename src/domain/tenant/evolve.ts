/** What an event does to the state its tenant decides on. Updates the state in place: the fold owns it. */
import type { Recorded } from '../decider.ts';
import type { TenantEvent } from './events.ts';
import type { TenantState } from './state.ts';

export function initialState(): TenantState {
  return { erased: new Set(), apiKeys: new Map() };
}

export function evolve(state: TenantState, { event, at, actor }: Recorded<TenantEvent>): TenantState {
  switch (event.type) {
    case 'SubjectErased':
      state.erased.add(event.data.subject);
      break;
    case 'ApiKeyCreated': {
      const { keyId, name, role, hash } = event.data;
      state.apiKeys.set(keyId, { name, role, hash, createdAt: at, createdBy: actor.id, revokedAt: undefined });
      break;
    }
    case 'ApiKeyRevoked': {
      const key = state.apiKeys.get(event.data.keyId);
      if (key) key.revokedAt = at;
    }
  }
  return state;
}
