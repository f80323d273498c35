import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { MemoryEventStore } from '../support/memory-event-store.ts';
import { eventStoreContract, type ContractStore } from './contract.ts';

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

/** @param settings the bounds that make a log of its own kind: of many segments, or with hardly any memory */
async function embedded(settings: Partial<Parameters<typeof openEmbeddedEventStore>[0]> = {}): Promise<ContractStore> {
  const directory = await mkdtemp(join(tmpdir(), 'verbatim-contract-'));
  folders.push(directory);
  let movedMs = 0;
  const options = { directory, now: () => Date.now() + movedMs, ...settings };
  const store = await openEmbeddedEventStore(options);
  return {
    store,
    advanceMs: ms => {
      movedMs += ms;
    },
    reopen: async () => {
      await store.close();
      return openEmbeddedEventStore(options);
    },
  };
}

eventStoreContract('embedded', () => embedded());
eventStoreContract('embedded, in small segments, with hardly any memory', () =>
  embedded({ segmentBytes: 20_000, tailBytesMax: 1, streamsCachedMax: 2, indexFlushMs: 5, indexFlushRowsMax: 50 }),
);
eventStoreContract(
  'in memory, the double of other tests',
  async () => {
    let movedMs = 0;
    const store = new MemoryEventStore(() => Date.now() + movedMs);
    return {
      store,
      advanceMs: ms => {
        movedMs += ms;
      },
    };
  },
  { except: ['requests'] },
);
