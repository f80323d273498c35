/**
 * The wire shapes of a conversation's commands. Unknown fields are stripped, and nothing is defaulted: what comes out
 * is what the digest of "once, for life" is taken over. Rules of the business (the length of a text, who may) are the
 * decider's, so that they answer with their own codes; the bounds here only keep what no rule looks at small.
 */
import { z } from 'zod';
import type { ConversationCommand, ConversationCommandData } from '../domain/conversation/commands.ts';
import { ATTRIBUTES_MAX } from '../domain/conversation/rejections.ts';
import { RequestError } from '../errors.ts';
import { opaqueId, personId, seq, slug, textUpTo, wellFormed } from './text.ts';

/** Of reasons, the comment of a rating, and why somebody was assigned. */
const REASON_UNITS_MAX = 1_000;
const TOPIC_UNITS_MAX = 200;
const ATTRIBUTE_UNITS_MAX = 1_000;
const ATTACHMENTS_MAX = 10;

const CONTENT_TYPE_UNITS_MAX = 127;
/** A media type is stored unsealed, so it has no room for a text: another parameter, such as `name`, may be one. */
const CONTENT_TYPE =
  /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*(; ?(charset|codecs)=[A-Za-z0-9._,-]+)?$/;

const attachment = z.object({
  id: opaqueId,
  name: textUpTo(255),
  contentType: z
    .string()
    .max(CONTENT_TYPE_UNITS_MAX)
    .regex(CONTENT_TYPE, 'must be a media type such as image/png, with no parameter but charset or codecs'),
  bytes: z.int().nonnegative(),
});

const attributeName = z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ -');
const attributes = z
  .record(attributeName, textUpTo(ATTRIBUTE_UNITS_MAX))
  .refine(
    attributes => Object.keys(attributes).length <= ATTRIBUTES_MAX,
    `must have at most ${ATTRIBUTES_MAX} entries`,
  );

const reason = textUpTo(REASON_UNITS_MAX).min(1);
const nothing = z.object({});
const messageSeq = seq.describe('Which message: its ordinal in the conversation, from 0.');

export const conversationCommandSchemas = {
  StartConversation: z.object({
    channel: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be 1 to 32 of a-z 0-9 -, a letter first')
      .describe('How it came: web, mail, api, …'),
    visitor: personId.optional().describe('Whose conversation it is. A visitor may leave it out: it is itself.'),
    topic: textUpTo(TOPIC_UNITS_MAX).optional().describe('What it is about.'),
    attributes: attributes.optional(),
  }),
  PostMessage: z.object({
    text: wellFormed.describe('1 to 10,000 UTF-16 units; empty only with attachments.'),
    format: z.literal('plain').optional(),
    replyTo: seq.optional().describe('`seq` of the message that it answers.'),
    attachments: z.array(attachment).max(ATTACHMENTS_MAX).optional(),
  }),
  EditMessage: z.object({ seq: messageSeq, text: wellFormed.describe('The whole new text.') }),
  RedactMessage: z.object({ seq: messageSeq, reason: reason.optional() }),
  AddNote: z.object({ text: wellFormed }),

  JoinConversation: nothing,
  LeaveConversation: nothing,
  MarkRead: z.object({ seq: messageSeq }),
  MarkDelivered: z.object({ seq: messageSeq }),
  RemoveVisitor: z.object({ reason }),

  AddTag: z.object({ tag: slug }),
  RemoveTag: z.object({ tag: slug }),
  SetPriority: z.object({ priority: z.enum(['low', 'normal', 'high', 'urgent']) }),
  SetAttributes: z.object({
    attributes,
    remove: z.array(attributeName).max(ATTRIBUTES_MAX).optional().describe('Names to take away.'),
  }),

  QueueConversation: z.object({ queue: slug, reason: reason.optional() }),
  RequestAssignment: z.object({ agent: opaqueId.optional().describe('Absent: who asks.') }),
  AssignConversation: z
    .object({ agent: opaqueId, reservation: opaqueId.optional(), forced: z.literal(true).optional(), why: reason })
    .refine(({ reservation, forced }) => (reservation === undefined) !== (forced === undefined), {
      message: 'exactly one of reservation and forced',
      path: ['reservation'],
    }),
  UnassignConversation: z.object({ reason: reason.optional() }),
  TransferConversation: z.object({
    to: z.union([z.strictObject({ queue: slug }), z.strictObject({ agent: opaqueId })], {
      error: 'must be {queue} or {agent}, one of them',
    }),
    reason,
  }),

  SnoozeConversation: z.object({ until: z.iso.datetime({ offset: true }).describe('A time to come.') }),
  ResolveConversation: z.object({ outcome: slug.optional() }),
  ReopenConversation: z.object({ reason }),
  CloseConversation: nothing,
  RateConversation: z.object({ score: z.int().min(1).max(5), comment: textUpTo(REASON_UNITS_MAX).optional() }),
} as const satisfies {
  [Type in keyof ConversationCommandData]: z.ZodType<ConversationCommandData[Type]>;
};

export type ConversationCommandType = keyof typeof conversationCommandSchemas;

/**
 * A command as it came over a wire, parsed.
 *
 * @throws RequestError `bad-request`, its path beginning with `command` or `data`
 */
export function parseConversationCommand(type: string, data: unknown): ConversationCommand {
  if (!Object.hasOwn(conversationCommandSchemas, type)) {
    const known = Object.keys(conversationCommandSchemas).join(', ');
    throw new RequestError('bad-request', `Unknown command; a conversation takes ${known}.`, { path: 'command' });
  }
  const known = type as ConversationCommandType;
  const parsed = conversationCommandSchemas[known].safeParse(data);
  if (parsed.success) return { type: known, data: parsed.data } as ConversationCommand;
  const issue = parsed.error.issues[0];
  const path = ['data', ...(issue?.path ?? [])].join('.');
  throw new RequestError('bad-request', `${path}: ${issue?.message ?? 'not valid'}`, { path });
}
