/** The log, wherever the settings say it is: in the data folder, or on an EventStoreDB. Nobody else asks which. */
import type { Config } from '../config/settings.ts';
import type { EmbeddedEventStore } from '../event-store/event-store.embedded.ts';
import type { EventStoreDb, EventStoreDbOptions } from '../event-store/event-store.eventstoredb.ts';
import type { EventStore } from '../event-store/event-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import { openEmbeddedLog } from './embedded-log.ts';
import { CliFailure } from './failure.ts';

export interface OpenedEventStore {
  readonly store: EventStore;
  /** Why it takes no events now, as far as is known; undefined while it does. */
  readonly trouble: () => string | undefined;
  /** The same store, where it has files of its own in the data folder. */
  readonly embedded: EmbeddedEventStore | undefined;
}

const NOT_WRITABLE = 'The log cannot be written: commands are refused, readers are served.';

export interface StoreWaiting {
  /** How long a store that is away is waited for. */
  readonly waitMs: number;
  /** Told when there is something to wait for: `trouble` says why at any time. */
  readonly onWaiting?: (trouble: () => string | undefined) => void;
}

/** @throws CorruptLogError, UnavailableError, CliFailure for a bad EVENTSTORE_URL */
export async function openEventStore(
  config: Config,
  logger: Logger,
  { waitMs, onWaiting = () => undefined }: StoreWaiting,
): Promise<OpenedEventStore> {
  const { EVENTSTORE_URL: url } = config;
  if (url === undefined) {
    const embedded = await openEmbeddedLog(config, logger);
    const trouble = (): string | undefined => (embedded.stats().takesAppends ? undefined : NOT_WRITABLE);
    return { store: embedded, embedded, trouble };
  }
  const trouble = (): string | undefined => store?.trouble();
  let isConnected = false;
  const connect = await connector(config, url);
  const store: EventStoreDb | undefined = connect(change => {
    if (change.kind === 'connected')
      logger.info('connected to EventStoreDB', { node: change.node, version: change.version });
    else {
      logger.warn('EventStoreDB is away; trying again until it is there', { reason: change.reason });
      if (!isConnected) onWaiting(trouble);
    }
  });
  try {
    await store.connected(waitMs);
    isConnected = true;
    return { store, trouble, embedded: undefined };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function connector(
  config: Config,
  url: string,
): Promise<(onChange: NonNullable<EventStoreDbOptions['onChange']>) => EventStoreDb> {
  // Loaded here, since gRPC is a good part of a second that no start without it is to wait for.
  const { BadConnectionStringError, openEventStoreDb } = await import('../event-store/event-store.eventstoredb.ts');
  return onChange => {
    try {
      return openEventStoreDb({
        url,
        onChange,
        deadlineMs: config.EVENTSTORE_DEADLINE_MS,
        appendTimeoutMs: config.EVENTSTORE_APPEND_TIMEOUT_MS,
        retriesMax: config.EVENTSTORE_RETRIES_MAX,
        readsInFlightMax: config.EVENTSTORE_READS_IN_FLIGHT_MAX,
        queueBytesMax: config.APPEND_QUEUE_BYTES_MAX,
      });
    } catch (error) {
      if (!(error instanceof BadConnectionStringError)) throw error;
      throw new CliFailure('bad-config', `EVENTSTORE_URL cannot be used: ${error.message}.`);
    }
  };
}
