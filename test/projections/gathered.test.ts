import { describe, expect, it } from 'vitest';
import type { FoldInput } from '../../src/projections/fold-commit.ts';
import { gathered } from '../../src/projections/gathered.ts';
import type { EventsItem } from '../../src/projections/gathered.ts';

type Item = EventsItem | { readonly kind: 'erasure' | 'caught-up' };

const input = (bytes = 1) => ({ bytes }) as FoldInput;
const events = (count: number, bytes = 1): Item => ({
  kind: 'events',
  inputs: Array.from({ length: count }, () => input(bytes)),
});
const shapeOf = (item: Item): number | string => (item.kind === 'events' ? item.inputs.length : item.kind);
const LIMITS = { batchEventsMax: 10, batchBytesMax: 1_000 };

/** Lets everything happen that waits for nothing else. */
const settle = () => new Promise(resolve => setImmediate(resolve));

/** A source that gives what it has, and then waits until more is given or it ends. */
function sourceOf(items: Item[]) {
  const ended = new AbortController();
  let given = 0;
  let wake = (): void => undefined;
  ended.signal.addEventListener('abort', () => wake());
  async function* source(): AsyncGenerator<Item> {
    while (!ended.signal.aborted) {
      const next = items.shift();
      if (next === undefined) await new Promise<void>(resolve => (wake = resolve));
      else {
        given += 1;
        yield next;
      }
    }
  }
  return {
    ended,
    items: source(),
    given: () => given,
    more: (...next: Item[]) => {
      items.push(...next);
      wake();
    },
  };
}

describe('A feed that is gathered', () => {
  it('gives at once what there is, and as one batch what came while that was worked on, once it has caught up', async () => {
    const source = sourceOf([{ kind: 'caught-up' }]);
    const feed = gathered(source.items, LIMITS, source.ended);
    await feed.next();
    const first = feed.next();
    await settle();
    source.more(events(2));
    expect(shapeOf((await first).value as Item)).toBe(2);
    source.more(events(3));
    await settle();
    source.more(events(4));
    await settle();
    expect(shapeOf((await feed.next()).value as Item)).toBe(7);
    await feed.return(undefined);
  });

  it('waits for a whole batch while there is more of the log to be read', async () => {
    const source = sourceOf([events(3), events(3)]);
    const feed = gathered(source.items, LIMITS, source.ended);
    const first = feed.next();
    await settle();
    source.more(events(3), events(3), events(2), { kind: 'caught-up' });
    expect(shapeOf((await first).value as Item)).toBe(9);
    expect(shapeOf((await feed.next()).value as Item)).toBe(5);
    expect(shapeOf((await feed.next()).value as Item)).toBe('caught-up');
    await feed.return(undefined);
  });

  it('waits for none once so few events come at a time that they are what is written meanwhile', async () => {
    const source = sourceOf([events(100), events(100)]);
    const feed = gathered(source.items, { batchEventsMax: 1_000, batchBytesMax: 10_000 }, source.ended);
    const first = feed.next();
    await settle();
    source.more(events(10));
    expect(shapeOf((await first).value as Item)).toBe(210);
    source.more(events(100));
    expect(shapeOf((await feed.next()).value as Item)).toBe(100);
    await feed.return(undefined);
  });

  it('takes no more than a batch and an item ahead, by events or by bytes', async () => {
    const cases: readonly (readonly [Item, number])[] = [
      [events(4), 8],
      [events(1, 400), 2],
    ];
    for (const [one, batch] of cases) {
      const source = sourceOf(Array.from({ length: 20 }, () => one));
      const feed = gathered(source.items, LIMITS, source.ended);
      await feed.next();
      await settle();
      const given = source.given();
      expect(given).toBeLessThanOrEqual(5);
      expect(shapeOf((await feed.next()).value as Item)).toBe(batch);
      await feed.return(undefined);
    }
  });

  it('joins nothing over an erasure or the end of the log, and keeps the order', async () => {
    const [erasure, end] = [{ kind: 'erasure' }, { kind: 'caught-up' }] as const;
    const source = sourceOf([events(1), events(1), erasure, events(1), events(2), end, events(1)]);
    const feed = gathered(source.items, LIMITS, source.ended);
    const shapes: (number | string)[] = [];
    for await (const item of feed) {
      shapes.push(shapeOf(item));
      await settle();
      if (shapes.length === 5) break;
    }
    expect(shapes).toEqual([2, 'erasure', 3, 'caught-up', 1]);
  });

  it('fails as its source does, once everything before was passed on', async () => {
    async function* failing(): AsyncGenerator<Item> {
      yield events(1);
      yield events(2);
      await settle();
      throw new TypeError('It cannot be opened.');
    }
    const feed = gathered(failing(), LIMITS, new AbortController());
    await settle();
    const shapes: (number | string)[] = [];
    await expect(
      (async () => {
        for await (const item of feed) {
          shapes.push(shapeOf(item));
          await settle();
          await settle();
        }
      })(),
    ).rejects.toThrow('It cannot be opened.');
    expect(shapes).toEqual([3]);
  });

  it('ends what its source waits for when it is left', async () => {
    const source = sourceOf([{ kind: 'caught-up' }, events(1)]);
    for await (const item of gathered(source.items, LIMITS, source.ended)) if (shapeOf(item) === 1) break;
    expect(source.ended.signal.aborted).toBe(true);
    expect(await source.items.next()).toEqual({ done: true, value: undefined });
  });
});
