import { describe, expect, it } from 'vitest';
import { StreamDeletedError, StreamNotFoundError, WrongExpectedRevisionError } from '../../src/event-store/errors.ts';
import { collect, newEvents, newStream, range, revisions } from './events.ts';
import type { ContractContext } from './contract.ts';
import type { ExpectedRevision, StreamMetadata } from '../../src/event-store/event-store.ts';

export function deleteContract({ store, opened }: ContractContext): void {
  const append = (stream: string, count: number, expectedRevision: ExpectedRevision = 'any') =>
    store().append(stream, newEvents(count), { expectedRevision });
  const streamOf = async (count: number): Promise<string> => {
    const stream = newStream();
    await append(stream, count);
    return stream;
  };
  const setMetadata = (stream: string, metadata: StreamMetadata, expectedRevision: ExpectedRevision = 'any') =>
    store().setStreamMetadata(stream, metadata, { expectedRevision });

  describe('a soft delete', () => {
    it('hides the stream, keeps its events in all, and says so in its bounds', async () => {
      const stream = await streamOf(3);
      await store().deleteStream(stream, { expectedRevision: 2n });
      await expect(revisions(store(), stream)).rejects.toThrow(StreamNotFoundError);
      expect(await store().streamBounds(stream)).toEqual({ first: 3n, head: 2n });
      const all = await collect(store().readAll({ filter: { by: 'stream', prefixes: [stream] } }));
      expect(all.map(event => event.revision)).toEqual(range(0, 3));
    });

    it.for<ExpectedRevision>(['no-stream', 'any', 2n])('is taken back by an append that expects %s', async expected => {
      const stream = await streamOf(3);
      await store().deleteStream(stream, { expectedRevision: 'any' });
      expect((await append(stream, 2, expected)).revision).toBe(4n);
      expect(await revisions(store(), stream)).toEqual([3n, 4n]);
      expect(await store().streamBounds(stream)).toEqual({ first: 3n, head: 4n });
    });

    it('is not taken back by an append that expects the stream to exist, or another revision', async () => {
      const stream = await streamOf(3);
      await store().deleteStream(stream, { expectedRevision: 'any' });
      await expect(append(stream, 1, 'stream-exists')).rejects.toThrow(StreamDeletedError);
      await expect(append(stream, 1, 1n)).rejects.toThrow(WrongExpectedRevisionError);
      await expect(append(stream, 1, 3n)).rejects.toThrow(WrongExpectedRevisionError);
      await expect(revisions(store(), stream)).rejects.toThrow(StreamNotFoundError);
    });

    it('may be repeated, and is refused for a wrong revision and for a stream that never was', async () => {
      const stream = await streamOf(2);
      await expect(store().deleteStream(stream, { expectedRevision: 0n })).rejects.toThrow(WrongExpectedRevisionError);
      await store().deleteStream(stream, { expectedRevision: 1n });
      await store().deleteStream(stream, { expectedRevision: 1n });
      for (const expectedRevision of ['any', 'no-stream', 0n] as const) {
        const missing = store().deleteStream(newStream(), { expectedRevision });
        await expect(missing).rejects.toThrow(WrongExpectedRevisionError);
      }
    });

    it('and appends that race to take it back: every one lands, at a revision of its own, and all is readable', async () => {
      const stream = await streamOf(3);
      for (let round = 0; round < 5; round++) {
        await store().deleteStream(stream, { expectedRevision: 'any' });
        const { head } = await store().streamBounds(stream);
        const answers = await Promise.all(Array.from({ length: 20 }, () => append(stream, 2)));
        const expected = range(Number(head) + 1, Number(head) + 41);
        expect(answers.map(answer => answer.revision).sort((a, b) => Number(a - b))).toEqual(
          expected.filter((_, i) => i % 2 === 1),
        );
        expect(await revisions(store(), stream)).toEqual(expected);
      }
    });
  });

  describe('a tombstone', () => {
    it('ends the stream for ever', async () => {
      const stream = await streamOf(3);
      await store().tombstoneStream(stream, { expectedRevision: 2n });
      await expect(revisions(store(), stream)).rejects.toThrow(StreamDeletedError);
      await expect(append(stream, 1)).rejects.toThrow(StreamDeletedError);
      await expect(append(stream, 1, 2n)).rejects.toThrow(StreamDeletedError);
      await expect(setMetadata(stream, { maxCount: 3 })).rejects.toThrow(StreamDeletedError);
      await expect(store().getStreamMetadata(stream)).rejects.toThrow(StreamDeletedError);
      await expect(store().deleteStream(stream, { expectedRevision: 'any' })).rejects.toThrow(StreamDeletedError);
      await expect(store().tombstoneStream(stream, { expectedRevision: 'any' })).rejects.toThrow(StreamDeletedError);
      const { first, head } = await store().streamBounds(stream);
      expect(first).toBe(head + 1n);
    });

    it('is refused for a wrong revision, and can be set where no stream ever was', async () => {
      const stream = await streamOf(3);
      await expect(store().tombstoneStream(stream, { expectedRevision: 1n })).rejects.toThrow(
        WrongExpectedRevisionError,
      );
      expect(await revisions(store(), stream)).toEqual(range(0, 3));
      const missing = newStream();
      await store().tombstoneStream(missing, { expectedRevision: 'no-stream' });
      await expect(append(missing, 1)).rejects.toThrow(StreamDeletedError);
    });
  });

  describe('metadata', () => {
    it('is what was set last, with revisions of its own that can be expected', async () => {
      const stream = await streamOf(1);
      expect(await store().getStreamMetadata(stream)).toEqual({ metadata: undefined, revision: -1n });
      const first: StreamMetadata = { maxCount: 5, maxAgeSeconds: 3600, truncateBefore: 0n, custom: { owner: 'é' } };
      expect((await setMetadata(stream, first, 'no-stream')).revision).toBe(0n);
      expect(await store().getStreamMetadata(stream)).toEqual({ metadata: first, revision: 0n });
      await expect(setMetadata(stream, {}, 'no-stream')).rejects.toThrow(WrongExpectedRevisionError);
      expect((await setMetadata(stream, { custom: { owner: 'b' } }, 0n)).revision).toBe(1n);
      expect(await store().getStreamMetadata(stream)).toEqual({ metadata: { custom: { owner: 'b' } }, revision: 1n });
    });

    it('may come before the first event, and counts as a stream that exists', async () => {
      const stream = newStream();
      await setMetadata(stream, { maxCount: 2, maxAgeSeconds: 3600 });
      expect(await store().streamBounds(stream)).toEqual({ first: 0n, head: -1n });
      await expect(revisions(store(), stream)).rejects.toThrow(StreamNotFoundError);
      expect((await append(stream, 4, 'stream-exists')).revision).toBe(3n);
      expect(await revisions(store(), stream)).toEqual([2n, 3n]);
    });

    it.for<[string, StreamMetadata, bigint[]]>([
      ['$maxCount keeps the last', { maxCount: 3 }, range(7, 10)],
      ['$maxCount above the length keeps all', { maxCount: 30 }, range(0, 10)],
      ['$tb keeps from a revision on', { truncateBefore: 6n }, range(6, 10)],
      ['$tb above the end keeps nothing', { truncateBefore: 60n }, []],
      ['both keep what both keep', { maxCount: 5, truncateBefore: 8n }, [8n, 9n]],
    ])('%s', async ([, metadata, expected]) => {
      const stream = await streamOf(10);
      await setMetadata(stream, metadata);
      expect(await revisions(store(), stream)).toEqual(expected);
      const backwards = await collect(store().readStream(stream, { direction: 'backwards' }));
      expect(backwards.map(event => event.revision)).toEqual(expected.toReversed());
      expect(await store().streamBounds(stream)).toEqual({ first: expected[0] ?? 10n, head: 9n });
      await append(stream, 1);
      expect((await store().streamBounds(stream)).head).toBe(10n);
    });

    it('$maxCount moves on with each append, and reads from before it begin where it does', async () => {
      const stream = await streamOf(10);
      await setMetadata(stream, { maxCount: 4 });
      await append(stream, 2);
      expect(await revisions(store(), stream)).toEqual(range(8, 12));
      const early = await collect(store().readStream(stream, { from: 2n, maxCount: 2 }));
      expect(early.map(event => event.revision)).toEqual([8n, 9n]);
      const below = await collect(store().readStream(stream, { from: 2n, direction: 'backwards' }));
      expect(below).toEqual([]);
    });

    it('taken back shows the events again', async () => {
      const stream = await streamOf(5);
      await setMetadata(stream, { maxCount: 1 });
      await setMetadata(stream, {});
      expect(await revisions(store(), stream)).toEqual(range(0, 5));
    });

    it('$maxAge hides events as they grow old', async ({ skip }) => {
      const { advanceMs } = opened();
      if (!advanceMs) return skip('this clock cannot be moved');
      const stream = await streamOf(3);
      await setMetadata(stream, { maxAgeSeconds: 60 });
      advanceMs(59_000);
      await append(stream, 2);
      expect(await revisions(store(), stream)).toEqual(range(0, 5));
      advanceMs(2_000);
      expect(await revisions(store(), stream)).toEqual([3n, 4n]);
      expect(await store().streamBounds(stream)).toEqual({ first: 3n, head: 4n });
      const newest = await collect(store().readStream(stream, { direction: 'backwards', maxCount: 3 }));
      expect(newest.map(event => event.revision)).toEqual([4n, 3n]);
      advanceMs(60_000);
      expect(await revisions(store(), stream)).toEqual([]);
      expect(await store().streamBounds(stream)).toEqual({ first: 5n, head: 4n });
      expect((await append(stream, 1, 4n)).revision).toBe(5n);
      expect(await revisions(store(), stream)).toEqual([5n]);
    });
  });
}
