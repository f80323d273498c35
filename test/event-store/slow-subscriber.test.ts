/** A subscriber that does not read costs the store nothing, and misses nothing. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { newEvent } from './events.ts';
import { openLog } from './log-folder.ts';
import type { SubscriptionMessage } from '../../src/event-store/event-store.ts';

const EVENTS = 200_000;
const APPEND_EVENTS = 500;
const TAIL_BYTES_MAX = 4 * 1024 * 1024;
/** The tail, one chunk a subscriber, the last group, and noise. */
const GROWTH_BYTES_MAX = 24 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function usedBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

it(
  '200,000 events pass while it does not read: memory is bounded, then it gets each one once',
  { timeout: 60_000 },
  async () => {
    const { store } = await openLog({ tailBytesMax: TAIL_BYTES_MAX, indexFlushMs: 200, recentIdsMax: 100 });
    const data = Buffer.from(JSON.stringify({ text: 'x'.repeat(120) }));
    await store.append('a', [newEvent()], { expectedRevision: 'no-stream' });
    const all = store.subscribeToAll({ after: 'start' })[Symbol.asyncIterator]();
    const one = store.subscribeToStream('a', { after: 'start' })[Symbol.asyncIterator]();
    for (const source of [all, one]) expect((await source.next()).value).toMatchObject({ kind: 'events' });

    const before = usedBytes();
    let appended = 1;
    while (appended < EVENTS) {
      const appends = Array.from({ length: 4 }, () =>
        store.append(
          'a',
          Array.from({ length: APPEND_EVENTS }, () => newEvent(0, { data })),
          { expectedRevision: 'any' },
        ),
      );
      await Promise.all(appends);
      appended += 4 * APPEND_EVENTS;
    }
    const written = appended * data.length;
    expect(written).toBeGreaterThan(GROWTH_BYTES_MAX);
    expect(usedBytes() - before).toBeLessThan(GROWTH_BYTES_MAX);

    for (const source of [all, one]) {
      let next = 1n;
      while (next < BigInt(appended)) {
        const message = (await source.next()).value as SubscriptionMessage;
        if (message.kind !== 'events') continue;
        expect(message.events.length).toBeLessThanOrEqual(512);
        for (const event of message.events) if (event.revision !== next++) expect(event.revision).toBe(next - 1n);
      }
      await source.return(undefined);
    }
    expect(usedBytes() - before).toBeLessThan(GROWTH_BYTES_MAX);
  },
);

it('gets what was appended meanwhile together, however small the appends were', async () => {
  const { store } = await openLog();
  const source = store.subscribeToAll({ after: 'start' })[Symbol.asyncIterator]();
  expect((await source.next()).value).toMatchObject({ kind: 'caught-up' });
  for (let i = 0; i < 1_000; i++) await store.append('a', [newEvent()], { expectedRevision: 'any' });
  const sizes: number[] = [];
  let next = 0n;
  while (next < 1_000n) {
    const message = (await source.next()).value as SubscriptionMessage;
    if (message.kind !== 'events') continue;
    sizes.push(message.events.length);
    for (const event of message.events) if (event.revision !== next++) expect(event.revision).toBe(next - 1n);
  }
  expect(sizes).toEqual([512, 488]);
  await source.return(undefined);
});
