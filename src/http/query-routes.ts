/** Queries over the read models: what is asked of them all stands in query-answers.ts. */
import type { FastifyInstance } from 'fastify';
import { addConversationListRoute } from './conversation-list-route.ts';
import { addParticipantRoutes } from './participant-routes.ts';
import type { QueryRouteOptions } from './query-answers.ts';
import { addTranscriptRoute } from './transcript-route.ts';
import { addVolumeRoute } from './volume-route.ts';

export function addQueryRoutes(app: FastifyInstance, options: QueryRouteOptions): void {
  addConversationListRoute(app, options);
  addTranscriptRoute(app, options);
  addParticipantRoutes(app, options);
  addVolumeRoute(app, options);
}
