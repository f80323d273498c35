/** Who took part in a conversation, and in which ones somebody took part. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ParticipantDocument } from '../projections/conversations/participants.ts';
import { isParticipantPlaceOf, listParticipants } from '../projections/conversations/participants-query.ts';
import type { ParticipantPlace } from '../projections/conversations/participants-query.ts';
import { conversationsProjection } from '../projections/conversations/projection.ts';
import { opaqueId, personId } from '../schemas/text.ts';
import { claimsOf } from './authentication.ts';
import { mustHaveStarted } from './conversation-routes.ts';
import { SECURED } from './openapi.ts';
import { problemAnswers } from './problems.ts';
import { cursorParameter, isKnown, limitOf, minPosition, mustNotBeVisitor, notModified } from './query-answers.ts';
import {
  QUERY_PROBLEMS,
  queryHeaders,
  runQuery,
  sendNotModified,
  shownLog,
  shownPosition,
  stale,
  wirePosition,
} from './query-answers.ts';
import type { QueryRouteOptions } from './query-answers.ts';
import { badCursor, decodeParticipantCursor, encodeCursor, OF_ANOTHER_LIST, UNREADABLE } from './query-cursors.ts';
import type { CursorOwner } from './query-cursors.ts';

const LIMIT_MAX = 200;
const LIMIT = 50;

const id = z.string();
const time = z.iso.datetime({ precision: 3 });
const seq = z.int().min(0).nullable();

const participantSchema = z
  .object({
    ...{ participant: id, conversation: id },
    role: z.string().describe('In which it acted last.'),
    name: z.string().nullable().optional().describe('As an imported file has it; null: erased.'),
    messages: z.int().min(0).describe('How many it posted, redacted ones among them.'),
    firstAt: time.describe(
      'Of its first part in it: the start as its visitor, a post, joining, leaving, being assigned.',
    ),
    lastAt: time.describe('Of its last one.'),
    joined: z.boolean().describe('Staff that joined and did not leave.'),
    read: seq.describe('It has read up to this `seq`; null: nothing.'),
    delivered: seq,
    stale,
  })
  .meta({ id: 'Participant' });

const shownPage = { position: shownPosition, log: shownLog };
const cursor = z.string().nullable().describe('What comes next; null: nothing.');
const participantsSchema = z
  .object({ ...shownPage, participants: z.array(participantSchema), cursor })
  .meta({ id: 'Participants', description: 'A page of who took part in a conversation.' });
const participationsSchema = z
  .object({ ...shownPage, conversations: z.array(participantSchema), cursor })
  .meta({ id: 'Participations', description: 'A page of the conversations that somebody took part in.' });

const querystring = z.strictObject({
  limit: limitOf(LIMIT_MAX, LIMIT, 'Entries'),
  cursor: cursorParameter,
  minPosition,
});
type Query = z.infer<typeof querystring>;

const documented = { tags: ['Queries'], security: SECURED, querystring, headers: queryHeaders };
const problems = [...QUERY_PROBLEMS, 'not-found', 'cursor-lost'] as const;
const conversationParams = z.object({ conversation: opaqueId.meta({ description: 'Its id.', examples: ['42'] }) });
const participantParams = z.object({
  participant: personId.meta({ description: 'Its id, percent-encoded where needed.', examples: ['ada'] }),
});

export function addParticipantRoutes(app: FastifyInstance, options: QueryRouteOptions): void {
  const { authenticate } = options;
  const routes = app.withTypeProvider<ZodTypeProvider>();
  routes.get(
    '/v1/conversations/:conversation/participants',
    {
      onRequest: authenticate,
      schema: {
        ...documented,
        params: conversationParams,
        response: { ...{ 200: participantsSchema, ...notModified }, ...problemAnswers([...problems, 'unknown-room']) },
        summary: 'List who took part in a conversation',
        description: 'In the order of their ids. Not for visitors.',
        operationId: 'listParticipants',
      },
    },
    async (request, reply) => {
      const { conversation } = request.params;
      return answer(options, request, reply, { of: 'conversation', id: conversation, query: request.query });
    },
  );
  routes.get(
    '/v1/participants/:participant/conversations',
    {
      onRequest: authenticate,
      schema: {
        ...documented,
        params: participantParams,
        response: { ...{ 200: participationsSchema, ...notModified }, ...problemAnswers(problems) },
        summary: 'List the conversations that somebody took part in',
        description:
          'The one that it was last active in first. What it does meanwhile comes to the front. Not for visitors.',
        operationId: 'listConversationsOfParticipant',
      },
    },
    async (request, reply) => {
      const { participant } = request.params;
      return answer(options, request, reply, { of: 'participant', id: participant, query: request.query });
    },
  );
}

interface Asked {
  readonly of: 'conversation' | 'participant';
  readonly id: string;
  readonly query: Query;
}

async function answer(
  options: QueryRouteOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  { of, id, query }: Asked,
): Promise<FastifyReply> {
  const { log } = options.readModels;
  const claims = claimsOf(request);
  mustNotBeVisitor(claims);
  const { tenant } = claims;
  const owner = { log, tenant };
  const selection = of === 'conversation' ? { tenant, conversation: id } : { tenant, participant: id };
  const place = query.cursor === undefined ? undefined : placeOf(query.cursor, owner, of, id);
  if (place !== undefined && !isParticipantPlaceOf(selection, place)) throw badCursor(UNREADABLE);
  const page = await runQuery(options, reply, conversationsProjection.schema.name, query, generation =>
    listParticipants(generation, selection, place, query.limit),
  );
  if (of === 'conversation' && page.documents.length === 0) await mustHaveStarted(options.commands, claims, id);
  const { position, next } = page;
  const cursor = next === undefined ? null : encodeCursor({ v: 1, ...owner, of, id, after: [...next] });
  const entries = page.documents.map(shown);
  const content = of === 'conversation' ? { participants: entries, cursor } : { conversations: entries, cursor };
  if (isKnown(request, reply, { log, position, content })) return sendNotModified(reply);
  return reply.send({ position: wirePosition(position), log, ...content });
}

/** @throws RequestError `bad-request`, `cursor-lost` */
function placeOf(cursor: string, owner: CursorOwner, of: Asked['of'], id: string): ParticipantPlace {
  const decoded = decodeParticipantCursor(cursor, owner);
  if (decoded.of !== of || decoded.id !== id) throw badCursor(OF_ANOTHER_LIST);
  return decoded.after;
}

function shown(document: ParticipantDocument): z.infer<typeof participantSchema> {
  const { participant, conversation, role, name, messages, firstAt, lastAt, joined, read, delivered, parked } =
    document;
  return {
    ...{ participant, conversation, role },
    ...(name === undefined ? {} : { name }),
    ...{ messages, firstAt, lastAt, joined, read, delivered },
    ...(parked ? { stale: true } : {}),
  };
}
