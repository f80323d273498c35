/** The log in the data folder, opened as the settings say. */
import { join } from 'node:path';
import type { Config } from '../config/settings.ts';
import { openEmbeddedEventStore } from '../event-store/event-store.embedded.ts';
import type { EventStore } from '../event-store/event-store.ts';
import type { Logger } from '../telemetry/logger.ts';

/** Reading so much of the log at the start takes no time that anyone would ask about. */
const QUIET_BYTES_MAX = 16_777_216;

/** Its folder is locked by the caller. @throws CorruptLogError, UnavailableError */
export function openEmbeddedLog(config: Config, logger: Logger): Promise<EventStore> {
  return openEmbeddedEventStore({
    directory: join(config.DATA_DIR, 'log'),
    segmentBytes: config.SEGMENT_BYTES,
    tailBytesMax: config.LOG_TAIL_BYTES_MAX,
    queueBytesMax: config.APPEND_QUEUE_BYTES_MAX,
    streamsCachedMax: config.STREAMS_CACHED_MAX,
    recentIdsMax: config.RECENT_IDS_MAX,
    indexFlushMs: config.INDEX_FLUSH_MS,
    indexFlushRowsMax: config.INDEX_FLUSH_ROWS_MAX,
    onProgress: progress => {
      logger[progress.total > QUIET_BYTES_MAX ? 'info' : 'debug']('rebuilding the index of the log', { ...progress });
    },
    onError: error => {
      logger.error('trouble in the event store; it goes on', { error });
    },
  });
}
