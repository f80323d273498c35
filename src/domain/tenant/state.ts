/** What a tenant's decider must remember to decide. */
export interface TenantState {
  /** Subjects whose personal data was erased. Never shrinks. */
  readonly erased: Set<string>;
}
