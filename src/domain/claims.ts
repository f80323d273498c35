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
  /** The id of the API key they came with, if it was one: it may be revoked before they expire. */
  readonly apiKey?: string | undefined;
}
