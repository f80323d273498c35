/**
 * The stored shapes of a conversation's events, by schema number, and the upcasts between them. A shape that was ever
 * stored stays here as it was; a change of shape is a new number and an upcast from the one before.
 */
import { z } from 'zod';
import type { ConversationEvent } from '../domain/conversation/events.ts';
import type { EventSchemas } from './event-schemas.ts';
import { personal } from './personal.ts';

const visitorText = personal(z.string(), { subject: 'visitor' });
const seq = z.int().nonnegative();

const attachment = z.object({
  id: z.string(),
  name: visitorText,
  contentType: z.string(),
  bytes: z.int().nonnegative(),
});

const source = z.object({
  id: z.string(),
  author: personal(z.string(), { subject: 'author' }),
  replyTo: z.string().optional(),
});

const conversationStarted1 = z.object({
  channel: z.string(),
  visitor: z.string().optional(),
  topic: visitorText.optional(),
  attributes: z.record(z.string(), visitorText).optional(),
});

const messagePosted1 = z.object({ seq, text: visitorText, replyTo: seq.optional() });

/** Adds the format of the text, attachments and, for imported messages, the file's own words. */
const messagePosted2 = messagePosted1.extend({
  format: z.literal('plain'),
  attachments: z.array(attachment),
  source: source.optional(),
});

const messageEdited1 = z.object({ seq, text: visitorText });

const messageRedacted1 = z.object({ seq, reason: visitorText.optional() });

const noteAdded1 = z.object({ seq, text: visitorText });

const participant1 = z.object({ participant: z.string() });

const receiptRecorded1 = z.object({
  reader: z.string(),
  kind: z.enum(['read', 'delivered']),
  seq,
  from: seq.optional(),
});

const visitorRemoved1 = z.object({ visitor: z.string(), reason: visitorText });

const tag1 = z.object({ tag: z.string() });

const priority = z.enum(['low', 'normal', 'high', 'urgent']);
const prioritySet1 = z.object({ priority, from: priority });

const attributesSet1 = z.object({
  attributes: z.record(z.string(), visitorText),
  removed: z.array(z.string()),
});

const time = z.iso.datetime({ precision: 3 });

/** What a transition left, and since when it had been so. */
const fromHandling = {
  from: z.union([
    z.object({ kind: z.literal('none') }),
    z.object({ kind: z.literal('queued'), queue: z.string() }),
    z.object({ kind: z.literal('assigned'), agent: z.string() }),
  ]),
  since: time,
};
const fromStatus = { from: z.enum(['open', 'snoozed', 'resolved', 'closed']), since: time };

const conversationQueued1 = z.object({
  queue: z.string(),
  preference: z.string().optional(),
  reason: visitorText.optional(),
  ...fromHandling,
});

const assignmentRequested1 = z.object({ agent: z.string() });

const conversationAssigned1 = z.object({
  agent: z.string(),
  reservation: z.string().optional(),
  forced: z.literal(true).optional(),
  why: visitorText,
  ...fromHandling,
});

const conversationUnassigned1 = z.object({ reason: visitorText.optional(), ...fromHandling });

const conversationTransferred1 = z.object({
  to: z.union([z.object({ queue: z.string() }), z.object({ agent: z.string() })]),
  reason: visitorText,
  ...fromHandling,
});

const conversationSnoozed1 = z.object({ until: time, ...fromStatus });

const conversationUnsnoozed1 = z.object(fromStatus);

const conversationResolved1 = z.object({ resolution: seq, outcome: z.string().optional(), ...fromStatus });

const conversationReopened1 = z.object({ reason: visitorText.optional(), ...fromStatus });

const conversationClosed1 = z.object(fromStatus);

const conversationRated1 = z.object({
  resolution: seq,
  score: z.int().min(1).max(5),
  comment: visitorText.optional(),
});

export const conversationEventSchemas = {
  ConversationStarted: { current: conversationStarted1, older: [] },
  MessagePosted: {
    current: messagePosted2,
    older: [
      {
        schema: messagePosted1,
        upcast: (data: z.infer<typeof messagePosted1>): z.infer<typeof messagePosted2> => ({
          ...data,
          format: 'plain',
          attachments: [],
        }),
      },
    ],
  },
  MessageEdited: { current: messageEdited1, older: [] },
  MessageRedacted: { current: messageRedacted1, older: [] },
  NoteAdded: { current: noteAdded1, older: [] },
  ParticipantJoined: { current: participant1, older: [] },
  ParticipantLeft: { current: participant1, older: [] },
  ReceiptRecorded: { current: receiptRecorded1, older: [] },
  VisitorRemoved: { current: visitorRemoved1, older: [] },
  TagAdded: { current: tag1, older: [] },
  TagRemoved: { current: tag1, older: [] },
  PrioritySet: { current: prioritySet1, older: [] },
  AttributesSet: { current: attributesSet1, older: [] },
  ConversationQueued: { current: conversationQueued1, older: [] },
  AssignmentRequested: { current: assignmentRequested1, older: [] },
  ConversationAssigned: { current: conversationAssigned1, older: [] },
  ConversationUnassigned: { current: conversationUnassigned1, older: [] },
  ConversationTransferred: { current: conversationTransferred1, older: [] },
  ConversationSnoozed: { current: conversationSnoozed1, older: [] },
  ConversationUnsnoozed: { current: conversationUnsnoozed1, older: [] },
  ConversationResolved: { current: conversationResolved1, older: [] },
  ConversationReopened: { current: conversationReopened1, older: [] },
  ConversationClosed: { current: conversationClosed1, older: [] },
  ConversationRated: { current: conversationRated1, older: [] },
} as const satisfies EventSchemas<ConversationEvent>;
