import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { inStretches } from '../../src/projections/give-way.ts';

const ITEMS = 200;
const ITEM_MS = 0.5;

function busy(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

it('long work is done in order, and lets others have their turns in the middle of it', async () => {
  const done: number[] = [];
  let turns = 0;
  let isOver = false;
  const others = (async () => {
    while (!isOver) {
      await setImmediate();
      turns += 1;
    }
  })();
  await inStretches(
    Array.from({ length: ITEMS }, (_, i) => i),
    item => {
      busy(ITEM_MS);
      done.push(item);
    },
  );
  isOver = true;
  await others;
  expect(done).toEqual(Array.from({ length: ITEMS }, (_, i) => i));
  // A hundred milliseconds in stretches of five.
  expect(turns).toBeGreaterThan(5);
});

it('short work asks for no turn', async () => {
  let isOver = false;
  const working = inStretches([1, 2, 3], () => undefined).then(() => (isOver = true));
  await Promise.resolve();
  await Promise.resolve();
  expect(isOver).toBe(true);
  await working;
});
