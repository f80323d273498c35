/** What can have happened to a tenant. Nothing here is personal: ids are opaque, and reasons are kept for auditors. */

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

export type TenantEvent = SubjectErased;
