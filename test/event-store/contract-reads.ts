import { describe, expect, it } from 'vitest';
import { StreamNotFoundError } from '../../src/event-store/errors.ts';
import { bodyOf, collect, newEvent, newEvents, newStream, range } from './events.ts';
import type { ContractContext } from './contract.ts';
import type { ReadAllOptions, ReadStreamOptions, RecordedEvent } from '../../src/event-store/event-store.ts';

export function readContract({ store }: ContractContext): void {
  const fill = async (count: number, stream = newStream()): Promise<string> => {
    for (let at = 0; at < count; at += 100) {
      await store().append(stream, newEvents(Math.min(100, count - at)), { expectedRevision: 'any' });
    }
    return stream;
  };
  const read = async (stream: string, options?: ReadStreamOptions): Promise<bigint[]> =>
    (await collect(store().readStream(stream, options))).map(event => event.revision);

  describe('a read of a stream', () => {
    it.for<[string, ReadStreamOptions, bigint[]]>([
      ['is all of it, forwards, unless it says otherwise', {}, range(0, 10)],
      ['goes on from a revision, inclusive', { from: 4n }, range(4, 10)],
      ['ends after its count', { from: 4n, maxCount: 3 }, range(4, 7)],
      ['of more than there is ends with the stream', { from: 8n, maxCount: 100 }, range(8, 10)],
      ['past the end is empty', { from: 10n }, []],
      ['far past the end is empty', { from: 2n ** 62n }, []],
      ['backwards begins at the end', { direction: 'backwards' }, range(0, 10).reverse()],
      ['backwards goes on from a revision, inclusive', { direction: 'backwards', from: 3n }, [3n, 2n, 1n, 0n]],
      ['backwards ends after its count', { direction: 'backwards', from: 'end', maxCount: 2 }, [9n, 8n]],
      ['backwards from past the end begins at the end', { direction: 'backwards', from: 99n, maxCount: 1 }, [9n]],
      ['backwards from the start is the first event', { direction: 'backwards', from: 'start' }, [0n]],
    ])('%s', async ([, options, expected]) => {
      expect(await read(await fill(10), options)).toEqual(expected);
    });

    it('of a thousand and one events brings every one, both ways', async () => {
      const stream = await fill(1001);
      expect(await read(stream)).toEqual(range(0, 1001));
      expect(await read(stream, { direction: 'backwards' })).toEqual(range(0, 1001).reverse());
      expect(await read(stream, { from: 255n, maxCount: 258 })).toEqual(range(255, 513));
    });

    it('that is left early leaves nothing behind that disturbs the next', async () => {
      const stream = await fill(600);
      for await (const event of store().readStream(stream)) if (event.revision === 3n) break;
      expect(await read(stream, { maxCount: 1 })).toEqual([0n]);
    });

    it('of a stream that never was says so', async () => {
      const stream = newStream();
      await expect(read(stream)).rejects.toThrow(StreamNotFoundError);
      await expect(read(stream, { direction: 'backwards' })).rejects.toThrow(StreamNotFoundError);
      expect(await store().streamBounds(stream)).toEqual({ first: 0n, head: -1n });
    });

    it('has bounds that say what can be read', async () => {
      expect(await store().streamBounds(await fill(7))).toEqual({ first: 0n, head: 6n });
    });
  });

  describe('a read of all streams', () => {
    /** Three streams of one prefix, written in turns: a0 b0 c0 a1 b1 c1 … */
    const interleaved = async () => {
      const prefix = newStream('woven');
      const streams = ['a', 'b', 'c'].map(letter => `${prefix}${letter}`);
      for (let turn = 0; turn < 5; turn++) {
        for (const stream of streams) {
          const type = turn % 2 === 0 ? `${prefix}Even` : `${prefix}Odd`;
          await store().append(stream, [newEvent(turn, { type })], { expectedRevision: 'any' });
        }
      }
      const readAll = (options: ReadAllOptions = {}): Promise<RecordedEvent[]> =>
        collect(store().readAll({ filter: { by: 'stream', prefixes: [prefix] }, ...options }));
      return { prefix, streams, readAll };
    };
    const names = (prefix: string, events: readonly RecordedEvent[]): string[] =>
      events.map(event => `${event.stream.slice(prefix.length)}${event.revision}`);
    const WOVEN = ['a0', 'b0', 'c0', 'a1', 'b1', 'c1', 'a2', 'b2', 'c2', 'a3', 'b3', 'c3', 'a4', 'b4', 'c4'];

    it('is in the order of the appends, at strictly increasing positions, and the reverse of it backwards', async () => {
      const { prefix, readAll } = await interleaved();
      const forwards = await readAll();
      expect(names(prefix, forwards)).toEqual(WOVEN);
      forwards.forEach((event, i) => {
        if (i > 0) expect(event.position).toBeGreaterThan(forwards[i - 1]?.position ?? -1n);
      });
      const backwards = await readAll({ direction: 'backwards' });
      expect(names(prefix, backwards)).toEqual(WOVEN.toReversed());
      expect(backwards.map(event => event.position)).toEqual(forwards.map(event => event.position).reverse());
    });

    it('from a position is inclusive forwards and exclusive backwards, at every event', async () => {
      const { prefix, readAll } = await interleaved();
      const events = await readAll();
      for (const [i, { position }] of events.entries()) {
        expect(names(prefix, await readAll({ from: position }))).toEqual(WOVEN.slice(i));
        expect(names(prefix, await readAll({ from: position, direction: 'backwards' }))).toEqual(
          WOVEN.slice(0, i).toReversed(),
        );
      }
    });

    it('counts what passes the filter, both ways', async () => {
      const { prefix, readAll } = await interleaved();
      expect(names(prefix, await readAll({ maxCount: 4 }))).toEqual(WOVEN.slice(0, 4));
      expect(names(prefix, await readAll({ maxCount: 4, direction: 'backwards' }))).toEqual(
        WOVEN.toReversed().slice(0, 4),
      );
    });

    it('passes events by prefixes of their stream or of their type', async () => {
      const { prefix, streams, readAll } = await interleaved();
      const two = streams.slice(0, 2);
      expect(names(prefix, await readAll({ filter: { by: 'stream', prefixes: two } }))).toEqual(
        WOVEN.filter(name => !name.startsWith('c')),
      );
      const odd = await readAll({ filter: { by: 'type', prefixes: [`${prefix}Odd`] } });
      expect(names(prefix, odd)).toEqual(WOVEN.filter(name => name.endsWith('1') || name.endsWith('3')));
      expect(await readAll({ filter: { by: 'type', prefixes: [`${prefix}None`] } })).toEqual([]);
      const byNameAndMore = [prefix, `${prefix}a and more`];
      expect(names(prefix, await readAll({ filter: { by: 'stream', prefixes: byNameAndMore } }))).toEqual(WOVEN);
    });

    it('from its ends: all or nothing', async () => {
      const { prefix, readAll } = await interleaved();
      expect(names(prefix, await readAll({ from: 'start' }))).toEqual(WOVEN);
      expect(await readAll({ from: 'end' })).toEqual([]);
      expect(names(prefix, await readAll({ from: 'end', direction: 'backwards' }))).toEqual(WOVEN.toReversed());
      expect(await readAll({ from: 'start', direction: 'backwards' })).toEqual([]);
      expect(await readAll({ from: 2n ** 52n })).toEqual([]);
      expect(names(prefix, await readAll({ from: 2n ** 52n, direction: 'backwards' }))).toEqual(WOVEN.toReversed());
    });

    it('shows the events of an append next to each other, in order', async () => {
      const stream = newStream();
      await Promise.all(
        Array.from({ length: 20 }, () => store().append(stream, newEvents(5), { expectedRevision: 'any' })),
      );
      const bodies = (await collect(store().readAll({ filter: { by: 'stream', prefixes: [stream] } }))).map(bodyOf);
      expect(bodies).toEqual(Array.from({ length: 100 }, (_, i) => i % 5));
    });
  });
}
