/**
 * The commands of a conversation, a route each: `POST /v1/conversations/{conversation}/commands/{Command}` with the
 * command's data as body, and `POST /v1/conversations`, which starts one under an id that the server derives from who
 * asks and the Idempotency-Key, so that a repeat meets the same conversation.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { CommandAck, ConversationCommands } from '../commands/commands.ts';
import { madeConversationId } from '../commands/derived-ids.ts';
import type { Claims } from '../domain/claims.ts';
import type { ConversationCommand } from '../domain/conversation/commands.ts';
import { RequestError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { askAccess, roomOf } from '../gateway/room-access.ts';
import { wireRevision } from '../gateway/server-frames.ts';
import { CONVERSATION_COMMAND_DOCUMENTS } from '../schemas/conversation-command-documents.ts';
import { conversationCommandSchemas } from '../schemas/conversation-commands.ts';
import type { ConversationCommandType } from '../schemas/conversation-commands.ts';
import { opaqueId } from '../schemas/text.ts';
import { claimsOf } from './authentication.ts';
import type { Authenticate } from './authentication.ts';
import { entityTag, expectedRevisionOf, ifMatchHeader } from './entity-tags.ts';
import { idempotencyKey, KeysInFlight } from './idempotency.ts';
import { SECURED } from './openapi.ts';
import { problemAnswers } from './problems.ts';

export interface CommandRouteOptions {
  readonly commands: ConversationCommands;
  readonly authenticate: Authenticate;
  /** The log's own id. */
  readonly log: string;
}

const ackSchema = z
  .object({
    conversation: z.string(),
    commandId: z.string().describe('The Idempotency-Key, by which its events are known in the room.'),
    first: z.int().min(0).nullable().describe('Revision of its first event; null where nothing was changed.'),
    last: z.int().min(-1).describe('Revision of its last event, or the current one where nothing was changed.'),
    position: z.string().nullable().describe('Opaque place in the log.'),
    duplicate: z.boolean().describe('Whether it had been taken before, under the same key.'),
  })
  .meta({ id: 'Ack', description: 'The events are durable.' });

const conversationParams = z.object({ conversation: opaqueId.meta({ description: 'Its id.', examples: ['42'] }) });

const commandHeaders = z.looseObject({
  'idempotency-key': idempotencyKey,
  'if-match': ifMatchHeader.optional(),
});

const PROBLEMS: readonly ErrorCode[] = [
  'bad-request',
  'unauthorized',
  'forbidden',
  'not-found',
  'in-flight',
  'revision-conflict',
  'precondition-failed',
  'too-large',
  'unsupported-media-type',
  'idempotency-mismatch',
  'rejected',
  'rate-limited',
  'internal',
  'unavailable',
];

interface Target {
  readonly conversation: string;
  /** The server made the id, so no claim of a visitor can name the room. */
  readonly made: boolean;
}

export function addCommandRoutes(app: FastifyInstance, options: CommandRouteOptions): void {
  const types = Object.keys(conversationCommandSchemas) as ConversationCommandType[];
  const perform = performer(options);
  const routes = app.withTypeProvider<ZodTypeProvider>();
  for (const type of types)
    routes.post(
      `/v1/conversations/:conversation/commands/${type}`,
      {
        ...hooks(options),
        schema: {
          ...describe(type, type),
          params: conversationParams,
          headers: commandHeaders,
          body: bodyOf(type),
          response: { 200: ackSchema, ...problemAnswers(PROBLEMS) },
        },
      },
      async (request, reply) => {
        const command = { type, data: request.body } as ConversationCommand;
        const { conversation } = request.params;
        return reply.code(200).send(await perform(request, reply, { conversation, made: false }, command));
      },
    );

  routes.post(
    '/v1/conversations',
    {
      ...hooks(options),
      schema: {
        ...describe('StartConversation', 'StartNewConversation'),
        summary: 'Begin a conversation under an id that the server makes',
        headers: commandHeaders.omit({ 'if-match': true }),
        body: conversationCommandSchemas.StartConversation.meta({ examples: [exampleOf('StartConversation')] }),
        response: {
          201: ackSchema,
          ...problemAnswers(PROBLEMS.filter(code => code !== 'precondition-failed' && code !== 'not-found')),
        },
      },
    },
    async (request, reply) => {
      const { tenant, sub } = claimsOf(request);
      const conversation = madeConversationId(tenant, sub, request.headers['idempotency-key']);
      const command: ConversationCommand = { type: 'StartConversation', data: request.body };
      const ack = await perform(request, reply, { conversation, made: true }, command);
      return reply.code(201).header('location', `/v1/conversations/${conversation}`).send(ack);
    },
  );
}

