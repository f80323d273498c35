/**
 * The AsyncAPI 3.0 document of `verbatim.v1`, made from the schemas that frames are checked with and the words of
 * frame-documents.ts. Operations are the server's: it receives what clients say.
 */
import { z } from 'zod';
import { shownFields } from '../domain/conversation/view.ts';
import { ERROR_CODES } from '../errors.ts';
import { CONVERSATION_COMMAND_DOCUMENTS } from '../schemas/conversation-command-documents.ts';
import { conversationCommandSchemas } from '../schemas/conversation-commands.ts';
import { conversationEventSchemas } from '../schemas/conversation-events.ts';
import { clientFrameSchema } from './client-frames.ts';
import { CLOSE, TERMINAL_CLOSE_CODE_MIN } from './close-codes.ts';
import { CLIENT_FRAME_DOCUMENTS, SERVER_FRAME_DOCUMENTS } from './frame-documents.ts';
import type { FrameDocument } from './frame-documents.ts';
import { serverFrameSchema, wireEvent } from './server-frames.ts';

/** The part of JSON Schema draft 7 that is looked at here. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
}

type Named<Value> = Record<string, Value>;

const CHANNEL = 'socket';
const ABOUT = `One WebSocket, one JSON object a text frame, its kind in \`op\`. Unknown fields are ignored by both sides; an unknown \`op\` is an error.
\`v1\` grows by fields only. How sessions, cursors and resuming work, with complete small clients: docs/protocol.md and docs/clients of the project.`;

/** What a client frame must be, by `op`. Of a `send`, `data` is that of its command. */
export function clientFrameSchemas(): Named<JsonSchema> {
  const schemas = Object.fromEntries(
    clientFrameSchema.options.map(frame => [frame.shape.op.value, jsonSchema(frame, 'input')]),
  );
  const commands = Object.keys(conversationCommandSchemas).map(type => ({
    properties: { command: { const: type }, data: { $ref: componentOf(type) } },
  }));
  return { ...schemas, send: { ...schemas.send, oneOf: commands } };
}

/** What a server frame is, by `op`. */
export function serverFrameSchemas(): Named<JsonSchema> {
  return Object.fromEntries(
    serverFrameSchema.options.map(frame => [frame.shape.op.value, jsonSchema(frame, 'output')]),
  );
}

/** The data of every command, by its type. */
export function commandSchemas(): Named<JsonSchema> {
  return Object.fromEntries(
    Object.entries(conversationCommandSchemas).map(([type, schema]) => {
      const { summary, description, example } =
        CONVERSATION_COMMAND_DOCUMENTS[type as keyof typeof conversationCommandSchemas];
      const told = { title: summary, description, examples: [example] };
      return [type, { ...jsonSchema(schema, 'input'), ...told }];
    }),
  );
}

/** The data of every event on the wire, by its type. What the visitor view leaves out is never required. */
export function eventSchemas(): Named<JsonSchema> {
  const visitor = shownFields('visitor');
  return Object.fromEntries(
    Object.entries(conversationEventSchemas).map(([type, { current }]) => {
      const schema = jsonSchema(current, 'output');
      const always = visitor.get(type);
      const stored = schema.required ?? [];
      const required = stored.filter(field => always?.includes(field) ?? true);
      return [type, { ...schema, required, 'x-stored-required': stored }];
    }),
  );
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const made = JSON.stringify(z.toJSONSchema(schema, { io, target: 'draft-7', unrepresentable: 'any' }));
  // Zod closes every object that it gives out; on the wire either side may grow.
  const { $schema, definitions, ...rest } = JSON.parse(made, (keyword, value: unknown) =>
    keyword === 'additionalProperties' && value === false && io === 'output' ? undefined : value,
  ) as JsonSchema & { readonly definitions?: Named<JsonSchema> };
  void $schema;
  const [named] = typeof rest.$ref === 'string' ? Object.values(definitions ?? {}) : [];
  return JSON.parse(JSON.stringify(named ?? rest).replaceAll('"#/definitions/', `"${componentOf('')}`)) as JsonSchema;
}

function componentOf(name: string): string {
  return `#/components/schemas/${name}`;
}

/** An event's data follows from its type; types that are not known here are left open. */
export function wireEventSchema(): JsonSchema {
  const byType = Object.keys(conversationEventSchemas).map(type => ({
    if: { properties: { type: { const: type } } },
    then: { properties: { data: { $ref: componentOf(`${type}Data`) } } },
  }));
  return { ...jsonSchema(wireEvent, 'output'), allOf: byType };
}

/** `caught-up` of a client is no name of a component: `client.caught-up`. */
function messageName(by: 'client' | 'server', op: string): string {
  return `${by}.${op}`;
}

