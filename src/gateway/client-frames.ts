/**
 * What a client may say: one JSON object a text frame, its kind in `op`. Unknown fields are ignored, so that v1 can
 * grow; an unknown `op` is an error. Revisions are JSON numbers on the wire and bigint from here on.
 */
import { z } from 'zod';
import { ID_PATTERN } from '../domain/stream-name.ts';
import { seq } from '../schemas/text.ts';

/** UTF-16 units of a `ref`, which is kept until its frame is answered. */
const REF_LENGTH_MAX = 256;

const ref = z
  .string()
  .max(REF_LENGTH_MAX)
  .optional()
  .describe('Any string of yours: whatever answers this frame, errors included, carries it.');
const room = z.string().max(256).describe('`conversation:<id>`');
const token = z.string().min(1).max(16_384).describe('A JWT or an API key.');
/** -1 stands for "before the first event". */
const revision = z.int().min(-1).transform(BigInt);

const authFrame = z.object({ op: z.literal('auth'), ref, token });
const refreshFrame = z.object({ op: z.literal('refresh'), ref, token });
const subscribeFrame = z
  .object({
    op: z.literal('subscribe'),
    ref,
    room,
    after: revision
      .optional()
      .describe('Your cursor, exclusive: the last revision you have. -1, or none of the three: from the first.'),
    tail: z.int().min(0).optional().describe('The last so many revisions, hidden ones counted.'),
    live: z.literal(true).optional().describe('Only what is new.'),
    log: z.string().max(128).optional().describe('The log that your cursor is of.'),
  })
  .refine(frame => [frame.after, frame.tail, frame.live].filter(start => start !== undefined).length <= 1, {
    message: 'only one of after, tail and live',
    path: ['after'],
  });
const unsubscribeFrame = z.object({ op: z.literal('unsubscribe'), ref, room });
const historyFrame = z.object({
  op: z.literal('history'),
  ref,
  room,
  before: z.int().min(0).transform(BigInt).optional().describe('Exclusive; absent: from the end.'),
  limit: z.int().min(1).describe('Revisions to cover at most, hidden ones counted; more than 500 is cut to 500.'),
});
const sendFrame = z.object({
  op: z.literal('send'),
  ref,
  id: z
    .string()
    .regex(ID_PATTERN, '1 to 128 of A-Z a-z 0-9 . _ ~ -')
    .describe('The id of the command, yours and unique in the room, best a UUID: its idempotency key.'),
  room: room.optional().describe('May be left out of StartConversation alone: the ack then carries the room.'),
  command: z.string().max(64).describe('What is to be done: one of the commands of a conversation.'),
  data: z
    .custom<unknown>(data => data !== undefined, 'missing: an object with what the command takes')
    .describe('What the command takes: an object.'),
  expectedRevision: revision
    .optional()
    .describe('Only if the room is at this revision, receipts not counted; -1: only if it has no event yet.'),
});
const typingFrame = z.object({
  op: z.literal('typing'),
  ref,
  room,
  on: z.boolean().describe('Whether you began or ended to type.'),
});
const upToSeq = seq.describe('`seq` of a message: every message up to and with it.');
const readFrame = z.object({ op: z.literal('read'), ref, room, seq: upToSeq });
const deliveredFrame = z.object({ op: z.literal('delivered'), ref, room, seq: upToSeq });

/** Described frame by frame in frame-documents.ts. */
export const clientFrameSchema = z.discriminatedUnion('op', [
  authFrame,
  refreshFrame,
  subscribeFrame,
  unsubscribeFrame,
  historyFrame,
  sendFrame,
  typingFrame,
  readFrame,
  deliveredFrame,
]);

export type ClientFrame = z.infer<typeof clientFrameSchema>;
export type SubscribeFrame = z.infer<typeof subscribeFrame>;
export type HistoryFrame = z.infer<typeof historyFrame>;
export type SendFrame = z.infer<typeof sendFrame>;
export type TypingFrame = z.infer<typeof typingFrame>;
export type ReceiptFrame = z.infer<typeof readFrame> | z.infer<typeof deliveredFrame>;

export type ParsedFrame =
  | { readonly kind: 'frame'; readonly frame: ClientFrame }
  | { readonly kind: 'bad'; readonly message: string; readonly path?: string; readonly ref?: string }
  /** A `send` whose id could be read: it is answered `nack`. */
  | {
      readonly kind: 'bad-send';
      readonly id: string;
      readonly room?: string;
      readonly message: string;
      readonly path?: string;
      readonly ref?: string;
    };

/** What to answer to an object that is not as its schema says: the first fault, with its path. */
function firstIssue(error: z.ZodError): { readonly message: string; readonly path?: string } {
  const issue = error.issues[0];
  if (!issue) return { message: 'not as expected' };
  return issue.path.length > 0 ? { message: issue.message, path: issue.path.join('.') } : { message: issue.message };
}

function ifString(value: unknown, lengthMax: number): string | undefined {
  return typeof value === 'string' && value.length <= lengthMax ? value : undefined;
}

export function parseClientFrame(text: string): ParsedFrame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'bad', message: 'not JSON' };
  }
  const parsed = clientFrameSchema.safeParse(value);
  if (parsed.success) return { kind: 'frame', frame: parsed.data };
  const issue = firstIssue(parsed.error);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { kind: 'bad', message: 'not a JSON object' };
  const fields = value as Record<string, unknown>;
  const given = ifString(fields.ref, REF_LENGTH_MAX);
  const answer = { ...issue, ...(given === undefined ? {} : { ref: given }) };
  const id = ifString(fields.id, 128);
  if (fields.op !== 'send' || id === undefined || !ID_PATTERN.test(id)) return { kind: 'bad', ...answer };
  const named = ifString(fields.room, 256);
  return { kind: 'bad-send', id, ...(named === undefined ? {} : { room: named }), ...answer };
}
