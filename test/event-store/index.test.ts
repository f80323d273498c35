/** The index is only ever a copy of what the segments say: whatever became of it, opening the log makes it right. */
import { cp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newEvent, newEvents } from './events.ts';
import { crashed, openLog, overwrite, segmentFiles, wholeLog } from './log-folder.ts';
import type { RecoveryProgress } from '../../src/event-store/embedded/recovery.ts';
import type { EmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';

/** Streams long and short, with limits, deleted and tombstoned. */
async function fill(store: EmbeddedEventStore): Promise<void> {
  const any = { expectedRevision: 'any' } as const;
  for (let i = 0; i < 30; i++) {
    await Promise.all([
      store.append('long', newEvents(40), any),
      store.append(`short-${i}`, [newEvent(i)], any),
      store.append('both', newEvents(2), any),
    ]);
  }
  await store.setStreamMetadata('limited', { maxCount: 2 }, any);
  await store.append('limited', newEvents(5), any);
  await store.append('deleted', newEvents(3), any);
  await store.append('gone', newEvents(3), any);
  await store.tombstoneStream('gone', any);
  await store.deleteStream('deleted', any);
}

/** What the index alone knows: heads, limits, deletes. Changes the log by the appends that show it. */
async function expectStreamsKnown(store: EmbeddedEventStore): Promise<void> {
  expect(await store.streamBounds('long')).toEqual({ first: 0n, head: 1199n });
  expect(await store.streamBounds('limited')).toEqual({ first: 3n, head: 4n });
  expect(await store.streamBounds('deleted')).toEqual({ first: 3n, head: 2n });
  expect((await store.getStreamMetadata('limited')).metadata).toEqual({ maxCount: 2 });
  const append = (stream: string, expectedRevision: 'no-stream' | 'any' | bigint) =>
    store.append(stream, [newEvent()], { expectedRevision });
  await expect(append('gone', 'any')).rejects.toMatchObject({ name: 'StreamDeletedError' });
  await expect(append('long', 'no-stream')).rejects.toMatchObject({ actual: 1199n });
  expect(await append('deleted', 'no-stream')).toMatchObject({ revision: 3n });
  expect(await store.streamBounds('deleted')).toEqual({ first: 3n, head: 3n });
  expect(await append('long', 1199n)).toMatchObject({ revision: 1200n });
  expect(await append('new', 'no-stream')).toMatchObject({ revision: 0n });
}

/** The log without deleted and tombstoned streams, whose reads differ from what all shows. */
async function written() {
  const { store, directory } = await openLog({ segmentBytes: 60_000 });
  await fill(store);
  await store.close();
  const { store: reread } = await openLog({ directory: await crashed(directory, { index: true }) });
  const events: string[] = [];
  for await (const event of reread.readAll()) events.push(`${event.stream}@${event.revision} ${event.id}`);
  await reread.close();
  return { directory, events };
}

async function namesOf(store: EmbeddedEventStore): Promise<string[]> {
  const names: string[] = [];
  for await (const event of store.readAll()) names.push(`${event.stream}@${event.revision} ${event.id}`);
  return names;
}

const indexFile = (directory: string): string => join(directory, 'index', 'data.mdb');

async function anotherIndex(directory: string): Promise<void> {
  const { store, directory: other } = await openLog();
  await store.append('long', newEvents(7), { expectedRevision: 'any' });
  await store.close();
  await rm(join(directory, 'index'), { recursive: true });
  await cp(join(other, 'index'), join(directory, 'index'), { recursive: true });
}

describe('an index', () => {
  it.for<[string, (directory: string) => Promise<void>]>([
    ['deleted', directory => rm(join(directory, 'index'), { recursive: true })],
    ['without its file', directory => rm(indexFile(directory))],
    ['cut to nothing', directory => truncate(indexFile(directory), 0)],
    ['cut within its first page', directory => truncate(indexFile(directory), 1000)],
    ['cut to its first pages', directory => truncate(indexFile(directory), 8192)],
    ['cut in half', async directory => truncate(indexFile(directory), (await stat(indexFile(directory))).size / 2)],
    ['overwritten by noise', directory => writeFile(indexFile(directory), Buffer.alloc(100_000, 'noise'))],
    ['overwritten by zeros', directory => writeFile(indexFile(directory), Buffer.alloc(100_000))],
    ['overwritten in its first pages', directory => overwrite(indexFile(directory), 0, Buffer.alloc(8192, 'x'))],
    ['of another log', anotherIndex],
    ['whose lock file is noise', directory => writeFile(join(directory, 'index', 'lock.mdb'), Buffer.alloc(5000, 'x'))],
  ])('%s is built again, and the log is whole', async ([, damage]) => {
    const { directory, events } = await written();
    await damage(directory);
    const progress: RecoveryProgress[] = [];
    const { store } = await openLog({ directory, onProgress: step => progress.push(step) });
    expect(await namesOf(store)).toEqual(events);
    await expectStreamsKnown(store);
    for (const { phase, done, total } of progress) {
      expect(phase).toBe('index-rebuild');
      expect(done).toBeLessThanOrEqual(total);
    }
    expect(progress.at(-1)?.done).toBe(progress.at(-1)?.total);
    await store.close();
    const { store: again } = await openLog({ directory, onProgress: step => expect(step).toBeUndefined() });
    expect((await namesOf(again)).slice(0, events.length)).toEqual(events);
  });

  it('that was rebuilt says how far it is, in bytes of the log, step by step', async () => {
    const { store, directory } = await openLog();
    for (let i = 0; i < 70; i++) {
      await store.append(`s${i % 3}`, newEvents(1000, { data: Buffer.alloc(0) }), { expectedRevision: 'any' });
    }
    const copy = await crashed(directory);
    const progress: RecoveryProgress[] = [];
    await openLog({ directory: copy, onProgress: step => progress.push(step) });
    expect(progress.length).toBeGreaterThan(3);
    expect(progress.map(step => step.phase)).toEqual(progress.map(() => 'index-rebuild'));
    const done = progress.map(step => step.done);
    expect(done).toEqual([...new Set(done)].sort((a, b) => a - b));
    expect(done.at(-1)).toBe(progress.at(-1)?.total);
  });

  it('of a new log is no rebuild: nothing is reported', async () => {
    const progress: RecoveryProgress[] = [];
    await openLog({ onProgress: step => progress.push(step) });
    expect(progress).toEqual([]);
  });

  it('behind the log is caught up: heads, limits, deletes and tombstones', async () => {
    const { store, directory } = await openLog({ indexFlushMs: 3_600_000 });
    const early = await crashed(directory, { index: true });
    await fill(store);
    const events = await namesOf(store);
    const copy = await crashed(directory);
    await rm(join(copy, 'index'), { recursive: true, force: true });
    await cp(join(early, 'index'), join(copy, 'index'), { recursive: true });
    const progress: RecoveryProgress[] = [];
    const { store: again } = await openLog({ directory: copy, onProgress: step => progress.push(step) });
    expect(progress.map(step => step.phase)).toEqual(['index-catch-up']);
    expect(await namesOf(again)).toEqual(events);
    await expectStreamsKnown(again);
  });

  it('ahead of the log, a log put back from an older copy, is built again', async () => {
    const { store, directory } = await openLog();
    await store.append('a', newEvents(3), { expectedRevision: 'any' });
    const old = await crashed(directory);
    const events = await wholeLog(store);
    await store.append('a', newEvents(3), { expectedRevision: 'any' });
    await store.append('b', newEvents(3), { expectedRevision: 'any' });
    await store.close();
    // The older copy's file is as long as it is laid out: its zeros reach beyond where the index says the log goes.
    const [oldFile = ''] = await segmentFiles(old);
    const [newFile = ''] = await segmentFiles(directory);
    expect((await stat(oldFile)).size).toBeGreaterThan((await stat(newFile)).size);
    await cp(join(directory, 'index'), join(old, 'index'), { recursive: true });
    const progress: RecoveryProgress[] = [];
    const { store: again } = await openLog({ directory: old, onProgress: step => progress.push(step) });
    expect(progress.map(step => step.phase)).toEqual(['index-rebuild']);
    expect(await wholeLog(again)).toEqual(events);
    await again.append('a', newEvents(1), { expectedRevision: 2n });
    await again.append('b', newEvents(1), { expectedRevision: 'no-stream' });
    expect(await wholeLog(again)).toHaveLength(5);
  });

  it('overwritten somewhere in its middle is never believed: what is served is right, or refused', async () => {
    const { directory, events } = await written();
    const bytes = (await readFile(indexFile(directory))).length;
    const right = new Set(events);
    for (let page = 2; page * 4096 < bytes; page += 3) {
      const copy = await crashed(directory, { index: true });
      await overwrite(indexFile(copy), page * 4096 + 16, Buffer.alloc(4080, page));
      const served: string[] = [];
      try {
        const { store } = await openLog({ directory: copy });
        for (const stream of ['long', 'both', 'short-3', 'limited']) {
          for await (const event of store.readStream(stream)) served.push(`${stream}@${event.revision} ${event.id}`);
        }
        await store.close();
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
      expect(served.filter(name => !right.has(name))).toEqual([]);
    }
  });
});
