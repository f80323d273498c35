/** What a tenant's decider must remember to decide. */
import type { ApiKeyRole } from './events.ts';

/** Times are ms since 1970, UTC; actors by their ids. */
export interface ApiKeyState {
  readonly name: string;
  readonly role: ApiKeyRole;
  readonly hash: string;
  readonly createdAt: number;
  readonly createdBy: string;
  revokedAt: number | undefined;
}

export interface TenantState {
  /** Subjects whose personal data was erased. Never shrinks. */
  readonly erased: Set<string>;
  /** By their ids, revoked ones among them. */
  readonly apiKeys: Map<string, ApiKeyState>;
}
