/**
 * One way of folding the log, in a process of its own: a bare fold, opening alone, the projector in this thread, or in a
 * thread of its own as `serve` runs it. Arguments: the folder with the filled log and keyring, and one for read models.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { loadConfig } from '../../src/config/config.ts';
import { openProjectionHost } from '../../src/cli/projection-host.ts';
import type { ProjectionHost } from '../../src/cli/projection-host.ts';
import type { ConversationEvent } from '../../src/domain/conversation/events.ts';
import type { Recorded } from '../../src/domain/decider.ts';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import type { RecordedEvent } from '../../src/event-store/event-store.ts';
import { createSealedCodec } from '../../src/keyring/codec.sealed.ts';
import { KeyCache } from '../../src/keyring/key-cache.ts';
import { openEmbeddedKeyring } from '../../src/keyring/keyring.embedded.ts';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import { packEvents, unpackEvents } from '../../src/projections/thread/packed-events.ts';
import { createConversationSerializer } from '../../src/schemas/aggregate-serializers.ts';
import { builtProjectionThread } from './built-thread.ts';
import { answerParent } from './child-process.ts';
import { TENANT } from './conversations.ts';
import { stderrLogger } from './stderr-logger.ts';

export interface RunFigures {
  readonly events: number;
  readonly seconds: number;
  /** Of the whole process, all threads. */
  readonly cpuSeconds: number;
  /** Highest seen: memory that is the process's own, so without the mapped files of lmdb. */
  readonly ownMb: number;
  readonly rssMb: number;
  readonly heapMb: number;
}

export type ProjectRunner = {
  readonly open: () => Promise<RunFigures>;
  readonly fold: () => Promise<RunFigures>;
  readonly begin: (where: 'here' | 'thread') => Promise<RunFigures>;
  readonly rebuild: () => Promise<RunFigures>;
};

const PAGE = 1_000;
const [source = '', target = ''] = process.argv.slice(2);

const store = await openEmbeddedEventStore({ directory: join(source, 'log') });
const keyring = await openEmbeddedKeyring({ directory: join(source, 'keyring'), mayBegin: false });
const { config } = loadConfig({ environment: { DATA_DIR: target } });
const keys = new KeyCache(keyring, { keysMax: config.KEYS_CACHED_MAX });
const serializer = createConversationSerializer({ codec: createSealedCodec({ keyring: keys }) });
let host: ProjectionHost | undefined;

