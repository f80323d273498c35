/** The log on an EventStoreDB, as settings: where it is, and how long is waited for it. */
import { EVENTSTOREDB_LIMITS } from '../event-store/eventstoredb-limits.ts';
import { connectionString, integer } from './setting.ts';

const MINUTE_MS = 60_000;

/** A part of SETTINGS. */
export const EVENT_STORE_SETTINGS = {
  EVENTSTORE_URL: connectionString({
    group: 'EventStoreDB',
    absent: 'the log is in DATA_DIR/log',
    protocols: ['esdb', 'esdb+discover'],
    meaning:
      'The EventStoreDB (22.10 or later) that holds the log. Keyring and secrets stay in DATA_DIR. Holds a password: best EVENTSTORE_URL_FILE.',
    example: 'esdb://admin:changeit@eventstore:2113?tls=true',
  }),
  EVENTSTORE_DEADLINE_MS: integer({
    group: 'EventStoreDB',
    fallback: EVENTSTOREDB_LIMITS.deadlineMs,
    unit: 'ms',
    min: 100,
    max: MINUTE_MS,
    meaning: 'One call to EventStoreDB is given up after so long, and tried again.',
    example: '5000',
  }),
  EVENTSTORE_APPEND_TIMEOUT_MS: integer({
    group: 'EventStoreDB',
    fallback: EVENTSTOREDB_LIMITS.appendTimeoutMs,
    unit: 'ms',
    min: 100,
    max: 10 * MINUTE_MS,
    meaning: 'An append that all tries together have not brought through by then is answered `unavailable`.',
    example: '15000',
  }),
  EVENTSTORE_RETRIES_MAX: integer({
    group: 'EventStoreDB',
    fallback: EVENTSTOREDB_LIMITS.retriesMax,
    unit: 'tries',
    min: 0,
    max: 1_000,
    meaning: 'Further tries of a call that failed for a reason that may pass.',
    example: '5',
  }),
  EVENTSTORE_READS_IN_FLIGHT_MAX: integer({
    group: 'EventStoreDB',
    fallback: EVENTSTOREDB_LIMITS.readsInFlightMax,
    unit: 'reads',
    min: 1,
    max: 1_000,
    meaning: 'Reads of EventStoreDB under way at once; others wait. Servers allow some 100 a connection.',
    example: '64',
  }),
} as const;
