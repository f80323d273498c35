import { expect, it, vi } from 'vitest';
import { LogReader } from '../../src/event-store/embedded/log-reader.ts';
import { collect, newEvent, newStream, range } from './events.ts';
import { openLog } from './log-folder.ts';

it.each([
  { bytes: 100_000, count: 130, largest: 11 },
  { bytes: 100, count: 700, largest: 256 },
])(
  'a read of records of $bytes bytes holds pages of at most $largest of them, but for its first',
  async ({ bytes, count, largest }) => {
    const { store } = await openLog();
    const stream = newStream();
    for (let at = 0; at < count; at += 10) {
      const events = Array.from({ length: 10 }, () => newEvent('x'.repeat(bytes)));
      await store.append(stream, events, { expectedRevision: at === 0 ? 'no-stream' : BigInt(at - 1) });
    }
    const records = vi.spyOn(LogReader.prototype, 'records');
    try {
      for (const direction of ['forwards', 'backwards'] as const) {
        records.mockClear();
        const events = await collect(store.readStream(stream, { direction }));
        const wanted = range(0, count);
        expect(events.map(({ revision }) => revision)).toEqual(direction === 'forwards' ? wanted : wanted.reverse());
        const [first, ...pages] = records.mock.calls.map(([positions]) => positions.length);
        expect(first).toBe(64);
        expect(Math.max(...pages)).toBeLessThanOrEqual(largest);
        expect(Math.max(...pages)).toBeGreaterThan(largest * 0.8);
      }
    } finally {
      records.mockRestore();
    }
  },
);
