import type { Role } from './decider.ts';

/** Who is asking, as their token says. */
export interface Claims {
  readonly sub: string;
  readonly tenant: string;
  readonly role: Role;
  /** Room names (`conversation:42`) a visitor may see and start. */
  readonly rooms: readonly string[];
  /** When the token expires, ms since 1970. */
  readonly expiresAt: number;
}
