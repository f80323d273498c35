import { expect, test, vi } from 'vitest';
import { LogIndex } from '../../src/event-store/embedded/log-index.ts';
import { collect, newEvents } from './events.ts';
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
