/** The projector with what it needs: in the thread it is called in. `serve` calls it in a thread of its own. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/settings.ts';
import { createSealedCodec } from '../keyring/codec.sealed.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { createProjector } from '../projections/projector.ts';
import type { CheckpointListener, ProjectionWork } from '../projections/projector.ts';
import { PROJECTIONS } from '../projections/projections.ts';
import type { ProjectedKeys, ProjectedLog } from '../projections/thread/log-calls.ts';
import { createConversationSerializer, createTenantSerializer } from '../schemas/aggregate-serializers.ts';
import type { Logger } from '../telemetry/logger.ts';
import { openReadStore } from './read-store.ts';

/** What projects, and can be stopped. */
export interface ProjectionHost extends ProjectionWork {
  /** Ends at the next commit; what is not committed is folded again at the next start. */
  stop(): Promise<void>;
}

export interface ProjectionHostOptions {
  readonly config: Config;
  /** The log's own id. */
  readonly log: string;
  readonly store: ProjectedLog;
  readonly keys: ProjectedKeys;
  readonly logger: Logger;
  readonly onCheckpoint: CheckpointListener;
}

export async function openProjectionHost(options: ProjectionHostOptions): Promise<ProjectionHost> {
  const { config, log, store, logger, onCheckpoint } = options;
  // Not cached here: a key that was destroyed while another process projected would never be forgotten. Each batch asks once.
  const keyring = readingKeyring(options.keys);
  const codec = createSealedCodec({ keyring });
  const conversations = createConversationSerializer({ codec });
  const tenants = createTenantSerializer({ codec });
  const readStore = await openReadStore(config);
  const projector = createProjector({
    ...{ projections: PROJECTIONS, store, readStore, log, logger, keys: keyring },
    open: batch => conversations.open(batch),
    openTenant: batch => tenants.open(batch),
    clock: { now: () => Date.now() },
    delay: async (ms, signal) => {
      await delay(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    },
    random: Math.random,
    limits: {
      batchEventsMax: config.PROJECTION_BATCH_EVENTS_MAX,
      batchBytesMax: config.PROJECTION_BATCH_BYTES_MAX,
      retryDelayMsMax: config.PROJECTION_RETRY_MS_MAX,
      standbyMs: config.PROJECTION_STANDBY_MS,
      dropGraceMs: config.PROJECTION_DROP_GRACE_MS,
      parkedMax: config.PARKED_DOCUMENTS_MAX,
    },
  });
  projector.onCheckpoint(onCheckpoint);
  await projector.start();
  return {
    rebuild: (name, work) => projector.rebuild(name, work),
    verify: (name, work) => projector.verify(name, work),
    status: () => projector.status(),
    stop: async () => {
      await projector.stop();
      await readStore.close();
    },
  };
}

/** Keys that are only read and destroyed: projecting seals nothing. */
function readingKeyring(keys: ProjectedKeys): Keyring {
  const refuse = (): never => {
    throw new Error('A projector makes no keys.');
  };
  return {
    find: subjects => keys.find(subjects),
    destroy: subjects => keys.destroy(subjects),
    obtain: refuse,
    tenants: refuse,
    close: () => Promise.resolve(),
  };
}
