/** Reading conversations: what one is now, and its room's history in pages, each by the view of who asks. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ConversationCommands } from '../commands/commands.ts';
import type { Claims } from '../domain/claims.ts';
import { stateView } from '../domain/conversation/state-view.ts';
import { viewOf, view as viewEvent } from '../domain/conversation/view.ts';
import type { View, WireEvent } from '../domain/conversation/view.ts';
import { streamName } from '../domain/stream-name.ts';
import { RequestError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { askAccess } from '../gateway/room-access.ts';
import type { RoomLog, Run } from '../gateway/room-log.ts';
import { wireEvent, wireRevision } from '../gateway/server-frames.ts';
import { opaqueId } from '../schemas/text.ts';
import { claimsOf } from './authentication.ts';
import type { Authenticate } from './authentication.ts';
import { entityTag } from './entity-tags.ts';
import { SECURED } from './openapi.ts';
import { problemAnswers } from './problems.ts';
import { wholeNumber } from './query-answers.ts';

export interface ConversationRouteOptions {
  readonly commands: ConversationCommands;
  readonly rooms: Pick<RoomLog, 'bounds' | 'page' | 'history'>;
  readonly authenticate: Authenticate;
  /** The log's own id. */
  readonly log: string;
}

/** Revisions one page may be asked for. */
const PAGE_REVISIONS_MAX = 500;
const PAGE_REVISIONS = 100;
const REVISION_MAX = Number.MAX_SAFE_INTEGER;

const READ_PROBLEMS: readonly ErrorCode[] = [
  'bad-request',
  'unauthorized',
  'forbidden',
  'rate-limited',
  'internal',
  'unavailable',
];

const id = z.string();
const time = z.iso.datetime({ precision: 3 });
const conversationSchema = z
  .object({
    conversation: id,
    log: z.string().describe('The id of the log that its revisions are of.'),
    revision: z.int().min(0),
    status: z.enum(['open', 'snoozed', 'resolved', 'closed']),
    visitor: id.optional(),
    visitorRemoved: z.boolean(),
    handling: z.object({
      kind: z.enum(['none', 'queued', 'assigned']),
      agent: id.optional(),
      queue: z.string().optional(),
    }),
    participants: z.array(id),
    messages: z.int().min(0),
    receipts: z.array(z.object({ reader: id, read: z.int().min(-1), delivered: z.int().min(-1) })),
    rated: z.boolean(),
    staff: z
      .object({
        statusSince: time,
        handlingSince: time,
        priority: z.enum(['low', 'normal', 'high', 'urgent']),
        tags: z.array(z.string()),
        attributes: z.array(z.string()).describe('The names of its attributes.'),
        notes: z.int().min(0),
        resolutions: z.int().min(0),
      })
      .optional()
      .describe('What visitors are not shown.'),
  })
  .meta({ id: 'Conversation' });

const eventsSchema = z
  .object({
    conversation: id,
    log: z.string().describe('The id of the log: keep it with your cursors.'),
    head: z.int().min(-1).describe("The room's last revision; -1: none yet."),
    after: z.int().min(-1).describe('The revision before the first one covered.'),
    upTo: z.int().min(-1).describe('The last revision covered: the next `after`.'),
    events: z.array(wireEvent).describe('Those of the revisions covered that your role may see, in order.'),
    more: z.boolean().describe('Whether there was more in the direction that was asked for.'),
    next: z.string().nullable().describe('Where the next page is, relative to this host; null where there is none.'),
  })
  .meta({ id: 'Events', description: 'Covers the revisions above `after` up to and with `upTo`.' });

const eventsQuery = z
  .object({
    after: wholeNumber(-1, REVISION_MAX)
      .optional()
      .describe('Forwards: your cursor, the last revision you have; -1: from the first.'),
    before: wholeNumber(0, REVISION_MAX)
      .optional()
      .describe('Backwards: the last revisions below this one. Without `after` and `before`: the newest.'),
    limit: wholeNumber(1, PAGE_REVISIONS_MAX)
      .default(PAGE_REVISIONS)
      .describe('Revisions to cover at most, hidden ones counted. A page may cover fewer.'),
    log: z.string().max(128).optional().describe('The log that your cursor is of, as an earlier answer named it.'),
  })
  .refine(({ after, before }) => after === undefined || before === undefined, {
    message: 'only one of after and before',
    path: ['before'],
  });

const params = z.object({ conversation: opaqueId.meta({ description: 'Its id.', examples: ['42'] }) });

export function addConversationRoutes(app: FastifyInstance, options: ConversationRouteOptions): void {
  const { commands, authenticate, log } = options;
  const routes = app.withTypeProvider<ZodTypeProvider>();
  routes.get(
    '/v1/conversations/:conversation',
    {
      onRequest: authenticate,
      schema: {
        summary: 'Read what a conversation is now',
        description: 'Status, hands, receipts; for staff also tags, priority and what else visitors are not shown.',
        operationId: 'getConversation',
        ...{ tags: ['Conversations'], security: SECURED, params },
        response: {
          200: conversationSchema,
          ...problemAnswers([...READ_PROBLEMS, 'not-found', 'unknown-room', 'rejected']),
        },
      },
    },
    async (request, reply) => {
      const { conversation } = request.params;
      const claims = claimsOf(request);
      await mustSee(commands, claims, conversation);
      const { state, revision: current } = await commands.load(claims.tenant, conversation);
      const shown = stateView(state, viewOf(claims.role));
      if (shown === undefined) throw neverStarted();
      return reply
        .headers({ etag: entityTag(log, current), 'cache-control': 'no-store' })
        .send({ conversation, log, revision: wireRevision(current), ...mutable(shown) });
    },
  );
  addEventsRoute(app, options);
}

