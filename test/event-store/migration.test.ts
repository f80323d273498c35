import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { UnavailableError } from '../../src/errors.ts';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import type { EventStore, RecordedEvent } from '../../src/event-store/event-store.ts';
import { migrateLog } from '../../src/event-store/migration/migration.ts';
import type { MigrationResult } from '../../src/event-store/migration/migration.ts';
import { collect, failure, newEvent, newEvents, newStream, range, revisions } from './events.ts';
import { connect, serveLog } from './served-store.ts';
import { tempFolder } from '../support/temp-folder.ts';

const RENEWAL = 'verbatimLog-system.id';

function migrate(source: EventStore, target: EventStore): Promise<MigrationResult> {
  return migrateLog(source, target, {
    renew: async store => {
      await store.append(RENEWAL, [newEvent({}, { type: 'LogIdentified' })], { expectedRevision: 'any' });
    },
    isRenewal: ({ stream }) => stream === RENEWAL,
    onProgress: () => undefined,
  });
}

async function embedded(): Promise<EventStore> {
  const directory = await mkdtemp(join(tmpdir(), 'verbatim-migration-'));
  const store = await openEmbeddedEventStore({ directory });
  onTestFinished(async () => {
    await store.close();
    await rm(directory, { recursive: true, force: true });
  });
  return store;
}

/** On a node of its own, through the adapter. */
async function served(): Promise<EventStore> {
  const log = await serveLog();
  const store = await connect(log.url);
  onTestFinished(async () => {
    await store.close();
    await log.dispose();
  });
  return store;
}

const any = { expectedRevision: 'any' } as const;

/** A log with everything in it that a log may hold. */
async function fill(store: EventStore): Promise<void> {
  await store.append(RENEWAL, [newEvent({ log: 'a' }, { type: 'LogIdentified' })], any);
  const streams = Array.from({ length: 20 }, () => newStream('conversation'));
  for (let i = 0; i < 300; i++) await store.append(streams[(i * 7) % 20] ?? '', newEvents(1 + (i % 6)), any);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const binary = { data: bytes, metadata: bytes, contentType: 'application/octet-stream' } as const;
  await store.append('odd stream·流', [newEvent(0, binary), newEvent(0, { data: Buffer.alloc(0) })], any);
  const twice = newEvent('twice');
  const repeated = newStream();
  await store.append(repeated, [twice], { expectedRevision: 'no-stream' });
  await store.append(repeated, [twice], { expectedRevision: 0n });
  await store.setStreamMetadata(streams[0] ?? '', { truncateBefore: 3n, custom: { kept: 'é' } }, any);
  await store.setStreamMetadata(newStream(), { maxCount: 5 }, any);
  await store.deleteStream(streams[1] ?? '', any);
  await store.append(streams[1] ?? '', newEvents(3), any);
  await store.deleteStream(streams[2] ?? '', any);
  await store.tombstoneStream(streams[3] ?? '', any);
  await store.append(streams[4] ?? '', newEvents(1, { data: Buffer.alloc(900_000, 'x') }), any);
  await store.append(streams[0] ?? '', newEvents(700), any);
}

/** What a reader finds in a stream; the name of the error where it finds none. */
async function readable(store: EventStore, stream: string): Promise<unknown> {
  try {
    return (await collect(store.readStream(stream))).map(event => [event.revision, event.id]);
  } catch (error) {
    return error instanceof Error ? error.name : error;
  }
}

async function contentOf(store: EventStore): Promise<unknown[][]> {
  return (await collect(store.readAll())).map(({ stream, id, type, revision, data, metadata, contentType }) => [
    ...[stream, type === '$streamDeleted' ? '' : id, type, revision, contentType],
    ...[Buffer.from(data).toString('base64'), Buffer.from(metadata).toString('base64')],
  ]);
}

