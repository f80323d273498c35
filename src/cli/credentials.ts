/** Whose word a server takes: tokens of its own secret or of a key set, and API keys. */
import { setTimeout } from 'node:timers/promises';
import { KeyDirectory } from '../auth/key-directory.ts';
import { openKeySet } from '../auth/key-sets.ts';
import { rememberTokens } from '../auth/remembered-tokens.ts';
import { createTokenVerifier } from '../auth/tokens.ts';
import type { VerifyToken } from '../auth/tokens.ts';
import { createApiKeys } from '../commands/api-keys.ts';
import type { ApiKeys } from '../commands/api-keys.ts';
import { readTenant } from '../commands/tenant-commands.ts';
import type { Config } from '../config/settings.ts';
import type { Logger } from '../telemetry/logger.ts';
import { systemClock } from './engine.ts';
import type { Engine } from './engine.ts';
import { openTokenSecret } from './secrets.ts';
import type { TokenSecret } from './secrets.ts';

/** The secret stays the same while the server runs; a key of a set may be withdrawn. */
const KEY_SET_TOKEN_KEPT_MS = 30_000;

export interface Credentials {
  readonly verifyToken: VerifyToken;
  readonly apiKeys: ApiKeys;
  readonly keyDirectory: KeyDirectory;
  /** Present only where it was made by the data folder itself. */
  readonly selfMadeSecret: TokenSecret | undefined;
  close(): Promise<void>;
}

/** @throws CliFailure, UnavailableError */
export async function openCredentials(
  config: Config,
  engine: Engine,
  logger: Logger,
  onErased: (tenant: string, subject: string) => void,
): Promise<Credentials> {
  const conditions = { clock: systemClock, issuer: config.JWT_ISSUER, audience: config.JWT_AUDIENCE };
  const { JWKS_URL: url } = config;
  const secret = url === undefined ? await openTokenSecret(config) : undefined;
  const checkToken = secret
    ? createTokenVerifier({ secret: secret.bytes, ...conditions })
    : await openKeySet({ url: url ?? '', ...conditions });
  const keptMs = secret ? Infinity : KEY_SET_TOKEN_KEPT_MS;
  const verifyToken = rememberTokens(checkToken, {
    clock: systemClock,
    tokensMax: config.TOKENS_REMEMBERED_MAX,
    keptMs,
  });
  const { store, tenantSerializer } = engine;
  const keyDirectory = new KeyDirectory({
    ...{ store, logger, onErased },
    open: batch => tenantSerializer.open(batch),
    readTenant: tenant => readTenant(store, tenantSerializer, tenant),
    delay: (ms, signal) => setTimeout(ms, undefined, { signal }).catch(() => undefined),
  });
  await keyDirectory.start();
  return {
    verifyToken: keyDirectory.verifier(verifyToken),
    apiKeys: createApiKeys({
      commands: engine.tenants,
      onChanged: (tenant, revoked) => {
        keyDirectory.note(tenant, revoked);
      },
    }),
    keyDirectory,
    selfMadeSecret: secret?.selfMade === true ? secret : undefined,
    close: () => keyDirectory.stop(),
  };
}
