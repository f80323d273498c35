import { afterAll } from 'vitest';
import { eventStoreContract, type ContractStore } from './contract.ts';
import { connect, serveLog } from './served-store.ts';
import type { ServedLog } from './served-store.ts';

const logs: ServedLog[] = [];
afterAll(async () => {
  for (const log of logs) await log.dispose();
});

async function served(): Promise<ContractStore> {
  const log = await serveLog();
  logs.push(log);
  const store = await connect(log.url);
  return {
    store,
    advanceMs: ms => log.advanceMs(ms),
    reopen: async () => {
      await store.close();
      await log.stop();
      await log.start();
      return connect(log.url);
    },
  };
}

eventStoreContract('EventStoreDB, over gRPC to a node of ours', served);

const { EVENTSTORE_URL } = process.env;
if (EVENTSTORE_URL !== undefined && EVENTSTORE_URL !== '')
  eventStoreContract('EventStoreDB, the one that EVENTSTORE_URL names', async () => ({
    store: await connect(EVENTSTORE_URL),
  }));
