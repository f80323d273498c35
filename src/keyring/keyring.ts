/**
 * The keyring port: one key for each person of a tenant (its *subject*), apart from the log, so that destroying the key
 * erases every field that was sealed with it, wherever a copy of the log lies. Adapters sort beside this file and pass
 * one contract suite (test/keyring/keyring-contract.ts).
 *
 * A key is absent, then there, then erased, and never goes back: an erased subject never gets a key again.
 */

export interface SubjectId {
  readonly tenant: string;
  /** The opaque id of a person, or of a conversation without a visitor. */
  readonly subject: string;
}

/** 32 bytes, read only; or that there were some. */
export type SubjectKey = Uint8Array | 'erased';

export const KEY_BYTES = 32;

export interface Keyring {
  /** In the order asked; undefined where no key was ever made. */
  find(subjects: readonly SubjectId[]): Promise<readonly (SubjectKey | undefined)[]>;
  /** Likewise, but makes what was never made; what it answers is durable, and the same for all who ask. */
  obtain(subjects: readonly SubjectId[]): Promise<readonly SubjectKey[]>;
  /** Resolves when the keys are in no file of the keyring any more, and their subjects are known to be erased. */
  destroy(subjects: readonly SubjectId[]): Promise<void>;
  /** Every tenant that has, or had, a key. */
  tenants(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** A tenant holds no line break, so no two subjects are written alike. */
export function subjectName({ tenant, subject }: SubjectId): string {
  return `${tenant}\n${subject}`;
}
