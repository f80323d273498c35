/** The read store, wherever the settings say it is: in the data folder, or on MongoDB. Nobody else asks which. */
import { join } from 'node:path';
import type { Config } from '../config/settings.ts';
import { openEmbeddedReadStore } from '../read-store/read-store.embedded.ts';
import type { ReadStore } from '../read-store/read-store.ts';
import { refuseBadMongoDbUrl } from './mongodb-url.ts';

/** Of DATA_DIR. Everything in it is folded from the log again where it is missing. */
const READ_MODELS_FOLDER = 'read-models';

/** The store may be away: then what is asked of it says so. @throws CliFailure for a bad MONGODB_URL */
export async function openReadStore(config: Config): Promise<ReadStore> {
  if (config.MONGODB_URL === undefined)
    return openEmbeddedReadStore({ directory: join(config.DATA_DIR, READ_MODELS_FOLDER) });
  // Loaded here, since the driver is a good part of a second that no start without it is to wait for.
  const { openMongoDbReadStore } = await import('../read-store/read-store.mongodb.ts');
  return openMongoDbReadStore({
    url: config.MONGODB_URL,
    timeoutMs: config.MONGODB_TIMEOUT_MS,
    poolMax: config.MONGODB_POOL_MAX,
  }).catch(refuseBadMongoDbUrl);
}
