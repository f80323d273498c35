/** The EventStoreDB adapter before an embedded log that is served in EventStoreDB's protocol, all in this process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { openEventStoreDb } from '../../src/event-store/event-store.eventstoredb.ts';
import type { EventStoreDb, EventStoreDbOptions } from '../../src/event-store/event-store.eventstoredb.ts';
import type { EventStore } from '../../src/event-store/event-store.ts';
import { startNode } from '../../src/event-store/node/node.ts';

export interface ServedLog {
  readonly port: number;
  readonly url: string;
  /** The log itself, without the wire. */
  readonly embedded: () => EventStore;
  /** Ends the node and the log at once, as a crash would for a client. */
  stop(): Promise<void>;
  /** Opens them again, on the same port. */
  start(): Promise<void>;
  /** Moves the log's clock on. */
  advanceMs(ms: number): void;
  /** Stops it and removes the folder. */
  dispose(): Promise<void>;
}

export async function serveLog(): Promise<ServedLog> {
  const directory = await mkdtemp(join(tmpdir(), 'verbatim-served-'));
  let movedMs = 0;
  let port = 0;
  let stop = (): Promise<void> => Promise.resolve();
  let embedded: EventStore | undefined;
  const start = async (): Promise<void> => {
    const store = await openEmbeddedEventStore({ directory, now: () => Date.now() + movedMs });
    embedded = store;
    const node = await startNode({ store, port });
    port = node.port;
    stop = async () => {
      stop = () => Promise.resolve();
      await node.close(0);
      await store.close();
    };
  };
  await start();
  return {
    port,
    url: `esdb://127.0.0.1:${port}?tls=false`,
    embedded: () => {
      if (!embedded) throw new Error('The log is open from the start.');
      return embedded;
    },
    stop: () => stop(),
    start,
    advanceMs: ms => {
      movedMs += ms;
    },
    dispose: async () => {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** An adapter on it, connected. */
export async function connect(url: string, options: Omit<EventStoreDbOptions, 'url'> = {}): Promise<EventStoreDb> {
  const store = openEventStoreDb({ url, ...options });
  await store.connected(10_000);
  return store;
}
