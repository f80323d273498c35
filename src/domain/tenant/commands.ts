/** What can be asked of a tenant. Wire names and shapes; parsed by src/schemas/tenant-commands.ts. */

/** `subject`: a person's opaque id, or the id of a conversation that has no visitor. */
export type EraseSubject = {
  readonly type: 'EraseSubject';
  readonly data: {
    readonly subject: string;
    /** Kept for good: no name, no personal word. */
    readonly reason: string;
  };
};

export type TenantCommand = EraseSubject;
