import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { specifyHandler } from './handler-specification.ts';

specifyHandler('the embedded event store', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'verbatim-test-'));
  const store = await openEmbeddedEventStore({ directory });
  return {
    store,
    close: async () => {
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
});
