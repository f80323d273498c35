/** The keyring, wherever it is: in the data folder, or on the MongoDB that several nodes share. Nobody else asks which. */
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import type { Config } from '../config/settings.ts';
import { UnavailableError } from '../errors.ts';
import { hasEmbeddedKeyring, openEmbeddedKeyring } from '../keyring/keyring.embedded.ts';
import type { CopiedKeyring } from '../keyring/keyring.embedded.ts';
import type { MongoDbKeyring, MongoDbKeyringOptions } from '../keyring/keyring.mongodb.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { StoreWaiting } from './event-store.ts';
import { refuseBadMongoDbUrl } from './mongodb-url.ts';

export interface OpenedKeyring {
  readonly keyring: Keyring;
  /** The same, where its file is in the data folder. */
  readonly embedded: CopiedKeyring | undefined;
  /** Makes it this log's, as soon as the log has begun; in the data folder it is by being there. @throws KeyringOfAnotherLogError, UnavailableError */
  readonly bind: (log: string) => Promise<void>;
}

export type KeyringUse = Pick<MongoDbKeyringOptions, 'mayBegin' | 'isOurs'>;

/** Between looks at a MongoDB that is away. */
const RETRY_MS = 1_000;

/**
 * A keyring that is in the data folder already stays there, whatever else is set: keys are never in two places.
 *
 * @throws KeyringMissingError, KeyringOfAnotherLogError, KeyringDamagedError, CliFailure for a bad MONGODB_URL; UnavailableError where MongoDB is away for longer than is waited
 */
export async function openKeyring(
  config: Config,
  use: KeyringUse,
  logger: Logger,
  waiting: StoreWaiting,
): Promise<OpenedKeyring> {
  const directory = join(config.DATA_DIR, 'keyring');
  if (config.MONGODB_URL === undefined || (await hasEmbeddedKeyring(directory))) {
    if (config.MONGODB_URL !== undefined)
      logger.warn('the keyring of this log is in the data folder, so no other node can open what is personal in it', {
        directory,
      });
    const embedded = await openEmbeddedKeyring({ directory, mayBegin: use.mayBegin });
    return { keyring: embedded, embedded, bind: () => Promise.resolve() };
  }
  const keyring = await openOnMongoDb(config, config.MONGODB_URL, use, logger, waiting);
  return { keyring, embedded: undefined, bind: log => keyring.bind(log) };
}

async function openOnMongoDb(
  config: Config,
  url: string,
  use: KeyringUse,
  logger: Logger,
  { waitMs, onWaiting }: StoreWaiting,
): Promise<MongoDbKeyring> {
  const { openMongoDbKeyring } = await import('../keyring/keyring.mongodb.ts');
  const options = { ...use, url, timeoutMs: config.MONGODB_TIMEOUT_MS, poolMax: config.MONGODB_POOL_MAX };
  const begun = performance.now();
  for (let tries = 1; ; tries++)
    try {
      return await openMongoDbKeyring(options);
    } catch (error) {
      if (!(error instanceof UnavailableError) || performance.now() - begun + RETRY_MS > waitMs)
        return refuseBadMongoDbUrl(error);
      if (tries === 1) {
        logger.warn('MongoDB is away; trying again until it is there, for the keys of persons are on it', { error });
        onWaiting?.(() => 'MongoDB is away, and the keys of persons are on it.');
      }
      await delay(RETRY_MS);
    }
}
