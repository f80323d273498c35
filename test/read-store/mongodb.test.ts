import { describe, onTestFinished } from 'vitest';
import { openMongoDbReadStore } from '../../src/read-store/read-store.mongodb.ts';
import type { ReadStore } from '../../src/read-store/read-store.ts';
import { findMongoDb, isRealMongoDb, sharedMongoDb } from '../support/mongodb-server.ts';
import { describeRandomWalks } from './contract-random-walks.ts';
import { describeWalks } from './contract-walks.ts';
import { describeReadStore } from './contract.ts';
import type { ReadStoreContract } from './contract.ts';

/** A slow machine is no failure of the store. */
const TIMEOUT_MS = 30_000;

function contract(naturalOrder: boolean): ReadStoreContract {
  return {
    make: async () => {
      const url = (await sharedMongoDb()).freshUrl();
      const another = async (): Promise<ReadStore> => {
        const store = await openMongoDbReadStore({ url, timeoutMs: TIMEOUT_MS, naturalOrder });
        onTestFinished(() => store.close());
        return store;
      };
      return { store: await another(), another };
    },
    randomRuns: 20,
    copies: false,
    plans: naturalOrder ? 'unchecked' : isRealMongoDb ? 'exact' : 'index',
  };
}

describe.skipIf(!findMongoDb().found)('on a MongoDB', () => {
  describeReadStore('the MongoDB read store', contract(false));

  // What an index of the engine gives must be what a look at every document gives: SecantusDB has holes there.
  describe('the MongoDB read store past its indexes', () => {
    describeWalks(contract(true));
    describeRandomWalks(contract(true));
  });
});
