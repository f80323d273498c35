/**
 * Cursors of queries: opaque to whoever holds one, and no secret. Each names the log and the tenant it is of, because a
 * place in another's documents means nothing; who may see what is behind it is asked again each time.
 */
import { z } from 'zod';
import { RequestError } from '../errors.ts';
import { wellFormed } from '../schemas/text.ts';

/** Longer than any that is made: ids of persons are at most 200 units. */
export const CURSOR_UNITS_MAX = 4_096;

const text = wellFormed.max(1_024);
const position = z.int().min(-1);
const envelope = z.object({ v: z.literal(1), log: text, tenant: text });

const listCursorSchema = envelope.extend({
  list: text,
  direction: z.enum(['forwards', 'backwards']),
  values: z.record(text, text),
  phase: z.enum(['list', 'changes']),
  after: z
    .array(z.union([text, position]))
    .max(2)
    .nullable(),
  start: position,
});
const participantCursorSchema = envelope.extend({
  of: z.enum(['conversation', 'participant']),
  id: text,
  after: z.array(text).max(2),
});

export type ListCursor = z.infer<typeof listCursorSchema>;
export type ParticipantCursor = z.infer<typeof participantCursorSchema>;

/** Of the log and tenant that a cursor must be of. */
export interface CursorOwner {
  readonly log: string;
  readonly tenant: string;
}

export function encodeCursor(cursor: ListCursor | ParticipantCursor): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url');
}

/** @throws RequestError `bad-request` for what is none, or another tenant's; `cursor-lost` for another log's */
export function decodeListCursor(cursor: string, owner: CursorOwner): ListCursor {
  return decode(listCursorSchema, cursor, owner);
}

/** @throws RequestError `bad-request` for what is none, or another tenant's; `cursor-lost` for another log's */
export function decodeParticipantCursor(cursor: string, owner: CursorOwner): ParticipantCursor {
  return decode(participantCursorSchema, cursor, owner);
}

/** Nothing that was given out, or changed since, or another tenant's: which, is not told. */
export const UNREADABLE = 'is not one that an answer to you had; begin again without it';
export const OF_ANOTHER_LIST =
  'is of another list than the one that is asked for; ask as you asked before, or begin again without it';

/** `why`: what follows the field's name. */
export function badCursor(why: string): RequestError {
  return new RequestError('bad-request', `cursor: ${why}.`, { path: 'cursor' });
}

function decode<Cursor extends z.infer<typeof envelope>>(
  schema: z.ZodType<Cursor>,
  cursor: string,
  { log, tenant }: CursorOwner,
): Cursor {
  const parsed = schema.safeParse(parseJson(cursor));
  if (!parsed.success || parsed.data.tenant !== tenant) throw badCursor(UNREADABLE);
  if (parsed.data.log !== log)
    throw new RequestError('cursor-lost', `The log is ${log}: begin again.`, { path: 'cursor', reason: 'other-log' });
  return parsed.data;
}

function parseJson(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
