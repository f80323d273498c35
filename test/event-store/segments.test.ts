/** A log of many segments is one log: every position, in records, between them and in headers, reads on from there. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { collect, Follower, newEvents, range } from './events.ts';
import { openLog, wholeLog } from './log-folder.ts';
import type { EventStore } from '../../src/event-store/event-store.ts';

const any = { expectedRevision: 'any' } as const;

async function firstAfter(store: EventStore, after: bigint): Promise<bigint | undefined> {
  for await (const message of store.subscribeToAll({ after })) {
    if (message.kind === 'events') return message.events[0]?.position;
    if (message.kind === 'caught-up') return undefined;
  }
  return undefined;
}

it.for([
  ['in memory', {}],
  ['on disk', { tailBytesMax: 1 }],
] as const)('any position at all can be read on from, forwards, backwards and live: %s', async ([, settings]) => {
  const { store, directory } = await openLog({ segmentBytes: 300, ...settings });
  for (let i = 0; i < 8; i++) await store.append(`s${i % 2}`, newEvents(1 + (i % 3)), any);
  expect((await readdir(join(directory, 'segments'))).length).toBeGreaterThan(3);
  const positions = (await collect(store.readAll())).map(event => event.position);
  const end = (positions.at(-1) ?? 0n) + 300n;
  for (let from = -2n; from < end; from++) {
    const [forwards] = await collect(store.readAll({ from, maxCount: 1 }));
    expect(forwards?.position, `forwards from ${from}`).toBe(positions.find(position => position >= from));
    const [backwards] = await collect(store.readAll({ from, direction: 'backwards', maxCount: 1 }));
    expect(backwards?.position, `backwards from ${from}`).toBe(positions.findLast(position => position < from));
    expect(await firstAfter(store, from), `after ${from}`).toBe(positions.find(position => position > from));
  }
});

it('reads, subscriptions and a new opening cross any number of segments', async () => {
  const settings = { segmentBytes: 2_000, tailBytesMax: 3_000 };
  const { store, directory } = await openLog(settings);
  const follower = new Follower(signal => store.subscribeToAll({ after: 'start', signal }));
  const one = new Follower(signal => store.subscribeToStream('s1', { after: 'start', signal }));
  for (let i = 0; i < 200; i++) {
    await Promise.all([store.append('s0', newEvents(3), any), store.append('s1', newEvents(1), any)]);
  }
  expect((await readdir(join(directory, 'segments'))).length).toBeGreaterThan(30);
  await follower.until(seen => seen.events.length === 800);
  await one.until(seen => seen.events.length === 200);
  expect(one.revisions).toEqual(range(0, 200));
  const log = await wholeLog(store);
  expect(follower.events.map(event => `${event.stream}@${event.revision} ${event.id}`)).toEqual(log);
  await store.close();
  const { store: again } = await openLog({ ...settings, directory });
  expect(await wholeLog(again)).toEqual(log);
  await again.append('s1', newEvents(1), { expectedRevision: 199n });
  expect(await wholeLog(again)).toHaveLength(801);
});

it('an append larger than a segment has one to itself', async () => {
  const { store } = await openLog({ segmentBytes: 1_000, tailBytesMax: 1 });
  for (let i = 0; i < 5; i++) await store.append('a', newEvents(40), any);
  expect(await wholeLog(store)).toHaveLength(200);
});
