import { MemoryReadStore } from '../support/memory-read-store.ts';
import { describeReadStore } from './contract.ts';

describeReadStore('the read store in memory', {
  make: () => {
    const store = new MemoryReadStore();
    return Promise.resolve({ store, another: () => Promise.resolve(new MemoryReadStore(store)) });
  },
  randomRuns: 50,
  copies: true,
});
