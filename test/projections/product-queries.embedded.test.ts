import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedReadStore } from '../../src/read-store/read-store.embedded.ts';
import { productQueryContract } from './product-queries-contract.ts';

productQueryContract('embedded', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'verbatim-test-'));
  const readStore = await openEmbeddedReadStore({ directory });
  return {
    readStore,
    close: async () => {
      await readStore.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
});