describe('a migrated log', () => {
  it('holds the same, in the same order, there and back, and then its own id', async () => {
    const [source, there, back] = [await embedded(), await served(), await embedded()];
    await fill(source);
    const content = await contentOf(source);
    const result = await migrate(source, there);
    expect(result).toEqual({ events: content.length, already: 0, fillers: 0, wasDone: false });
    const copied = await contentOf(there);
    expect(copied.slice(0, -1)).toEqual(content);
    expect(copied.at(-1)?.slice(0, 4)).toEqual([RENEWAL, expect.any(String), 'LogIdentified', 1n]);
    for (const stream of new Set((await collect(source.readAll())).map(event => event.stream)))
      if (stream !== RENEWAL) expect(await readable(there, stream)).toEqual(await readable(source, stream));
    expect((await migrate(there, back)).events).toBe(content.length + 1);
    expect((await contentOf(back)).slice(0, -2)).toEqual(content);
  });

  it('is not written again once it is done', async () => {
    const [source, target] = [await embedded(), await embedded()];
    await fill(source);
    const { events } = await migrate(source, target);
    expect(await migrate(source, target)).toEqual({ events, already: events, fillers: 0, wasDone: true });
    await target.append(newStream(), newEvents(1), any);
    expect(String(await failure(migrate(source, target)))).toContain('in use already');
  });

  it('is taken up where it was cut off, however often', async () => {
    const [source, target] = [await embedded(), await embedded()];
    await fill(source);
    const content = await contentOf(source);
    let result: MigrationResult | undefined;
    const already: number[] = [];
    for (let cut = 1; result === undefined; cut++) {
      let left = cut * 20;
      const failing: EventStore = Object.create(target, {
        append: {
          value: async (...append: Parameters<EventStore['append']>) => {
            if (left-- <= 0) throw new UnavailableError('cut');
            return target.append(...append);
          },
        },
      }) as EventStore;
      try {
        result = await migrate(source, failing);
      } catch (error) {
        expect(error).toBeInstanceOf(UnavailableError);
        already.push((await contentOf(target)).length);
      }
    }
    expect(already.length).toBeGreaterThan(3);
    expect(already).toEqual(already.toSorted((a, b) => a - b));
    expect(result).toMatchObject({ events: content.length, already: already.at(-1) });
    expect((await contentOf(target)).slice(0, -1)).toEqual(content);
  });

  it('has fillers where the source was scavenged, hidden as what they stand for was', async () => {
    const [full, target] = [await embedded(), await embedded()];
    const stream = newStream();
    await full.append(stream, newEvents(600), any);
    await full.append('other', newEvents(2), any);
    await full.setStreamMetadata(stream, { truncateBefore: 590n }, any);
    await full.append(stream, newEvents(5), any);
    const source = scavenged(full, event => event.stream === stream && event.revision < 590n);
    expect(await migrate(source, target)).toMatchObject({ events: 18, fillers: 590 });
    expect(await revisions(target, stream)).toEqual(range(590, 605));
    expect(await target.streamBounds(stream)).toEqual({ first: 590n, head: 604n });
    expect(await migrate(source, target)).toMatchObject({ wasDone: true });
  });

  it('has them for what scavenging took out of sealed segments', async () => {
    const directory = await tempFolder();
    const source = await openEmbeddedEventStore({ directory, segmentBytes: 16_384 });
    onTestFinished(() => source.close());
    const target = await embedded();
    const stream = newStream();
    for (let i = 0; i < 10; i++) {
      await source.append(stream, newEvents(20), any);
      await source.append('other', newEvents(5), any);
    }
    await source.setStreamMetadata(stream, { truncateBefore: 150n }, any);
    const { eventsDropped } = await source.scavenge({ savedShareMin: 0, bytesPerSecondMax: 1e12 });
    expect(eventsDropped).toBeGreaterThan(100);
    await source.append(stream, newEvents(3), any);
    expect(await migrate(source, target)).toMatchObject({ fillers: eventsDropped });
    expect(await revisions(target, stream)).toEqual(range(150, 203));
    expect(await target.streamBounds(stream)).toEqual(await source.streamBounds(stream));
    expect(await migrate(source, target)).toMatchObject({ wasDone: true });
  });

  it.for<[string, (event: RecordedEvent) => Partial<RecordedEvent>]>([
    ['another id', () => ({ id: randomUUID() })],
    ['another byte of data', ({ data }) => ({ data: Buffer.from(data).fill(1) })],
    ['other metadata', () => ({ metadata: Buffer.from('{}') })],
    ['another type', () => ({ type: 'Other' })],
    ['another stream', () => ({ stream: 'elsewhere' })],
  ])('that has %s is refused, whether it was begun or is done', async ([, change]) => {
    const [source, target] = [await embedded(), await embedded()];
    await source.append('x', newEvents(20), any);
    await migrate(source, target);
    const changed = changing(source, event => (event.revision === 7n ? { ...event, ...change(event) } : event));
    expect(await failure(migrate(changed, target))).toMatchObject({ name: 'MigrationRefusedError' });
  });

  it('is refused where the target is no copy, or the source goes on meanwhile', async () => {
    const [source, target] = [await embedded(), await embedded()];
    await source.append('x', newEvents(20), any);
    await target.append('y', newEvents(1), any);
    expect(String(await failure(migrate(source, target)))).toContain('not a begun copy');
    const fresh = await embedded();
    let reads = 0;
    async function* readAll(...options: Parameters<EventStore['readAll']>): AsyncGenerator<RecordedEvent> {
      if (++reads === 4) await source.append('x', newEvents(1), any);
      yield* source.readAll(...options);
    }
    const growing = Object.create(source, { readAll: { value: readAll } }) as EventStore;
    expect(String(await failure(migrate(growing, fresh)))).toContain('written to meanwhile');
  });
});

describe('a log migrated onto itself by another name', () => {
  it('is refused, and keeps its id', async () => {
    const log = await serveLog();
    const [source, target] = [await connect(log.url), await connect(log.url)];
    onTestFinished(async () => {
      await Promise.all([source.close(), target.close()]);
      await log.dispose();
    });
    await source.append(RENEWAL, [newEvent({ log: 'a' }, { type: 'LogIdentified' })], any);
    await source.append(newStream(), newEvents(5), any);
    expect(String(await failure(migrate(source, target)))).toContain('the same log');
    expect((await source.streamBounds(RENEWAL)).head).toBe(0n);
  });
});

function changing(store: EventStore, change: (event: RecordedEvent) => RecordedEvent): EventStore {
  async function* readAll(...options: Parameters<EventStore['readAll']>): AsyncGenerator<RecordedEvent> {
    for await (const event of store.readAll(...options)) yield change(event);
  }
  return Object.create(store, { readAll: { value: readAll } }) as EventStore;
}

function scavenged(store: EventStore, isGone: (event: RecordedEvent) => boolean): EventStore {
  async function* readAll(...options: Parameters<EventStore['readAll']>): AsyncGenerator<RecordedEvent> {
    for await (const event of store.readAll(...options)) if (!isGone(event)) yield event;
  }
  return Object.create(store, { readAll: { value: readAll } }) as EventStore;
}
