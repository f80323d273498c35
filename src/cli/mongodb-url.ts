import { CliFailure } from './failure.ts';

/** For `catch` of what opens a MongoDB. Known by its name: the adapter is loaded only where there is one. */
export function refuseBadMongoDbUrl(error: unknown): never {
  if (error instanceof Error && error.name === 'BadMongoDbUrlError')
    throw new CliFailure('bad-config', `MONGODB_URL cannot be used: ${error.message}.`);
  throw error;
}
