/** Scavenging: what nobody can read goes and gives its room back; everything else is as it was, for readers in the middle too. */
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { UnavailableError } from '../../src/errors.ts';
import { CorruptLogError } from '../../src/event-store/errors.ts';
import { collect, failure, Follower, newEvent, newEvents, range, revisions } from './events.ts';
import { crashed, flipBit, nameOf, openLog, segmentFiles } from './log-folder.ts';
import type { RecordedEvent } from '../../src/event-store/event-store.ts';
import type { EmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';

const any = { expectedRevision: 'any' } as const;
const now = { savedShareMin: 0, bytesPerSecondMax: 1e12 } as const;

/** Streams s0 to s3 by turns, `count` events each of some 700 bytes, in segments of 20 kB. */
async function filledLog(count: number, settings: Parameters<typeof openLog>[0] = {}) {
  const { store, directory } = await openLog({ segmentBytes: 20_000, tailBytesMax: 5_000, ...settings });
  for (let i = 0; i < count; i++)
    for (let s = 0; s < 4; s++) await store.append(`s${s}`, [newEvent('x'.repeat(600))], any);
  return { store, directory };
}

async function bytesOf(directory: string): Promise<number> {
  const sizes = await Promise.all((await segmentFiles(directory)).map(async file => (await stat(file)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function truncate(store: EmbeddedEventStore, stream: string, before: bigint): Promise<void> {
  await store.setStreamMetadata(stream, { truncateBefore: before }, any);
}

it('the disk has its room again, and every position, revision and reader is as before', async () => {
  const { store, directory } = await filledLog(200);
  const kept = await collect(store.readStream('s1'));
  for (const stream of ['s0', 's2', 's3']) await truncate(store, stream, 190n);
  const before = await bytesOf(directory);
  const result = await store.scavenge(now);
  const after = await bytesOf(directory);
  expect(result.eventsDropped).toBeGreaterThan(500);
  expect(before - after).toBe(result.bytesBefore - result.bytesAfter);
  // Three quarters are hidden; a stub is some 80 of 760 bytes.
  expect(after).toBeLessThan(before * 0.42);
  expect((await collect(store.readStream('s1'))).map(nameOf)).toEqual(kept.map(nameOf));
  expect((await collect(store.readStream('s1'))).map(e => e.position)).toEqual(kept.map(e => e.position));
  expect(await revisions(store, 's0')).toEqual(range(190, 200));
  const all = await collect(store.readAll({ filter: { by: 'stream', prefixes: ['s0'] } }));
  expect(all.map(e => e.revision).slice(-10)).toEqual(range(190, 200));
  expect(all.length).toBeLessThan(40);
  for (const { position } of kept.slice(0, 50)) {
    const [at] = await collect(store.readAll({ from: position, maxCount: 1 }));
    expect(at?.position).toBe(position);
    const [past] = await collect(store.readAll({ from: position + 1n, maxCount: 1 }));
    expect(past?.position).toBeGreaterThan(position);
    const [back] = await collect(store.readAll({ from: position, direction: 'backwards', maxCount: 1 }));
    if (back) expect(back.position).toBeLessThan(position);
  }
  await store.append('s0', [newEvent()], { expectedRevision: 199n });
});

it('repeats are recognised, and wrong revisions refused, as they were before', async () => {
  const { store, directory } = await openLog({ segmentBytes: 2_000, tailBytesMax: 500 });
  const first = newEvents(3);
  await store.append('a', first, { expectedRevision: 'no-stream' });
  for (let i = 0; i < 20; i++) await store.append('a', newEvents(2), any);
  await truncate(store, 'a', 40n);
  expect((await store.scavenge(now)).eventsDropped).toBeGreaterThan(20);
  const ask = async (from: EmbeddedEventStore) => {
    expect(await from.append('a', first, { expectedRevision: 'no-stream' })).toEqual({
      revision: 2n,
      position: undefined,
    });
    expect(await from.append('a', first.slice(1), { expectedRevision: 0n })).toEqual({
      revision: 2n,
      position: undefined,
    });
    expect(await from.append('a', first, any)).toEqual({ revision: 2n, position: undefined });
    expect(await failure(from.append('a', newEvents(3), { expectedRevision: 'no-stream' }))).toMatchObject({
      name: 'WrongExpectedRevisionError',
    });
  };
  await ask(store);
  for (const index of [true, false]) {
    const { store: again } = await openLog({ directory: await crashed(directory, { index }) });
    await ask(again);
  }
});

it('what was dropped stays hidden when the limits are taken back, with the index or without', async () => {
  const { store, directory } = await filledLog(60);
  await truncate(store, 's0', 50n);
  await store.scavenge(now);
  await store.setStreamMetadata('s0', {}, any);
  const { first, head } = await store.streamBounds('s0');
  expect(first).toBeGreaterThan(30n);
  expect(await revisions(store, 's0')).toEqual(range(Number(first), 60));
  for (const index of [true, false]) {
    const { store: again } = await openLog({ directory: await crashed(directory, { index }) });
    expect(await again.streamBounds('s0')).toEqual({ first, head });
    expect(await revisions(again, 's0')).toEqual(range(Number(first), 60));
  }
});

it.for([
  ['truncation', { truncateBefore: 50n }, { truncateBefore: 3n }, 3],
  ['a count', { maxCount: 10 }, { maxCount: 57 }, 3],
  ['an age', { maxAgeSeconds: 20 }, {}, 0],
] as const)('%s that is relaxed after the survey drops nothing more', async ([, before, relaxed, first]) => {
  let clock = 1_700_000_000_000;
  const { store } = await filledLog(60, { now: () => (clock += 1_000) });
  await store.setStreamMetadata('s0', before, any);
  await truncate(store, 's1', 50n);
  let relaxing: Promise<unknown> | undefined;
  // The first is told when the first segment was surveyed, and nothing of it rewritten yet.
  const onProgress = (): void => void (relaxing ??= store.setStreamMetadata('s0', relaxed, any));
  const { eventsDropped } = await store.scavenge({ ...now, onProgress });
  await relaxing;
  expect(await revisions(store, 's0')).toEqual(range(first, 60));
  expect(eventsDropped).toBeGreaterThan(30);
});

it('a stream that is all truncated, deleted or tombstoned keeps its head, whatever becomes of the index', async () => {
  const { store, directory } = await filledLog(40);
  await truncate(store, 's0', 1_000n);
  await store.deleteStream('s1', any);
  await store.tombstoneStream('s2', any);
  await filledMore(store, 's3', 80);
  await store.scavenge(now);
  await store.close();
  await rm(join(directory, 'index'), { recursive: true });
  const { store: again } = await openLog({ directory });
  for (const stream of ['s0', 's1', 's2']) expect(await again.streamBounds(stream)).toEqual({ first: 40n, head: 39n });
  expect(await failure(collect(again.readStream('s2')))).toMatchObject({ name: 'StreamDeletedError' });
  expect(await again.append('s1', [newEvent()], { expectedRevision: 'no-stream' })).toMatchObject({ revision: 40n });
  expect(await again.append('s0', [newEvent()], { expectedRevision: 39n })).toMatchObject({ revision: 40n });
});

async function filledMore(store: EmbeddedEventStore, stream: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await store.append(stream, [newEvent('x'.repeat(600))], any);
}

it('readers and subscribers in the middle of a segment go on', async () => {
  const { store } = await filledLog(150);
  const all = store.readAll();
  const stream = store.readStream('s1');
  const seen = { all: [] as bigint[], stream: [] as bigint[] };
  for (let i = 0; i < 30; i++) {
    seen.all.push(((await all.next()).value as RecordedEvent).position);
    seen.stream.push(((await stream.next()).value as RecordedEvent).revision);
  }
  const follower = new Follower(signal => store.subscribeToStream('s2', { after: 'start', signal }));
  await follower.until(({ events }) => events.length > 0);
  for (const name of ['s0', 's3']) await truncate(store, name, 140n);
  await store.scavenge(now);
  for await (const { position } of all) seen.all.push(position);
  for await (const { revision } of stream) seen.stream.push(revision);
  expect(seen.stream).toEqual(range(0, 150));
  expect(seen.all).toEqual([...seen.all].sort((a, b) => Number(a - b)));
  const s1 = await collect(store.readStream('s1'));
  expect(seen.all).toEqual(expect.arrayContaining(s1.map(e => e.position)));
  await follower.until(({ events }) => events.length === 150);
  expect(follower.revisions).toEqual(range(0, 150));
  await follower.stop();
});

it('reads that run while segments are replaced see everything that is readable', { timeout: 20_000 }, async () => {
  const { store } = await filledLog(100, { tailBytesMax: 1 });
  let stop = false;
  const failures: unknown[] = [];
  const reading = Promise.all(
    [0, 1, 2].map(async () => {
      while (!stop) {
        const read = await revisions(store, 's1').catch((error: unknown) => void failures.push(error));
        expect(read).toEqual(range(0, 100));
        const all = await collect(store.readAll({ filter: { by: 'stream', prefixes: ['s1'] } }));
        expect(all.map(e => e.revision)).toEqual(range(0, 100));
      }
    }),
  );
  for (let before = 10n; before < 100n; before += 10n) {
    for (const name of ['s0', 's2', 's3']) await truncate(store, name, before);
    await store.scavenge(now);
  }
  stop = true;
  await reading;
  expect(failures).toEqual([]);
});

it('events past their age go by the time of the log: a clock that runs ahead drops none', async () => {
  let clock = 1_000_000_000_000;
  const { store } = await filledLog(30, { now: () => clock });
  await store.setStreamMetadata('s0', { maxAgeSeconds: 60 }, any);
  clock += 3_600_000;
  expect(await revisions(store, 's0')).toEqual([]);
  expect((await store.scavenge(now)).eventsDropped).toBe(0);
  clock -= 3_600_000;
  expect(await revisions(store, 's0')).toEqual(range(0, 30));
  clock += 3_600_000;
  await store.append('s1', [newEvent()], any);
  expect((await store.scavenge(now)).eventsDropped).toBeGreaterThan(20);
});

it('a clock that goes backwards stamps nothing earlier than what stands before it, over a restart too', async () => {
  let clock = 1_000_000_000_000;
  const { store, directory } = await openLog({ now: () => clock });
  await store.append('a', [newEvent()], any);
  clock -= 86_400_000;
  await store.append('a', [newEvent()], any);
  await store.close();
  const { store: again } = await openLog({ directory, now: () => clock });
  await again.append('b', [newEvent()], any);
  expect((await collect(again.readAll())).map(e => e.createdMs)).toEqual(Array(3).fill(1_000_000_000_000));
});

it('a segment that would give back little is left alone; a second run at once is refused; an abort leaves the log whole', async () => {
  const { store, directory } = await filledLog(60);
  await truncate(store, 's0', 1n);
  expect(await store.scavenge({ savedShareMin: 0.2 })).toMatchObject({ segmentsRewritten: 0, eventsDropped: 0 });
  for (const name of ['s0', 's1']) await truncate(store, name, 50n);
  const stopping = new AbortController();
  const running = store.scavenge({
    ...now,
    signal: stopping.signal,
    onProgress: ({ done }) => done > 30_000 && stopping.abort(new Error('enough')),
  });
  expect(await failure(store.scavenge())).toBeInstanceOf(UnavailableError);
  expect(await failure(running)).toMatchObject({ message: 'enough' });
  expect((await readdir(join(directory, 'segments'))).filter(name => name.endsWith('.new'))).toEqual([]);
  expect(await revisions(store, 's2')).toEqual(range(0, 60));
  expect((await store.scavenge(now)).segmentsRewritten).toBeGreaterThan(0);
});

it('a draft that a crash left is cleared away, and damage in a compacted segment is named', async () => {
  const { store, directory } = await filledLog(60);
  for (const name of ['s0', 's1', 's2']) await truncate(store, name, 55n);
  await store.scavenge(now);
  await store.close();
  const [file = ''] = await segmentFiles(directory);
  const draft = `${file}.compacted.new`;
  await writeFile(draft, 'half');
  const { size } = await stat(file);
  const bytes = await readFile(file);
  const table = Number(bytes.readBigUInt64LE(48));
  for (const offset of [70, 100, table - 3, table + 2, size - 1]) {
    await flipBit(file, offset);
    const { store: damaged } = await openLog({ directory, tailBytesMax: 1 });
    expect(await failure(collect(damaged.readAll())), `byte ${offset}`).toBeInstanceOf(CorruptLogError);
    await damaged.close();
    await flipBit(file, offset);
  }
  expect((await readdir(join(directory, 'segments'))).filter(name => name.endsWith('.new'))).toEqual([]);
  const { store: whole } = await openLog({ directory });
  expect(await revisions(whole, 's3')).toEqual(range(0, 60));
});
