/** One line of a file of conversations, as an import takes it. Fields it does not know are ignored. */
import { z } from 'zod';
import { TEXT_UNITS_MAX } from '../domain/conversation/rejections.ts';
import { opaqueId, textUpTo, wellFormed } from './text.ts';

const AUTHOR_UNITS_MAX = 200;

export const importLine = z.object({
  /** The message's id in its file, and the idempotency key of its import. */
  id: opaqueId,
  conversation: opaqueId,
  /** ISO 8601 with a zone, at most 24 h ahead of the clock (decision.ts); becomes milliseconds since 1970, UTC. */
  at: z.iso.datetime({ offset: true }).transform(at => Date.parse(at)),
  author: wellFormed.min(1).max(AUTHOR_UNITS_MAX),
  role: z.enum(['visitor', 'agent', 'bot']),
  text: textUpTo(TEXT_UNITS_MAX),
  /** The `id` of the message it answers, which may stand in another conversation. */
  replyTo: opaqueId.nullish(),
});

export type ImportLine = z.infer<typeof importLine>;