function addEventsRoute(app: FastifyInstance, { commands, rooms, authenticate, log }: ConversationRouteOptions): void {
  app.withTypeProvider<ZodTypeProvider>().get(
    '/v1/conversations/:conversation/events',
    {
      onRequest: authenticate,
      schema: {
        summary: 'Read a conversation event by event, in pages',
        description: 'Revisions are covered without a gap; those that your role may not see are counted, not shown.',
        operationId: 'getEvents',
        ...{ tags: ['Conversations'], security: SECURED, params, querystring: eventsQuery },
        response: { 200: eventsSchema, ...problemAnswers([...READ_PROBLEMS, 'not-found', 'cursor-lost', 'rejected']) },
      },
    },
    async (request, reply) => {
      const { conversation } = request.params;
      const { after, before, limit, log: cursorLog } = request.query;
      const claims = claimsOf(request);
      await mustSee(commands, claims, conversation);
      if (cursorLog !== undefined && cursorLog !== log)
        throw new RequestError('cursor-lost', `The log is ${log}: begin again.`, { path: 'log', reason: 'other-log' });
      const stream = streamName('conversation', claims.tenant, conversation);
      const page =
        after === undefined
          ? await backwards(rooms, stream, before, limit)
          : await forwards(rooms, stream, BigInt(after), limit);
      // Asked again, because the page may hold what has changed the answer.
      await mustSee(commands, claims, conversation);
      const { head } = await rooms.bounds(stream);
      const [from, upTo] = [wireRevision(page.after), wireRevision(page.upTo)];
      const cursor = after === undefined ? `before=${from + 1}` : `after=${upTo}`;
      const next = `/v1/conversations/${conversation}/events?${cursor}&limit=${limit}&log=${log}`;
      return reply.header('cache-control', 'no-store').send({
        ...{ conversation, log, upTo, after: from, more: page.more },
        head: wireRevision(head > page.upTo ? head : page.upTo),
        events: eventsOf(page.run, viewOf(claims.role)),
        next: page.more ? next : null,
      });
    },
  );
}

interface EventsPage {
  readonly run: Run;
  readonly after: bigint;
  readonly upTo: bigint;
  readonly more: boolean;
}

async function backwards(
  rooms: ConversationRouteOptions['rooms'],
  stream: string,
  before: number | undefined,
  limit: number,
): Promise<EventsPage> {
  const page = await rooms.history(stream, before === undefined ? undefined : BigInt(before), limit);
  const after = page.before - BigInt(page.run.length) - 1n;
  return { run: page.run, after, upTo: page.before - 1n, more: page.more };
}

/** @throws RequestError `cursor-lost` */
async function forwards(
  rooms: ConversationRouteOptions['rooms'],
  stream: string,
  after: bigint,
  limit: number,
): Promise<EventsPage> {
  const { head } = await rooms.bounds(stream);
  if (after > head)
    throw new RequestError('cursor-lost', `The last revision is ${head}.`, { path: 'after', reason: 'beyond-head' });
  const page = await rooms.page(stream, after);
  if (page.kind === 'truncated') {
    const detail = `What follows is no longer in the log; go on with after=${page.bounds.first - 1n}.`;
    throw new RequestError('cursor-lost', detail, { path: 'after', reason: 'truncated' });
  }
  const run = page.run.slice(0, limit);
  const upTo = run.at(-1)?.revision ?? after;
  return { run, after, upTo, more: !page.atHead || run.length < page.run.length };
}

function eventsOf(run: Run, view: View): z.infer<typeof wireEvent>[] {
  return run
    .map(recorded => viewEvent(recorded, view))
    .filter((event): event is WireEvent => event !== undefined)
    .map(event => ({ ...event, data: { ...event.data } }));
}

/** @throws RequestError `forbidden` */
export async function mustSee(
  commands: ConversationRouteOptions['commands'],
  claims: Claims,
  conversation: string,
): Promise<void> {
  const { see } = await askAccess(commands, claims, conversation);
  if (!see) throw new RequestError('forbidden', 'This user may not see the conversation.');
}

/** For an answer that shows nothing: whether it is of a conversation that there is. @throws RequestError `unknown-room` */
export async function mustHaveStarted(
  commands: ConversationRouteOptions['commands'],
  { tenant, role }: Claims,
  conversation: string,
): Promise<void> {
  const { state } = await commands.load(tenant, conversation);
  if (stateView(state, viewOf(role)) === undefined) throw neverStarted();
}

function neverStarted(): RequestError {
  return new RequestError('unknown-room', 'No such conversation has been started.');
}

/** The serializer's types know no read-only arrays. */
type Mutable<T> = T extends object ? { -readonly [Key in keyof T]: Mutable<T[Key]> } : T;
function mutable<T>(value: T): Mutable<T> {
  return value as Mutable<T>;
}
