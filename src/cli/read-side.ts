/** The read side of a server: a projector in a thread of its own, and the read models that queries ask. */
import type { Config } from '../config/settings.ts';
import { lastEvent } from '../projections/lag.ts';
import { PROJECTIONS } from '../projections/projections.ts';
import type { ProjectionWork } from '../projections/projector.ts';
import { createReadModels } from '../projections/read-models.ts';
import type { ReadModels } from '../projections/read-models.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Engine } from './engine.ts';
import { systemClock } from './engine.ts';
import type { ProjectionHost } from './projection-host.ts';
import { startProjectionThread } from './projection-thread.ts';
import type { ProjectionThreadOptions } from './projection-thread.ts';
import { openReadStore } from './read-store.ts';

/** Starts what projects. `serve`: a thread. */
export type StartProjections = (options: ProjectionThreadOptions) => ProjectionHost | Promise<ProjectionHost>;

export interface ReadSide {
  readonly readModels: ReadModels;
  readonly projections: ProjectionWork;
  /** Ends projecting; then nothing reads or writes the read store any more. */
  close(): Promise<void>;
}

export async function openReadSide(
  config: Config,
  { store, keys, log }: Pick<Engine, 'store' | 'keys' | 'log'>,
  logger: Logger,
  startProjections: StartProjections = startProjectionThread,
): Promise<ReadSide> {
  const readStore = await openReadStore(config);
  const head = async (): Promise<number> => {
    const last = await lastEvent(store);
    return last?.position ?? 0;
  };
  const end = async (): Promise<number> => {
    for await (const { position } of store.readAll({ direction: 'backwards', maxCount: 1 })) return Number(position);
    return 0;
  };
  const readModels = createReadModels({
    ...{ readStore, projections: PROJECTIONS, head, end, log, clock: systemClock },
    limits: { waitMsMax: config.QUERY_WAIT_MS_MAX, waitingMax: config.QUERIES_WAITING_MAX },
  });
  const projections = await startProjections({
    ...{ config, log, store, keys, logger },
    onCheckpoint: (name, position) => {
      readModels.noteCheckpoint(name, position);
    },
  });
  return {
    ...{ readModels, projections },
    close: async () => {
      await projections.stop();
      await readStore.close();
    },
  };
}