function hooks({ authenticate }: CommandRouteOptions) {
  return {
    onRequest: authenticate,
    // A command without data may come without a body.
    preValidation: async (request: FastifyRequest) => {
      if (request.body === undefined) request.body = {};
    },
  };
}

function describe(type: ConversationCommandType, operationId: string) {
  const { summary, description } = CONVERSATION_COMMAND_DOCUMENTS[type];
  return { summary, description, operationId, tags: ['Conversations'], security: SECURED };
}

function bodyOf(type: ConversationCommandType): z.ZodType<object> {
  const schema: z.ZodType<object> = conversationCommandSchemas[type];
  return schema.meta({ examples: [exampleOf(type)] });
}

function exampleOf(type: ConversationCommandType): object {
  return CONVERSATION_COMMAND_DOCUMENTS[type].example;
}

type CommandRequest = Pick<FastifyRequest, 'traceparent'> & {
  readonly claims?: Claims;
  readonly headers: { readonly 'idempotency-key': string; readonly 'if-match'?: unknown };
};

function performer({ commands, log }: CommandRouteOptions) {
  const inFlight = new KeysInFlight();
  return async (
    request: CommandRequest,
    reply: Pick<FastifyReply, 'header'>,
    { conversation, made }: Target,
    command: ConversationCommand,
  ): Promise<z.infer<typeof ackSchema>> => {
    const claims = claimsOf(request);
    const { tenant, sub, role } = claims;
    const { 'idempotency-key': commandId, 'if-match': ifMatch } = request.headers;
    const condition = typeof ifMatch === 'string' ? ifMatch : undefined;
    const ack = await inFlight.run([tenant, conversation], commandId, async () => {
      const room = roomOf(conversation);
      const { send } = await askAccess(commands, made ? { ...claims, rooms: [room] } : claims, conversation);
      if (!send) throw new RequestError('forbidden', 'This user may not send into the conversation.');
      const head = async () => (await commands.load(tenant, conversation)).revision;
      const expectedRevision = await expectedRevisionOf(condition, log, head);
      return commands
        .handle({
          ...{ tenant, command, commandId, id: conversation, actor: { id: sub, role } },
          traceparent: request.traceparent,
          ...(expectedRevision === undefined ? {} : { expectedRevision }),
        })
        .catch((error: unknown) => {
          throw expectedRevision === undefined ? error : asPrecondition(error);
        });
    });
    if (ack.last >= 0n) void reply.header('etag', entityTag(log, ack.last));
    void reply.header('cache-control', 'no-store');
    return wireAck(conversation, commandId, ack);
  };
}

/** A condition of the caller's own that failed is 412, not 409 (RFC 9110, 15.5.13). */
function asPrecondition(error: unknown): unknown {
  if (!(error instanceof RequestError) || error.code !== 'revision-conflict') return error;
  return new RequestError('precondition-failed', error.message, { path: 'if-match', cause: error });
}

function wireAck(
  conversation: string,
  commandId: string,
  { first, last, position, duplicate }: CommandAck,
): z.infer<typeof ackSchema> {
  return {
    ...{ conversation, commandId, duplicate },
    first: first === null ? null : wireRevision(first),
    last: wireRevision(last),
    position: position === null ? null : String(position),
  };
}
