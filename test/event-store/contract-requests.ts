import { describe, expect, it } from 'vitest';
import { UnavailableError } from '../../src/errors.ts';
import { AppendTooLargeError, BadEventStoreRequestError } from '../../src/event-store/errors.ts';
import { collect, failure, Follower, newEvent, newEvents, newStream, range, revisions } from './events.ts';
import type { ContractContext } from './contract.ts';
import type { EventStore } from '../../src/event-store/event-store.ts';

const APPEND_BYTES_MAX = 1_048_576;

export function requestContract({ store, factory }: ContractContext): void {
  describe('a request', () => {
    const any = { expectedRevision: 'any' } as const;
    it.for<[string, string, (store: EventStore) => Promise<unknown>]>([
      ['an append to a stream without a name', 'stream', s => s.append('', newEvents(1), any)],
      ['a read of a stream without a name', 'stream', s => collect(s.readStream(''))],
      ['bounds of a stream without a name', 'stream', s => s.streamBounds('')],
      ['a name of 1,025 bytes', 'stream', s => s.append('é'.repeat(512) + 'x', newEvents(1), any)],
      ['a name that no text in UTF-8 has', 'stream', s => s.append('tested-\ud800', newEvents(1), any)],
      ['the metadata of metadata', 'stream', s => s.append('$$$$x', newEvents(1), any)],
      ['an event without a type', 'events[1].type', s => s.append('x', [newEvent(), newEvent(0, { type: '' })], any)],
      ['a type of 1,025 bytes', 'events[0].type', s => s.append('x', [newEvent(0, { type: 'x'.repeat(1025) })], any)],
      ['an id that is no UUID', 'events[0].id', s => s.append('x', [newEvent(0, { id: 'abc' })], any)],
      [
        'an id in capitals',
        'events[0].id',
        s => s.append('x', [newEvent(0, { id: 'A'.repeat(8) + '-AAAA-4AAA-8AAA-AAAAAAAAAAAA' })], any),
      ],
      ['an expected revision below 0', 'expectedRevision', s => s.append('x', newEvents(1), { expectedRevision: -1n })],
      ['a read forwards from the end', 'from', s => collect(s.readStream('x', { from: 'end' }))],
      ['a read from below revision 0', 'from', s => collect(s.readStream('x', { from: -1n }))],
      ['a read of no events', 'maxCount', s => collect(s.readStream('x', { maxCount: 0 }))],
      ['a read of half an event', 'maxCount', s => collect(s.readStream('x', { maxCount: 1.5 }))],
      ['a read of all of no events', 'maxCount', s => collect(s.readAll({ maxCount: 0 }))],
    ])('that is malformed is refused with its path: %s', async ([, path, ask]) => {
      await store().append('x', newEvents(2), { expectedRevision: 'any' });
      const error = await failure(ask(store()));
      expect(error).toBeInstanceOf(BadEventStoreRequestError);
      expect(error).toMatchObject({ path });
    });

    it('may carry up to 1,048,576 bytes, of one event or of many, and not one more', async () => {
      const stream = newStream();
      const typeBytes = 'Tested'.length * 2;
      const most = Buffer.alloc(APPEND_BYTES_MAX - typeBytes, 'x');
      await store().append(stream, [newEvent(0, { data: most })], { expectedRevision: 'no-stream' });
      const half = Buffer.alloc(APPEND_BYTES_MAX / 2 - typeBytes, 'x');
      await store().append(
        stream,
        [newEvent(0, { data: half }), newEvent(0, { metadata: half, data: Buffer.alloc(0) })],
        {
          expectedRevision: 0n,
        },
      );
      const over = [newEvent(0, { data: half }), newEvent(0, { data: half, metadata: Buffer.alloc(1) })];
      const error = await failure(store().append(stream, over, { expectedRevision: 2n }));
      expect(error).toBeInstanceOf(AppendTooLargeError);
      expect(error).toMatchObject({ stream, bytes: APPEND_BYTES_MAX + 1, bytesMax: APPEND_BYTES_MAX });
      const read = await collect(store().readStream(stream));
      expect(read.map(event => event.data.length)).toEqual([most.length, half.length, 0]);
      expect(Buffer.from(read[0]?.data ?? []).equals(most)).toBe(true);
      const backwards = await collect(store().readAll({ direction: 'backwards', maxCount: 3 }));
      expect(backwards.map(event => event.revision)).toEqual([2n, 1n, 0n]);
    });
  });

  describe('closing', () => {
    it('finishes what was accepted, ends what follows, and then refuses everything', async () => {
      const { store: closed } = await factory();
      const stream = newStream();
      await closed.append(stream, newEvents(1), { expectedRevision: 'any' });
      const followers = [
        new Follower(signal => closed.subscribeToStream(stream, { after: 'start', signal })),
        new Follower(signal => closed.subscribeToAll({ after: 'start', signal })),
      ];
      for (const follower of followers) await follower.until(seen => seen.caughtUps === 1);
      const accepted = Array.from({ length: 20 }, () =>
        closed.append(stream, newEvents(1), { expectedRevision: 'any' }),
      );
      await closed.close();
      expect((await Promise.all(accepted)).map(({ revision }) => revision)).toEqual(range(1, 21));
      for (const follower of followers) await follower.ended;
      await closed.close();
      const refusals = [
        () => closed.append(stream, newEvents(1), { expectedRevision: 'any' }),
        () => revisions(closed, stream),
        () => collect(closed.readAll()),
        () => closed.streamBounds(stream),
        () => collect(closed.subscribeToAll({ after: 'start' })),
        () => collect(closed.subscribeToStream(stream, { after: 'start' })),
        () => closed.deleteStream(stream, { expectedRevision: 'any' }),
        () => closed.tombstoneStream(stream, { expectedRevision: 'any' }),
        () => closed.setStreamMetadata(stream, {}, { expectedRevision: 'any' }),
        () => closed.getStreamMetadata(stream),
      ];
      for (const refusal of refusals) {
        const answer = (async () => refusal())();
        await expect(answer).rejects.toThrow(UnavailableError);
      }
    });

    it('in the middle of a read ends it with an error that says so, or lets it end', async () => {
      const { store: closed } = await factory();
      const stream = newStream();
      for (let i = 0; i < 20; i++) await closed.append(stream, newEvents(100), { expectedRevision: 'any' });
      const reads = [closed.readStream(stream), closed.readAll()].map(async source => {
        let seen = 0;
        for await (const event of source) {
          seen++;
          if (event.revision === 5n) await closed.close();
        }
        return seen;
      });
      for (const read of await Promise.allSettled(reads)) {
        if (read.status === 'rejected') expect(read.reason).toBeInstanceOf(UnavailableError);
        else expect(read.value).toBeGreaterThanOrEqual(2000);
      }
    });
  });
}
