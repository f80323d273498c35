import { expect, test, vi } from 'vitest';
import { LogIndex } from '../../src/event-store/embedded/log-index.ts';
import { UnavailableError } from '../../src/errors.ts';
import { collect, failure, newEvent, newEvents } from './events.ts';
import { openLog } from './log-folder.ts';

test('an index that cannot be written is tried again in its time, not with every append', async () => {
  const errors: Error[] = [];
  const settings = { indexFlushRowsMax: 10, indexFlushMs: 60_000 };
  const { store } = await openLog({ ...settings, onError: error => errors.push(error) });
  const flush = vi.spyOn(LogIndex.prototype, 'flush').mockRejectedValue(new Error('no room'));
  for (let i = 0; i < 50; i++) await store.append('a', newEvents(2), { expectedRevision: 'any' });
  expect(errors).toHaveLength(1);
  flush.mockRestore();
  expect(await collect(store.readStream('a'))).toHaveLength(100);
});

test('events that wait for an index that cannot be written are bounded: then appends are unavailable until it can be', async () => {
  const settings = { indexPendingRowsMax: 20, indexFlushMs: 5, onError: () => undefined };
  const { store } = await openLog(settings);
  const flush = vi.spyOn(LogIndex.prototype, 'flush').mockRejectedValue(new Error('no room'));
  for (let i = 0; i < 10; i++) await store.append('a', newEvents(2), { expectedRevision: 'any' });
  expect(await failure(store.append('a', [newEvent()], { expectedRevision: 'any' }))).toBeInstanceOf(UnavailableError);
  expect(store.stats()).toMatchObject({ takesAppends: false, indexPending: 20 });
  expect(await collect(store.readStream('a'))).toHaveLength(20);
  flush.mockRestore();
  await vi.waitFor(() => {
    expect(store.stats().takesAppends).toBe(true);
  });
  await store.append('a', [newEvent()], { expectedRevision: 19n });
});
