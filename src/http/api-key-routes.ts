/** `/v1/api-keys`: credentials for programs, made and revoked by role service, listed for those who watch over a tenant. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ApiKey, ApiKeys } from '../commands/api-keys.ts';
import type { Claims } from '../domain/claims.ts';
import type { Role } from '../domain/decider.ts';
import { RequestError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { apiKeyName, apiKeyRole } from '../schemas/tenant-commands.ts';
import { claimsOf } from './authentication.ts';
import type { Authenticate } from './authentication.ts';
import { idempotencyKey, KeysInFlight } from './idempotency.ts';
import { SECURED } from './openapi.ts';
import { problemAnswers } from './problems.ts';

export interface ApiKeyRouteOptions {
  readonly apiKeys: ApiKeys;
  readonly authenticate: Authenticate;
}

const WRITERS: readonly Role[] = ['service'];
const READERS: readonly Role[] = ['service', 'supervisor', 'auditor'];

const time = z.iso.datetime({ precision: 3 });
const keyFields = {
  keyId: z.string().describe('Names the key, in lists and as `actor` of what it does (`key-<keyId>`).'),
  name: z.string(),
  role: apiKeyRole,
  createdAt: time,
  createdBy: z.string(),
  revokedAt: time.nullable().describe('Null while it is in force.'),
};
const keySchema = z.object(keyFields).meta({ id: 'ApiKey' });
const createdKeySchema = z
  .object({
    ...keyFields,
    key: z.string().optional().describe('Shown once: absent where the request was a repeat.'),
    duplicate: z.boolean(),
  })
  .meta({ id: 'CreatedApiKey' });

const newKeySchema = z
  .object({ name: apiKeyName.describe('What it is for.'), role: apiKeyRole })
  .meta({ examples: [{ name: 'CRM', role: 'agent' }] });

const PROBLEMS: readonly ErrorCode[] = [
  'bad-request',
  'unauthorized',
  'forbidden',
  'revision-conflict',
  'rate-limited',
  'internal',
  'unavailable',
];

export function addApiKeyRoutes(app: FastifyInstance, { apiKeys, authenticate }: ApiKeyRouteOptions): void {
  const routes = app.withTypeProvider<ZodTypeProvider>();
  const tags = ['API keys'];
  const inFlight = new KeysInFlight();
  routes.post(
    '/v1/api-keys',
    {
      onRequest: authenticate,
      schema: {
        ...{
          tags,
          security: SECURED,
          summary: 'Make an API key, shown once; role service',
          operationId: 'createApiKey',
        },
        headers: z.looseObject({ 'idempotency-key': idempotencyKey }),
        body: newKeySchema,
        response: {
          201: createdKeySchema,
          ...problemAnswers([
            ...PROBLEMS,
            'in-flight',
            'too-large',
            'unsupported-media-type',
            'idempotency-mismatch',
            'rejected',
          ]),
        },
      },
    },
    async (request, reply) => {
      const claims = permit(claimsOf(request), WRITERS);
      const { 'idempotency-key': commandId } = request.headers;
      const { traceparent, body } = request;
      const { key, ...made } = await inFlight.run([claims.tenant], commandId, () =>
        apiKeys.create({ ...askedBy(claims), ...body, commandId, traceparent }),
      );
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({ ...wireKey(made), ...(key === undefined ? {} : { key }), duplicate: key === undefined });
    },
  );

  routes.get(
    '/v1/api-keys',
    {
      onRequest: authenticate,
      schema: {
        ...{ tags, security: SECURED, operationId: 'listApiKeys' },
        summary: 'List the API keys of the tenant; roles service, supervisor, auditor',
        response: { 200: z.object({ keys: z.array(keySchema) }), ...problemAnswers(PROBLEMS) },
      },
    },
    async (request, reply) => {
      const { tenant } = permit(claimsOf(request), READERS);
      const keys = await apiKeys.list(tenant);
      return reply.header('cache-control', 'no-store').send({ keys: keys.map(wireKey) });
    },
  );

  routes.delete(
    '/v1/api-keys/:keyId',
    {
      onRequest: authenticate,
      schema: {
        ...{ tags, security: SECURED, operationId: 'revokeApiKey' },
        summary: 'Revoke an API key, for good; role service',
        description: 'It is refused at once, and the sockets it has opened are closed within five seconds.',
        params: z.object({ keyId: z.string().regex(/^[0-9a-f]{32}$/, 'must be 32 of 0-9 a-f') }),
        response: { 200: keySchema, ...problemAnswers([...PROBLEMS, 'not-found', 'rejected']) },
      },
    },
    async (request, reply) => {
      const claims = permit(claimsOf(request), WRITERS);
      const { keyId } = request.params;
      const revoked = await apiKeys.revoke({ ...askedBy(claims), keyId, traceparent: request.traceparent });
      return reply.header('cache-control', 'no-store').send(wireKey(revoked));
    },
  );
}

/** @throws RequestError `forbidden` */
function permit(claims: Claims, roles: readonly Role[]): Claims {
  if (roles.includes(claims.role)) return claims;
  throw new RequestError('forbidden', `The role ${claims.role} may not; it takes ${roles.join(' or ')}.`, {
    path: 'role',
  });
}

function askedBy({ tenant, sub, role }: Claims) {
  return { tenant, actor: { id: sub, role } };
}

/** Never the hash. */
function wireKey({ keyId, name, role, createdAt, createdBy, revokedAt }: ApiKey): z.infer<typeof keySchema> {
  return {
    ...{ keyId, name, role, createdBy },
    createdAt: new Date(createdAt).toISOString(),
    revokedAt: revokedAt === undefined ? null : new Date(revokedAt).toISOString(),
  };
}
