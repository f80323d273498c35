/** Strings that every outer edge takes: well-formed Unicode, so that they survive UTF-8 and canonical JSON unchanged. */
import { z } from 'zod';
import { ID_PATTERN } from '../domain/stream-name.ts';

/** A lone half of a surrogate pair has no UTF-8 form. */
const LONE_SURROGATE = /\p{Surrogate}/u;

export const wellFormed = z
  .string()
  .refine(text => !LONE_SURROGATE.test(text), 'must be well-formed Unicode (a surrogate stands alone)');

/** An id of a stream, a command, a person: 1 to 128 of `[A-Za-z0-9._~-]`. */
export const opaqueId = z.string().regex(ID_PATTERN, 'must be 1 to 128 of A-Z a-z 0-9 . _ ~ -');

/** A person as a token names it (`sub`): opaque by its issuer's promise, not by its letters (`auth0|5f7c…`). */
export const personId = wellFormed.min(1).max(200);

/** A key that is no text: the name of a queue, a tag, an outcome. */
export const slug = z.string().regex(/^[a-z0-9][a-z0-9._:/-]{0,63}$/, 'must be 1 to 64 of a-z 0-9 . _ : / -');

/** Something with a length in UTF-16 units. */
export const textUpTo = (unitsMax: number) => wellFormed.max(unitsMax);

/** A message's ordinal in its conversation. */
export const seq = z.int().nonnegative();
