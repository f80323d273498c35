import { describe } from 'vitest';
import { openMongoDbReadStore } from '../../src/read-store/read-store.mongodb.ts';
import { findMongoDb, isRealMongoDb, sharedMongoDb } from '../support/mongodb-server.ts';
import { productQueryContract } from './product-queries-contract.ts';

const TIMEOUT_MS = 30_000;
/** SecantusDB writes a few hundred documents a second. */
const CONVERSATIONS = 30;

describe.skipIf(!findMongoDb().found)('on a MongoDB', () => {
  for (const naturalOrder of [false, true])
    productQueryContract(
      naturalOrder ? 'past the indexes' : 'by the indexes',
      async () => {
        const { url, drop } = (await sharedMongoDb()).database();
        const readStore = await openMongoDbReadStore({ url, timeoutMs: TIMEOUT_MS, naturalOrder });
        return {
          readStore,
          close: async () => {
            await readStore.close();
            await drop();
          },
        };
      },
      { conversations: CONVERSATIONS, plans: naturalOrder ? 'unchecked' : isRealMongoDb ? 'exact' : 'index' },
    );
});
