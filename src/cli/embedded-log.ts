/** The log in the data folder: opened as the settings say, and refused where it is not whole yet or not there. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/settings.ts';
import { isBeingRestored } from '../data-folder/restore.ts';
import { openEmbeddedEventStore } from '../event-store/event-store.embedded.ts';
import type { EmbeddedEventStore } from '../event-store/event-store.embedded.ts';
import type { Logger } from '../telemetry/logger.ts';
import { CliFailure } from './failure.ts';

/** Reading so much of the log at the start takes no time that anyone would ask about. */
const QUIET_BYTES_MAX = 16_777_216;

/** Its folder is locked by the caller. @throws CorruptLogError, UnavailableError */
export function openEmbeddedLog(config: Config, logger: Logger): Promise<EmbeddedEventStore> {
  return openEmbeddedEventStore({
    directory: join(config.DATA_DIR, 'log'),
    segmentBytes: config.SEGMENT_BYTES,
    tailBytesMax: config.LOG_TAIL_BYTES_MAX,
    queueBytesMax: config.APPEND_QUEUE_BYTES_MAX,
    streamsCachedMax: config.STREAMS_CACHED_MAX,
    recentIdsMax: config.RECENT_IDS_MAX,
    indexFlushMs: config.INDEX_FLUSH_MS,
    indexFlushRowsMax: config.INDEX_FLUSH_ROWS_MAX,
    indexPendingRowsMax: config.INDEX_PENDING_ROWS_MAX,
    onProgress: progress => {
      logger[progress.total > QUIET_BYTES_MAX ? 'info' : 'debug']('rebuilding the index of the log', { ...progress });
    },
    onError: error => {
      logger.error('trouble in the event store; it goes on', { error });
    },
  });
}

/** Until a restore has ended nothing but that restore works on the folder, whose lock the caller has. @throws CliFailure */
export function expectRestored(directory: string): void {
  if (!isBeingRestored(directory)) return;
  throw new CliFailure(
    'restore-not-ended',
    `A backup was being restored into ${directory}, and that did not end: run \`verbatim restore\` again.`,
  );
}

/** For commands that work on a log's own files. @throws CliFailure */
export function expectEmbeddedLog({ EVENTSTORE_URL, DATA_DIR }: Config): void {
  expectLogInFolder({ EVENTSTORE_URL });
  if (!existsSync(join(DATA_DIR, 'log', 'segments')))
    throw new CliFailure('no-log', `${DATA_DIR} holds no log: name its folder with DATA_DIR or --data-dir.`);
}

/** @throws CliFailure where the settings say that the log is elsewhere */
export function expectLogInFolder({ EVENTSTORE_URL }: Pick<Config, 'EVENTSTORE_URL'>): void {
  if (EVENTSTORE_URL === undefined) return;
  throw new CliFailure(
    'no-log',
    'EVENTSTORE_URL is set, so the log is on an EventStoreDB, which has tools of its own for this: this command works on a log in a data folder.',
  );
}
