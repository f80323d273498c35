import { onTestFinished } from 'vitest';
import { openEmbeddedReadStore } from '../../src/read-store/read-store.embedded.ts';
import type { ReadStore } from '../../src/read-store/read-store.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { describeReadStore } from './contract.ts';

describeReadStore('the embedded read store', {
  make: async () => {
    const directory = await tempFolder();
    const another = async (): Promise<ReadStore> => {
      const store = await openEmbeddedReadStore({ directory });
      onTestFinished(() => store.close());
      return store;
    };
    return { store: await another(), another };
  },
  randomRuns: 200,
  copies: true,
});
