/**
 * The two configurations that Verbatim runs in, for suites that are called once with each: the log embedded in the process,
 * and the EventStoreDB adapter over gRPC before a `verbatim node` that is a process of its own.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { openEventStoreDb } from '../../src/event-store/event-store.eventstoredb.ts';
import type { EventStore } from '../../src/event-store/event-store.ts';
import { startNodeProcess } from './node-process.ts';
import type { NodeProcess } from './node-process.ts';

const CONNECT_TIMEOUT_MS = 30_000;

export interface OpenedStore {
  readonly store: EventStore;
  /** Also removes the log. */
  close(): Promise<void>;
}

export async function openEmbedded(): Promise<OpenedStore> {
  const directory = await mkdtemp(join(tmpdir(), 'verbatim-test-'));
  const store = await openEmbeddedEventStore({ directory });
  return {
    store,
    close: async () => {
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** On an empty log. The node may be killed and started again by the test. */
export async function openOnNode(): Promise<OpenedStore & { readonly node: NodeProcess }> {
  const node = await startNodeProcess();
  const store = openEventStoreDb({ url: node.url });
  await store.connected(CONNECT_TIMEOUT_MS);
  return {
    ...{ store, node },
    close: async () => {
      await store.close();
      await node.dispose();
    },
  };
}
