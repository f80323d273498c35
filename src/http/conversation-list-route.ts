/** `GET /v1/conversations`: a list in pages, and then what changes in it. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { viewOf } from '../domain/conversation/view.ts';
import { conversationView } from '../projections/conversations/conversation-view.ts';
import { leastPositionAt, listConversations } from '../projections/conversations/list-query.ts';
import type { ListPlace } from '../projections/conversations/list-query.ts';
import { conversationsProjection } from '../projections/conversations/projection.ts';
import { claimsOf } from './authentication.ts';
import { conversationListSchema } from './conversation-list-schema.ts';
import { conversationListQuery, placedList } from './conversation-list-selection.ts';
import { SECURED } from './openapi.ts';
import { problemAnswers } from './problems.ts';
import {
  isKnown,
  notModified,
  QUERY_PROBLEMS,
  queryHeaders,
  runQuery,
  sendNotModified,
  wirePosition,
} from './query-answers.ts';
import type { QueryRouteOptions } from './query-answers.ts';
import { encodeCursor } from './query-cursors.ts';

export function addConversationListRoute(app: FastifyInstance, options: QueryRouteOptions): void {
  const { authenticate, readModels } = options;
  const { log } = readModels;
  app.withTypeProvider<ZodTypeProvider>().get(
    '/v1/conversations',
    {
      onRequest: authenticate,
      schema: {
        summary: 'List conversations, and then what changes',
        description:
          'By the pairs of filter and order that `sort` names, and no others. `cursor` leads from page to page, behind the ' +
          'last one through what changed since the first was read, and then through what changes, for ever: an empty ' +
          'page has a cursor too. A conversation that is there throughout is seen at least once, and once unless it ' +
          'changed. A visitor is listed its own, in its view, by its last message.',
        ...{ operationId: 'listConversations', tags: ['Queries'], security: SECURED },
        ...{ querystring: conversationListQuery, headers: queryHeaders },
        response: {
          ...{ 200: conversationListSchema, ...notModified },
          ...problemAnswers([...QUERY_PROBLEMS, 'cursor-lost']),
        },
      },
    },
    async (request, reply) => {
      const claims = claimsOf(request);
      const { query } = request;
      const owner = { log, tenant: claims.tenant };
      const { selection, place } = placedList(query, claims, owner);
      const page = await runQuery(
        ...([options, reply, conversationsProjection.schema.name, askedOf(query, place)] as const),
        generation => listConversations(generation, selection, place, query.limit),
      );
      const view = viewOf(claims.role);
      const conversations = page.documents.map(document => conversationView(document, view));
      const { gone, more, position, next } = page;
      const content = { conversations, gone, more };
      // Where the first page stood is in the cursor, and no content.
      const tagged = { ...content, next: { ...next, start: 0 } };
      if (isKnown(request, reply, { log, position, content: tagged })) return sendNotModified(reply);
      const { list, direction, values } = selection;
      const after = next.after === null ? null : ([...next.after] as (string | number)[]);
      const cursor = encodeCursor({
        v: 1,
        ...owner,
        list: list.name,
        direction,
        values: { ...values },
        ...next,
        after,
      });
      return reply.send({ position: wirePosition(position), log, ...content, cursor } as z.infer<
        typeof conversationListSchema
      >);
    },
  );
}

/** A page behind a cursor shows at least what the cursor has seen. */
function askedOf(
  { minPosition }: z.infer<typeof conversationListQuery>,
  place: ListPlace | undefined,
): { minPosition?: number; path?: string } {
  const least = place === undefined ? -1 : leastPositionAt(place);
  if (least > (minPosition ?? -1)) return { minPosition: least, path: 'cursor' };
  return minPosition === undefined ? {} : { minPosition };
}
