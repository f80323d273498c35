/** The official client against a node of the benchmark's own, in a process beside it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { startChild } from './child-process.ts';
import type { Child } from './child-process.ts';
import { messageEvent } from './events.ts';
import type { NodeServer } from './node-server.ts';

export interface NodeBench {
  readonly server: Child<NodeServer>;
  readonly address: string;
  /** A client with a connection of its own. */
  connect(): EventStoreDBClient;
  end(): Promise<void>;
}

export async function startNodeBench(): Promise<NodeBench> {
  const folder = mkdtempSync(join(process.cwd(), '.bench-'));
  const server = startChild<NodeServer>('node-server', [folder]);
  const port = await server.ask('port');
  const clients: EventStoreDBClient[] = [];
  return {
    server,
    address: `127.0.0.1:${port}`,
    connect: () => {
      const client = EventStoreDBClient.connectionString(`esdb://127.0.0.1:${port}?tls=false`);
      clients.push(client);
      return client;
    },
    end: async () => {
      for (const client of clients) await client.dispose();
      await server.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const { data, metadata, type } = messageEvent();
const DATA = JSON.parse(Buffer.from(data).toString()) as Record<string, string>;
const METADATA = JSON.parse(Buffer.from(metadata).toString()) as Record<string, string>;

/** The same event as in process, as the official client takes it: with JSON to encode. */
export function clientEvent() {
  return jsonEvent({ type, data: DATA, metadata: METADATA });
}
