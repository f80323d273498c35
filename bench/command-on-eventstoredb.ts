/**
 * How fast are commands through the handler on the EventStoreDB adapter, beside the bare official client appending the
 * same bytes? Both against one node in a process of its own, in turns, with as many writers, each writing one stream of
 * 100 events after the other, with exact expected revisions. The adapter alone stands between, to tell it from the handler.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { jsonEvent, NO_STREAM } from '@eventstore/db-client';
import { createConversationCommands } from '../src/commands/conversation-commands.ts';
import { createTenantKeys } from '../src/commands/derived-ids.ts';
import { openEventStoreDb } from '../src/event-store/event-store.eventstoredb.ts';
import type { EventData, EventStore } from '../src/event-store/event-store.ts';
import { createSealedCodec } from '../src/keyring/codec.sealed.ts';
import { KeyCache } from '../src/keyring/key-cache.ts';
import { openEmbeddedKeyring } from '../src/keyring/keyring.embedded.ts';
import { createConversationSerializer } from '../src/schemas/aggregate-serializers.ts';
import { machineLine, versionOf } from './support/machine.ts';
import { startNodeBench } from './support/node-client.ts';
import { median, round, table } from './support/stats.ts';

const WRITERS = Number(process.env.WRITERS ?? 64);
const ROUNDS = Number(process.env.ROUNDS ?? 7);
const RUN_MS = Number(process.env.SECONDS ?? 2) * 1_000;
const TENANT = 'default';
/** Of some 200 bytes, as people write. */
const TEXT = 'I built the vanilla kernel and it panics on boot: it does not recognise its root file system. '.repeat(2);
const EVENTS_A_STREAM = 100;

type Append = (stream: string, revision: number) => Promise<unknown>;

const folder = mkdtempSync(join(process.cwd(), '.bench-'));
const bench = await startNodeBench();
const client = bench.connect();
const store = openEventStoreDb({ url: `esdb://${bench.address}?tls=false` });
await store.connected(10_000);
const keyring = new KeyCache(await openEmbeddedKeyring({ directory: folder, mayBegin: true }), { keysMax: 100_000 });
const serializer = createConversationSerializer({ codec: createSealedCodec({ keyring }) });
let written: EventData | undefined;
const remembering = new Proxy<EventStore>(store, {
  get: (target, name) => {
    if (name !== 'append') return Reflect.get(target, name, target) as unknown;
    return (...append: Parameters<EventStore['append']>) => {
      written = append[1].at(-1);
      return target.append(...append);
    };
  },
});
const handlerOver = (to: EventStore) =>
  createConversationCommands({
    ...{ store: to, serializer, clock: { now: () => Date.now() } },
    keys: createTenantKeys({ rootSecret: randomBytes(32) }),
  });
const actor = { id: 'agent-1', role: 'agent' } as const;

function commandOn(commands: ReturnType<typeof handlerOver>): Append {
  return (id, revision) => {
    const start = { type: 'StartConversation', data: { channel: 'web', visitor: randomUUID() } } as const;
    const post = { type: 'PostMessage', data: { text: TEXT } } as const;
    return commands.handle({
      tenant: TENANT,
      id,
      actor,
      commandId: randomUUID(),
      command: revision === 0 ? start : post,
    });
  };
}

const learning = commandOn(handlerOver(remembering));
const learned = randomUUID();
for (let revision = 0; revision < 2; revision += 1) await learning(learned, revision);
if (written === undefined) throw new Error('No command was appended.');
const { type, data, metadata } = written;
const [dataJson, metadataJson] = [data, metadata].map(
  bytes => JSON.parse(Buffer.from(bytes).toString()) as Record<string, string>,
);
const commands = handlerOver(store);

const SYSTEMS: Readonly<Record<string, Append>> = {
  'official client, bare': (id, revision) =>
    client.appendToStream(
      `bare-${TENANT}.${id}`,
      jsonEvent({ id: randomUUID(), type, data: dataJson ?? {}, metadata: metadataJson ?? {} }),
      { expectedRevision: revision === 0 ? NO_STREAM : BigInt(revision - 1) },
    ),
  'our adapter, bare': (id, revision) =>
    store.append(
      `adapter-${TENANT}.${id}`,
      [{ id: randomUUID(), type, data, metadata, contentType: 'application/json' }],
      {
        expectedRevision: revision === 0 ? 'no-stream' : BigInt(revision - 1),
      },
    ),
  'commands on our adapter': commandOn(commands),
};

interface Writer {
  id: string;
  next: number;
}

/** Each system's writers go on where they were in the turn before. */
const writers = new Map<Append, Writer[]>();

async function run(append: Append): Promise<{ rate: number; clientUs: number; serverUs: number }> {
  const mine = writers.get(append) ?? Array.from({ length: WRITERS }, () => ({ id: randomUUID(), next: 0 }));
  writers.set(append, mine);
  await bench.server.ask('begin');
  const cpu = process.cpuUsage();
  const begunMs = performance.now();
  let appended = 0;
  const write = async (writer: Writer): Promise<void> => {
    for (; performance.now() - begunMs < RUN_MS; appended += 1) {
      if (writer.next === EVENTS_A_STREAM) Object.assign(writer, { id: randomUUID(), next: 0 });
      await append(writer.id, writer.next);
      writer.next += 1;
    }
  };
  await Promise.all(mine.map(write));
  const seconds = (performance.now() - begunMs) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const server = await bench.server.ask('end');
  return { rate: appended / seconds, clientUs: (user + system) / appended, serverUs: server / appended };
}

const found: Record<string, Awaited<ReturnType<typeof run>>[]> = {};
try {
  // The first round warms up.
  for (let turn = 0; turn <= ROUNDS; turn += 1)
    for (const [name, append] of Object.entries(SYSTEMS)) {
      const figures = await run(append);
      console.error(`round ${turn}, ${name}: ${round(figures.rate)}/s, ${round(figures.clientUs)} us`);
      if (turn > 0) (found[name] ??= []).push(figures);
    }
} finally {
  await store.close();
  await bench.end();
  await keyring.close();
  rmSync(folder, { recursive: true, force: true });
}

const bare = Object.values(found)[0] ?? [];
const rows = Object.entries(found).map(([name, turns]) => [
  name,
  round(median(turns.map(({ rate }) => rate))),
  round(median(turns.map(({ rate }, i) => rate / (bare[i]?.rate ?? rate))), 2),
  round(median(turns.map(({ clientUs }) => clientUs))),
  round(median(turns.map(({ serverUs }) => serverUs))),
]);
console.log(`command-on-eventstoredb: ${WRITERS} writers, ${ROUNDS} rounds of ${RUN_MS / 1_000} s, ${machineLine()},`);
console.log(
  `@eventstore/db-client ${versionOf('@eventstore/db-client')}; an event has ${data.length + metadata.length} bytes\n`,
);
console.log(table(['', 'a second', 'ratio to the bare client', 'client CPU us each', 'node CPU us each'], rows));
