/** Conversations as lists show them: with `staff` to all but visitors. */
import { z } from 'zod';
import { PREVIEW_UNITS_MAX, UNREAD_MAX } from '../projections/conversations/conversation-document.ts';
import { shownLog, shownPosition, stale } from './query-answers.ts';

const id = z.string();
const time = z.iso.datetime({ precision: 3 });
const count = z.int().min(0);
const personal = z.string().nullable();
export const actorSchema = z.object({ id, role: z.string() });
const unread = z.int().min(0).max(UNREAD_MAX);

const itemSchema = z
  .object({
    conversation: id,
    status: z.enum(['open', 'snoozed', 'resolved', 'closed']),
    channel: z.string(),
    topic: personal.optional().describe('null: erased.'),
    visitor: id.nullable(),
    visitorRemoved: z.boolean(),
    handling: z.object({
      kind: z.enum(['none', 'queued', 'assigned']),
      agent: id.optional(),
      queue: z.string().optional(),
    }),
    participants: z.array(id).describe('Staff who joined and did not leave.'),
    startedAt: time,
    closedAt: time.nullable(),
    lastMessageAt: time.nullable(),
    lastMessage: z
      .object({
        ...{ seq: count, rev: count, at: time, actor: actorSchema },
        text: personal.describe(`Its first ${PREVIEW_UNITS_MAX} UTF-16 units; null: redacted or erased.`),
        redacted: z.literal(true).optional(),
      })
      .nullable(),
    messages: count.describe('How many were posted, redacted ones among them.'),
    unread: z
      .object({ staff: unread.optional(), visitor: unread })
      .describe(`Messages of the other side that nobody of this one has read; ${UNREAD_MAX}: so many or more.`),
    rating: z
      .object({ resolution: count, score: z.int(), comment: personal.optional(), at: time })
      .nullable()
      .describe('The last one.'),
    stale,
    staff: z
      .object({
        ...{ statusSince: time, handlingSince: time },
        queue: z.string().nullable().describe('That it waits in, or waited in last.'),
        lastActivityAt: time.describe('Of its last event other than a receipt.'),
        priority: z.enum(['low', 'normal', 'high', 'urgent']),
        tags: z.array(z.string()),
        attributes: z.record(z.string(), personal),
        ...{ notes: count, resolutions: count },
        firstVisitorMessageAt: time.nullable(),
        firstResponseAt: time.nullable().describe('Of the first message of staff behind the first of the visitor.'),
      })
      .optional()
      .describe('What visitors are not shown.'),
  })
  .meta({ id: 'ListedConversation' });

export const conversationListSchema = z
  .object({
    ...{ position: shownPosition, log: shownLog },
    conversations: z.array(itemSchema),
    gone: z
      .array(id)
      .describe(
        'Conversations that changed and do not match the filter: forget them, if you have them. Only of changes.',
      ),
    more: z.boolean().describe('Whether the cursor leads to more at once. False: ask again later.'),
    cursor: z.string().describe('What comes next.'),
  })
  .meta({ id: 'ConversationList', description: 'A page of a list, or of what changed in it.' });