function message(document: FrameDocument, op: string, payload: JsonSchema): object {
  const rules = document.rules.length === 0 ? '' : ` Rules: ${document.rules.join(', ')}.`;
  return {
    name: op,
    title: op,
    summary: document.summary,
    description: `${document.description}${rules}`,
    contentType: 'application/json',
    payload,
    examples: document.examples.map(example => ({ payload: example })),
  };
}

function messages(): Named<object> {
  const clientSchemas = clientFrameSchemas();
  const serverSchemas = serverFrameSchemas();
  const client = Object.entries(CLIENT_FRAME_DOCUMENTS).map(([op, document]): [string, object] => [
    messageName('client', op),
    message(document, op, clientSchemas[op] ?? {}),
  ]);
  const server = Object.entries(SERVER_FRAME_DOCUMENTS).map(([op, document]): [string, object] => [
    messageName('server', op),
    message(document, op, serverSchemas[op] ?? {}),
  ]);
  return Object.fromEntries([...client, ...server]);
}

function operations(): Named<object> {
  const channel = { $ref: `#/channels/${CHANNEL}` };
  const inChannel = (by: 'client' | 'server', op: string) => ({
    $ref: `#/channels/${CHANNEL}/messages/${messageName(by, op)}`,
  });
  const received = Object.entries(CLIENT_FRAME_DOCUMENTS).map(([op, { summary, answers }]): [string, object] => {
    const replies = op === 'send' ? answers : [...answers, 'error' as const];
    const reply = { channel, messages: replies.map(answer => inChannel('server', answer)) };
    return [`receive.${op}`, { action: 'receive', channel, summary, messages: [inChannel('client', op)], reply }];
  });
  const sent = Object.entries(SERVER_FRAME_DOCUMENTS).map(([op, { summary }]): [string, object] => [
    `send.${op}`,
    { action: 'send', channel, summary, messages: [inChannel('server', op)] },
  ]);
  return Object.fromEntries([...received, ...sent]);
}

const SECURITY = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'A JWT, or an API key (`vbk_…`), in the `Authorization` header of the upgrade.',
  },
  subprotocol: {
    type: 'httpApiKey',
    in: 'header',
    name: 'Sec-WebSocket-Protocol',
    description: 'For browsers, which cannot set headers: `bearer.<token>` as second subprotocol. Or the frame `auth`.',
  },
};

/** The document as a function of where the gateway is: `ws://127.0.0.1:3001/v1/socket`. */
export function createAsyncApi(): (url: string) => Readonly<Record<string, unknown>> {
  const named = messages();
  const eventData = Object.entries(eventSchemas()).map(([type, schema]) => [`${type}Data`, schema] as const);
  const document = {
    asyncapi: '3.0.0',
    id: 'urn:verbatim:gateway',
    info: {
      title: 'Verbatim',
      version: '1',
      description: ABOUT,
      license: { name: 'Apache 2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      tags: [{ name: 'chat' }],
    },
    defaultContentType: 'application/json',
    servers: {},
    channels: { [CHANNEL]: channel(named) },
    operations: operations(),
    components: {
      securitySchemes: SECURITY,
      messages: named,
      schemas: { ...commandSchemas(), ...Object.fromEntries(eventData), WireEvent: wireEventSchema() },
    },
  };
  return url => ({ ...document, servers: { gateway: server(url) } });
}

function server(url: string): object {
  const { protocol, host, pathname } = new URL(url);
  const security = Object.keys(SECURITY).map(name => ({ $ref: `#/components/securitySchemes/${name}` }));
  return { host, pathname, protocol: protocol.slice(0, -1), description: 'The WebSocket gateway.', security };
}

function channel(named: Named<object>): object {
  const refs = Object.keys(named).map(name => [name, { $ref: `#/components/messages/${name}` }] as const);
  const headers = {
    type: 'object',
    properties: { 'Sec-WebSocket-Protocol': { type: 'string', pattern: String.raw`(^|,\s*)verbatim\.v1(\s*,|$)` } },
    required: ['Sec-WebSocket-Protocol'],
  };
  return {
    address: '/',
    description: 'All that a client and the server say to each other, over the subprotocol `verbatim.v1`.',
    messages: Object.fromEntries(refs),
    bindings: { ws: { method: 'GET', headers } },
    'x-close-codes': Object.values(CLOSE).map(close => ({
      ...close,
      resumable: close.code < TERMINAL_CLOSE_CODE_MIN,
    })),
    'x-error-codes': errorCodes(),
  };
}

function errorCodes(): object[] {
  return Object.entries(ERROR_CODES)
    .filter(([, { frames }]) => frames.length > 0)
    .map(([code, { meaning, retryable, frames }]) => ({ code, meaning, retryable, frames }));
}
