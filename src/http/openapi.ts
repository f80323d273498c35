/**
 * The OpenAPI 3.1 document, made from the schemas that the routes are checked with, at `/openapi.json`, the gateway's
 * AsyncAPI document beside it at `/asyncapi.json`; and Swagger UI over the first at `/docs`, under the policy that every answer carries, but that it may set styles of elements.
 */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { createAsyncApi } from '../gateway/asyncapi.ts';
import { gatewayUrlFor } from './page.ts';

const ABOUT = `Commands, histories and states of conversations. Every answer that is no success is RFC 9457 problem details.

- **Who asks**: \`Authorization: Bearer\` with a JWT or an API key; both name the tenant, and nothing of another tenant can be named.
- **Sending again**: every POST but an import, a scavenge or work on read models carries \`Idempotency-Key\`. The same key with the same content does nothing again and answers
  the first answer with \`duplicate: true\`; with other content it is 422; while the first is being worked on it is 409.
- **Revisions**: \`ETag\` carries a conversation's revision, and \`If-Match\` with it makes a command fail with 412 once there is
  a newer one.
- **Traces**: \`traceparent\` is taken, given back, and kept with the events a request causes.

What happens live comes over the WebSocket gateway: its AsyncAPI 3.0 document is at [/asyncapi.json](/asyncapi.json), this
one at [/openapi.json](/openapi.json).`;

export const SECURED = [{ bearer: [] }];

interface Answer {
  description: string;
  headers?: Record<string, object>;
  readonly content?: Readonly<Record<string, { readonly schema: { readonly $ref?: string } }>>;
}

interface Operation {
  readonly requestBody?: {
    required?: boolean;
    readonly content: Readonly<
      Record<string, { readonly schema: { readonly type?: string; readonly required?: unknown } }>
    >;
  };
  readonly responses: Record<string, Answer>;
}

/** The part of the document that is looked at here. */
interface Described {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Record<string, { readonly description?: string }> };
}

const header = (description: string) => ({ description, schema: { type: 'string' } });
const TRACEPARENT = header('This request, as the parent of what follows (W3C Trace Context).');
const ETAG = header('The revision, for If-Match.');
const BY_STATUS: Readonly<Record<string, Readonly<Record<string, object>>>> = {
  401: { 'WWW-Authenticate': header('`Bearer`') },
  429: { 'Retry-After': header('Seconds.') },
};
const TAGGED = ['Ack', 'Conversation'];
const QUERY_HEADERS = {
  ETag: header('Weak: of the content, for If-None-Match; it stays the same while only the position moves.'),
  'Verbatim-Position': header('The position that is shown.'),
};
const QUERIED = ['ConversationList', 'Messages', 'Participants', 'Participations', 'Volume'];

/** What schemas alone do not say: headers of answers, and that a body without a required field may be absent. And each shape has one name: the ways in and out do not differ. */
function refine(document: Described): void {
  const { schemas } = document.components;
  for (const name of Object.keys(schemas)) if (name.endsWith('Input')) Reflect.deleteProperty(schemas, name);
  for (const operation of Object.values(document.paths).flatMap(path => Object.values(path))) {
    const { requestBody } = operation;
    const body = requestBody?.content['application/json']?.schema;
    if (requestBody && body?.type === 'object' && body.required === undefined) requestBody.required = false;
    for (const [status, answer] of Object.entries(operation.responses)) {
      const shape = answer.content?.['application/json']?.schema.$ref?.split('/').at(-1) ?? '';
      answer.headers = {
        traceparent: TRACEPARENT,
        ...BY_STATUS[status],
        ...(TAGGED.includes(shape) ? { ETag: ETAG } : {}),
        ...(QUERIED.includes(shape) ? QUERY_HEADERS : {}),
      };
      if (answer.description === 'Default Response') answer.description = schemas[shape]?.description ?? 'Done.';
    }
  }
}

/** Before the routes it describes. */
export async function addOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Verbatim', version: '1', description: ABOUT },
      tags: [
        { name: 'Conversations', description: 'What is said, and what becomes of it.' },
        { name: 'Queries', description: 'Lists, transcripts and counts, from read models that follow the log.' },
        { name: 'API keys', description: 'Credentials for programs.' },
        { name: 'Erasure', description: 'What is personal to somebody, gone for good.' },
        { name: 'Imports', description: 'History from elsewhere.' },
        { name: 'Exports', description: 'History for elsewhere.' },
        { name: 'Operations', description: 'For those who run it.' },
      ],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'A JWT, or an API key (`vbk_…`).' },
        },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: document => {
      const described = jsonSchemaTransformObject(document);
      refine(described as unknown as Described);
      return described;
    },
  });
}

/** After them, so that the document is whole. */
export async function addDocumentRoutes(
  app: FastifyInstance,
  { gatewayUrl }: { readonly gatewayUrl: (hostname: string) => string },
): Promise<void> {
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) =>
    reply.header('cache-control', 'no-cache').send(app.swagger()),
  );
  // Made when it is first asked for, as the other is: a start waits for nothing that nobody may read.
  let asyncApi: ReturnType<typeof createAsyncApi> | undefined;
  app.get('/asyncapi.json', { schema: { hide: true } }, async (request, reply) => {
    asyncApi ??= createAsyncApi();
    return reply.header('cache-control', 'no-cache').send(asyncApi(gatewayUrlFor(request.headers.host, gatewayUrl)));
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    // Without the bar on top, which would bear another project's name, and a field for any document.
    uiConfig: { layout: 'BaseLayout', deepLinking: true },
    theme: { title: 'Verbatim: HTTP' },
    transformStaticCSP: policy => policy.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'"),
  });
}
