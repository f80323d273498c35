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
} as const satisfies EventSchemas<ConversationEvent>;
