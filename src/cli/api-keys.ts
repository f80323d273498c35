/**
 * `verbatim apikey create | list | revoke`: through the server that has the data folder, or in the folder itself where
 * nobody has it. A key is printed once, alone on stdout, for scripts.
 */
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { createApiKeys } from '../commands/api-keys.ts';
import type { ApiKey } from '../commands/api-keys.ts';
import type { LoadedConfig } from '../config/config.ts';
import type { Config } from '../config/settings.ts';
import type { ApiKeyRole } from '../domain/tenant/events.ts';
import { apiKeyName, apiKeyRole } from '../schemas/tenant-commands.ts';
import { findServer, openFolder, serviceToken } from './data-folder-access.ts';
import { CliFailure, EXIT_OK, EXIT_USAGE } from './failure.ts';
import { refusalOf, whyOf } from './refusals.ts';
import { parseTenant } from './token.ts';

const ACTOR = 'verbatim-apikey';
const TOKEN_LIFE_MS = 60_000;
const ANSWER_TIMEOUT_MS = 30_000;

export interface ApiKeyCommand {
  readonly action: 'create' | 'list' | 'revoke';
  /** Of `revoke`. */
  readonly keyId?: string | undefined;
  readonly tenant: string;
  readonly name?: string | undefined;
  readonly role?: string | undefined;
  readonly url?: string | undefined;
}

/** What both ways to the keys have. */
interface Keys {
  create(name: string, role: ApiKeyRole): Promise<{ readonly keyId: string; readonly key?: string | undefined }>;
  list(): Promise<readonly ListedKey[]>;
  revoke(keyId: string): Promise<void>;
}

const listedKey = z.object({
  keyId: z.string(),
  name: z.string(),
  role: z.string(),
  createdAt: z.string(),
  revokedAt: z.string().nullable(),
});
type ListedKey = z.infer<typeof listedKey>;

export async function manageApiKeys({ config }: Pick<LoadedConfig, 'config'>, command: ApiKeyCommand): Promise<number> {
  const tenant = parseTenant(command.tenant);
  const run = actionOf(command);
  const server = await findServer(config, command.url);
  if (server !== undefined) {
    const token = await serviceToken(config, { tenant, sub: ACTOR, lifeMs: TOKEN_LIFE_MS });
    await run(keysOverHttp(server, token));
  } else await withFolder(config, tenant, run);
  return EXIT_OK;
}

/** Checked before anything is opened. @throws CliFailure usage */
function actionOf({ action, keyId, name, role }: ApiKeyCommand): (keys: Keys) => Promise<void> {
  switch (action) {
    case 'create': {
      const named = apiKeyName.safeParse(name);
      if (!named.success) throw usage('--name', name, 'what the key is for, in 1 to 100 characters');
      const playing = apiKeyRole.safeParse(role);
      if (!playing.success) throw usage('--role', role, `one of ${apiKeyRole.options.join(', ')}`);
      return async keys => {
        const made = await keys.create(named.data, playing.data);
        process.stderr.write(`Key ${made.keyId}. It is shown this once:\n`);
        process.stdout.write(`${made.key ?? ''}\n`);
      };
    }
    case 'list':
      return async keys => {
        for (const key of await keys.list()) process.stdout.write(`${JSON.stringify(key)}\n`);
      };
    case 'revoke':
      if (keyId === undefined) throw usage('the key id', keyId, 'an id that `verbatim apikey list` shows');
      return async keys => {
        await keys.revoke(keyId);
        process.stderr.write(`Key ${keyId} is revoked; what it had open is closed within five seconds.\n`);
      };
  }
}

function usage(what: string, value: string | undefined, expected: string): CliFailure {
  const said = value === undefined ? 'missing' : JSON.stringify(value.slice(0, 200));
  return new CliFailure('usage', `${what} is ${said}: expected ${expected}.`, EXIT_USAGE);
}

async function withFolder(config: Config, tenant: string, run: (keys: Keys) => Promise<void>): Promise<void> {
  const engine = await openFolder(config, 'apikey');
  try {
    const apiKeys = createApiKeys({ commands: engine.tenants, onChanged: () => undefined });
    const as = { tenant, actor: { id: ACTOR, role: 'service' } } as const;
    await run({
      create: (name, role) => apiKeys.create({ ...as, name, role, commandId: uuidv7() }),
      list: async () => (await apiKeys.list(tenant)).map(listed),
      revoke: async keyId => {
        await apiKeys.revoke({ ...as, keyId });
      },
    });
  } finally {
    await engine.close();
  }
}

function listed({ keyId, name, role, createdAt, revokedAt }: ApiKey): ListedKey {
  const time = (ms: number): string => new Date(ms).toISOString();
  return { keyId, name, role, createdAt: time(createdAt), revokedAt: revokedAt === undefined ? null : time(revokedAt) };
}

function keysOverHttp(server: string, token: string): Keys {
  const ask = async <T>(schema: z.ZodType<T>, path: string, init: RequestInit = {}): Promise<T> => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': uuidv7(),
    };
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const response = await fetch(new URL(path, server), { ...init, headers, signal }).catch((error: unknown) => {
      throw new CliFailure('unavailable', `Nothing answers at ${server} (${whyOf(error)}).`);
    });
    const body: unknown = await response.json().catch(() => undefined);
    const answer = schema.safeParse(body);
    if (response.ok && answer.success) return answer.data;
    throw refusalOf(server, 'the request', response.status, body);
  };
  return {
    create: (name, role) =>
      ask(z.object({ keyId: z.string(), key: z.string() }), '/v1/api-keys', {
        method: 'POST',
        body: JSON.stringify({ name, role }),
      }),
    list: async () => (await ask(z.object({ keys: z.array(listedKey) }), '/v1/api-keys')).keys,
    revoke: async keyId => {
      await ask(listedKey, `/v1/api-keys/${encodeURIComponent(keyId)}`, { method: 'DELETE' });
    },
  };
}
