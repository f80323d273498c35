/** Read models on a MongoDB, as settings: where it is, and how long is waited for it. */
import { MONGODB_LIMITS } from '../read-store/mongodb-limits.ts';
import { connectionString, integer } from './setting.ts';

const MINUTE_MS = 60_000;

/** A part of SETTINGS. */
export const MONGODB_SETTINGS = {
  MONGODB_URL: connectionString({
    group: 'MongoDB',
    absent: 'read models are in DATA_DIR/read-models',
    protocols: ['mongodb', 'mongodb+srv'],
    meaning:
      'The MongoDB (a replica set) that holds the read models, and the keyring of a log that begins with it, in the database it names, else `verbatim`. Holds a password: best MONGODB_URL_FILE.',
    example: 'mongodb://verbatim:changeit@mongodb:27017/verbatim?replicaSet=rs0',
  }),
  MONGODB_TIMEOUT_MS: integer({
    group: 'MongoDB',
    fallback: MONGODB_LIMITS.timeoutMs,
    unit: 'ms',
    min: 100,
    max: 10 * MINUTE_MS,
    meaning: 'One operation on MongoDB is given up after so long, waiting for a primary included.',
    example: '5000',
  }),
  MONGODB_POOL_MAX: integer({
    group: 'MongoDB',
    fallback: MONGODB_LIMITS.poolMax,
    unit: 'connections',
    min: 2,
    max: 1_000,
    meaning: 'Connections to each server of it that one process holds; what finds none waits.',
    example: '32',
  }),
} as const;
