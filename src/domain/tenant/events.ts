/** What can have happened to a tenant. Nothing here is personal: ids are opaque, and reasons are kept for auditors. */
import type { Role } from '../decider.ts';

/** A visitor is one person in one conversation: no program is that. */
export type ApiKeyRole = Exclude<Role, 'visitor'>;

/** From here on the subject's key is gone, or is destroyed at the next chance: the log's word comes first. */
export type SubjectErased = {
  readonly type: 'SubjectErased';
  readonly data: {
    readonly subject: string;
    /** Who asked for it: the actor's id. */
    readonly by: string;
    readonly reason: string;
  };
};

/** `hash`: SHA-256 of the key's secret, base64url. */
export type ApiKeyCreated = {
  readonly type: 'ApiKeyCreated';
  readonly data: {
    readonly keyId: string;
    readonly name: string;
    readonly role: ApiKeyRole;
    readonly hash: string;
  };
};

export type ApiKeyRevoked = {
  readonly type: 'ApiKeyRevoked';
  readonly data: { readonly keyId: string };
};

export type TenantEvent = SubjectErased | ApiKeyCreated | ApiKeyRevoked;
