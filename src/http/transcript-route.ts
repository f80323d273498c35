/** `GET /v1/conversations/:conversation/messages`: what was said, as it reads now. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { viewOf } from '../domain/conversation/view.ts';
import { messageView } from '../projections/messages/message-view.ts';
import { messagesProjection } from '../projections/messages/projection.ts';
import { transcript } from '../projections/messages/transcript-query.ts';
import type { Transcript, TranscriptPlace, TranscriptRange } from '../projections/messages/transcript-query.ts';
import { opaqueId } from '../schemas/text.ts';
import { claimsOf } from './authentication.ts';
import { actorSchema } from './conversation-list-schema.ts';
import { mustHaveStarted, mustSee } from './conversation-routes.ts';
import { SECURED } from './openapi.ts';
import { problemAnswers } from './problems.ts';
import {
  hasCommonYear,
  isKnown,
  limitOf,
  minPosition,
  notModified,
  QUERY_PROBLEMS,
  queryHeaders,
  runQuery,
  sendNotModified,
} from './query-answers.ts';
import { shownLog, shownPosition, stale, wholeNumber, wirePosition } from './query-answers.ts';
import type { QueryRouteOptions } from './query-answers.ts';

const LIMIT_MAX = 500;
const LIMIT = 100;

const id = z.string();
const time = z.iso.datetime({ precision: 3 });
const count = z.int().min(0);
const personal = z.string().nullable();
const change = z.object({ rev: count, at: time, by: actorSchema });

const messageSchema = z
  .object({
    seq: count.describe('Its ordinal in the conversation.'),
    rev: count.describe('The revision of the event that posted it.'),
    ...{ id, at: time, actor: actorSchema },
    commandId: id.optional(),
    text: personal.describe('By its last edit; null: redacted or erased.'),
    format: z.literal('plain'),
    replyTo: count.optional().describe('`seq` of the message that it answers.'),
    attachments: z.array(z.object({ id, name: personal, contentType: z.string(), bytes: z.number() })),
    source: z
      .object({ id, author: personal, replyTo: id.optional() })
      .optional()
      .describe('The words of the file that it was imported from; not for visitors.'),
    edited: change.optional().describe('Its last edit.'),
    redacted: change.extend({ reason: personal.optional().describe('Not for visitors.') }).optional(),
    erased: z.literal(true).optional().describe('Its text was erased for good.'),
  })
  .meta({ id: 'Message' });

const link = z.string().nullable().describe('The path of that page; null where there is none.');
const messagesSchema = z
  .object({
    ...{ position: shownPosition, log: shownLog, conversation: id },
    messages: z.array(messageSchema).describe('In order.'),
    ...{ next: link, previous: link, stale },
  })
  .meta({ id: 'Messages', description: 'A stretch of what was said.' });

const whole = wholeNumber(0, Number.MAX_SAFE_INTEGER).optional();
const instant = z.iso
  .datetime({ offset: true, error: 'must be a time with its offset, such as 2026-03-01T12:00:00Z (in a URL + is %2B)' })
  .refine(text => hasCommonYear(Date.parse(text)), 'must be of the years 0001 to 9999, in UTC')
  .optional();

const RANGES = { seq: ['fromSeq', 'toSeq'], rev: ['fromRev', 'toRev'], at: ['from', 'to'] } as const;
const PLACES = ['after', 'before', 'around'] as const;

const querystring = z
  .strictObject({
    fromSeq: whole.describe('Messages from this `seq` on.'),
    toSeq: whole.describe('Messages up to this `seq`.'),
    fromRev: whole.describe('Messages posted at this revision or later.'),
    toRev: whole.describe('Messages posted at this revision or earlier.'),
    from: instant.describe('Messages at or after this time.'),
    to: instant.describe('Messages before this time.'),
    after: wholeNumber(-1, Number.MAX_SAFE_INTEGER).optional().describe('Of the range, those behind this `seq`.'),
    before: whole.describe('Of the range, the last ones before this `seq`.'),
    around: whole.describe('The message of this `seq`, in the middle of those around it. Without a range.'),
    limit: limitOf(LIMIT_MAX, LIMIT, 'Messages'),
    minPosition,
  })
  .superRefine((query, context) => {
    const refuse = (path: string, message: string): void => {
      context.addIssue({ code: 'custom', path: [path], message });
    };
    const ranges = Object.values(RANGES).map(names => names.filter(name => query[name] !== undefined));
    const given = ranges.filter(names => names.length > 0);
    if (given[1]?.[0] !== undefined) refuse(given[1][0], 'only one kind of range');
    const places = PLACES.filter(name => query[name] !== undefined);
    if (places[1] !== undefined) refuse(places[1], 'only one of after, before and around');
    if (query.around !== undefined && given.length > 0) refuse('around', 'has no range');
    for (const [from, to] of Object.values(RANGES)) {
      const [low, high] = [orderOf(query[from]), orderOf(query[to])];
      if (low !== undefined && high !== undefined && low > high) refuse(to, `must not be before ${from}`);
    }
  });
type Query = z.infer<typeof querystring>;

const params = z.object({ conversation: opaqueId.meta({ description: 'Its id.', examples: ['42'] }) });

export function addTranscriptRoute(app: FastifyInstance, options: QueryRouteOptions): void {
  const { authenticate, readModels, commands } = options;
  const { log } = readModels;
  app.withTypeProvider<ZodTypeProvider>().get(
    '/v1/conversations/:conversation/messages',
    {
      onRequest: authenticate,
      schema: {
        summary: 'Read what was said in a conversation',
        description:
          'Messages as they read now, edits and redactions applied: by `seq`, by revision, by time, or around one of ' +
          'them. Without any of these the newest; with the beginning of a range from there on. `next` and `previous` ' +
          'lead on inside the range.',
        ...{ operationId: 'getMessages', tags: ['Queries'], security: SECURED },
        ...{ params, querystring, headers: queryHeaders },
        response: {
          ...{ 200: messagesSchema, ...notModified },
          ...problemAnswers([...QUERY_PROBLEMS, 'not-found', 'rejected', 'unknown-room']),
        },
      },
    },
    async (request, reply) => {
      const claims = claimsOf(request);
      const { conversation } = request.params;
      const { query } = request;
      await mustSee(commands, claims, conversation);
      const range = rangeOf(query);
      const asked = { tenant: claims.tenant, conversation, range, place: placeOf(query), limit: query.limit };
      const page = await runQuery(options, reply, messagesProjection.schema.name, query, generation =>
        transcript(generation, asked),
      );
      // Asked again, because what was waited for may have changed the answer.
      await mustSee(commands, claims, conversation);
      if (page.messages.length === 0) await mustHaveStarted(commands, claims, conversation);
      const view = viewOf(claims.role);
      const messages = page.messages.map(message => messageView(message, view));
      const content = {
        ...{ conversation, messages, ...linksOf(conversation, query, page) },
        ...(page.stale ? { stale: true as const } : {}),
      };
      const { position } = page;
      if (isKnown(request, reply, { log, position, content })) return sendNotModified(reply);
      const answer = { position: wirePosition(position), log, ...content };
      return reply.send(answer as z.infer<typeof messagesSchema>);
    },
  );
}

function orderOf(value: number | string | undefined): number | undefined {
  return typeof value === 'string' ? Date.parse(value) : value;
}

function rangeOf(query: Query): TranscriptRange {
  const iso = (time: string | undefined): string | undefined =>
    time === undefined ? undefined : new Date(time).toISOString();
  if (query.from !== undefined || query.to !== undefined) return { by: 'at', from: iso(query.from), to: iso(query.to) };
  if (query.fromRev !== undefined || query.toRev !== undefined)
    return { by: 'rev', from: query.fromRev, to: query.toRev };
  return { by: 'seq', from: query.fromSeq, to: query.toSeq };
}

function placeOf({ after, before, around }: Query): TranscriptPlace | undefined {
  if (after !== undefined) return { after };
  if (before !== undefined) return { before };
  return around === undefined ? undefined : { around };
}

/** Of the same range, from where this page begins and ends. */
function linksOf(
  conversation: string,
  query: Query,
  { messages, hasNext, hasPrevious }: Transcript,
): { readonly next: string | null; readonly previous: string | null } {
  const to = (place: Partial<Record<'after' | 'before', number>>): string => {
    const given = new URLSearchParams();
    for (const name of Object.values(RANGES).flat())
      if (query[name] !== undefined) given.set(name, String(query[name]));
    for (const [name, seq] of Object.entries(place)) given.set(name, String(seq));
    return `/v1/conversations/${conversation}/messages?${given.toString()}&limit=${query.limit}`;
  };
  const [first, last] = [messages[0], messages.at(-1)];
  return {
    next: hasNext && last ? to({ after: last.seq }) : null,
    previous: hasPrevious && first ? to({ before: first.seq }) : null,
  };
}