const statusMb = (what: string): number =>
  Number(new RegExp(`^${what}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1_000;

async function measured(run: () => Promise<number>): Promise<RunFigures> {
  let ownMb = 0;
  let rssMb = 0;
  let heapMb = 0;
  const sample = (): void => {
    ownMb = Math.max(ownMb, statusMb('RssAnon'));
    rssMb = Math.max(rssMb, statusMb('VmRSS'));
    heapMb = Math.max(heapMb, process.memoryUsage().heapUsed / 1e6);
  };
  const sampling = setInterval(sample, 50);
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const events = await run();
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  clearInterval(sampling);
  sample();
  return { events, seconds, cpuSeconds: (user + system) / 1e6, ownMb, rssMb, heapMb };
}

/** The log's bytes are views into a buffer that it uses again, so they are copied. */
async function pages(): Promise<RecordedEvent[][]> {
  const read: RecordedEvent[][] = [];
  let page: RecordedEvent[] = [];
  const keep = (): void => {
    if (page.length > 0) read.push(unpackEvents(packEvents(page)));
    page = [];
  };
  for await (const event of store.readAll({ filter: { by: 'stream', prefixes: ['conversation-'] } }))
    if (page.push(event) === PAGE) keep();
  keep();
  return read;
}

interface Bucket {
  messages: unknown[];
}
interface Summary {
  events: number;
  messages: number;
  tags: string[];
  agent: string | undefined;
  at: number;
}

/** The least a fold of two read models can be: no ports, no indexes, no checks, and documents changed in place. */
async function bareFold(opened: readonly Recorded<ConversationEvent>[][]): Promise<number> {
  const root = open({ path: join(target, 'bare'), encoding: 'json', maxDbs: 4 });
  const buckets = root.openDB<Bucket, string>({ name: 'buckets', encoding: 'json' });
  const summaries = root.openDB<Summary, string>({ name: 'summaries', encoding: 'json' });
  let events = 0;
  for (const page of opened) {
    const touchedBuckets = new Map<string, Bucket>();
    const touched = new Map<string, Summary>();
    for (const { event, stream, at, actor } of page) {
      const id = stream.slice(stream.indexOf('.') + 1);
      let summary = touched.get(id);
      if (!summary) {
        summary = summaries.get(id) ?? { events: 0, messages: 0, tags: [], agent: undefined, at: 0 };
        touched.set(id, summary);
      }
      summary.events++;
      summary.at = at;
      if (event.type === 'ConversationAssigned') summary.agent = event.data.agent;
      if (event.type === 'TagAdded') summary.tags.push(event.data.tag);
      if (event.type === 'MessagePosted') {
        summary.messages++;
        const key = `${TENANT}/${id}/${Math.floor(event.data.seq / 100)}`;
        let bucket = touchedBuckets.get(key);
        if (!bucket) touchedBuckets.set(key, (bucket = buckets.get(key) ?? { messages: [] }));
        bucket.messages.push({ seq: event.data.seq, text: event.data.text, from: actor.id, at });
      }
    }
    await root.transaction(() => {
      for (const [key, bucket] of touchedBuckets) void buckets.put(key, bucket);
      for (const [key, summary] of touched) void summaries.put(key, summary);
    });
    events += page.length;
  }
  await root.flushed;
  await root.close();
  return events;
}

/** Until every projection has committed the last event. */
function following(head: number): { readonly done: Promise<void>; readonly note: (name: string, at: number) => void } {
  const left = new Set(PROJECTIONS.map(({ schema }) => schema.name));
  let resolve = (): void => undefined;
  const done = new Promise<void>(given => (resolve = given));
  return {
    done,
    note: (name, at) => {
      if (at < head) return;
      left.delete(name);
      if (left.size === 0) resolve();
    },
  };
}

async function headOf(): Promise<number> {
  for await (const { position } of store.readAll({ direction: 'backwards', maxCount: 1 })) return Number(position);
  return -1;
}

async function eventsOf(): Promise<number> {
  let events = 0;
  for await (const { type } of store.readAll()) events += Math.min(1, type.length);
  return events;
}

const runner: ProjectRunner = {
  open: async () => {
    const read = await pages();
    return measured(async () => {
      let events = 0;
      for (const page of read) events += (await serializer.open(page)).length;
      return events;
    });
  },
  fold: async () => {
    const opened: Recorded<ConversationEvent>[][] = [];
    for (const page of await pages()) opened.push(await serializer.open(page));
    return measured(() => bareFold(opened));
  },
  begin: async where => {
    const events = await eventsOf();
    const { done, note } = following(await headOf());
    const startProjectionThread = await builtProjectionThread();
    const shared = { config, log: 'bench', store, keys, logger: stderrLogger };
    return measured(async () => {
      host =
        where === 'thread'
          ? startProjectionThread({ ...shared, onCheckpoint: note })
          : await openProjectionHost({
              ...shared,
              onCheckpoint: (name, _generation, { position }) => {
                note(name, position);
              },
            });
      await done;
      return events;
    });
  },
  rebuild: async () => {
    const { length } = PROJECTIONS;
    return measured(async () => {
      let events = 0;
      for (const { schema } of PROJECTIONS) events += (await host?.rebuild(schema.name))?.events ?? 0;
      return events / length;
    });
  },
};

answerParent(runner, async () => {
  await host?.stop();
  await store.close();
  await keyring.close();
});
