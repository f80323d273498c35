/** What can be asked of a tenant. Wire names and shapes; parsed by src/schemas/tenant-commands.ts. */
import type { ApiKeyRole } from './events.ts';

/** `subject`: a person's opaque id, or the id of a conversation that has no visitor. */
export type EraseSubject = {
  readonly type: 'EraseSubject';
  readonly data: {
    readonly subject: string;
    /** Kept for good: no name, no personal word. */
    readonly reason: string;
  };
};

/** `hash`: of the key's secret, which nobody but its holder keeps. */
export type CreateApiKey = {
  readonly type: 'CreateApiKey';
  readonly data: {
    readonly keyId: string;
    /** What it is for: a label, no person's name. */
    readonly name: string;
    readonly role: ApiKeyRole;
    readonly hash: string;
  };
};

export type RevokeApiKey = {
  readonly type: 'RevokeApiKey';
  readonly data: { readonly keyId: string };
};

export type TenantCommand = EraseSubject | CreateApiKey | RevokeApiKey;
