/**
 * Long work in stretches of a few milliseconds, between which everything else in the thread gets its turn: a rebuild folds
 * batches of thousands of events, and what follows the log meanwhile must stay close behind it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Of one stretch, about. */
const STRETCH_MS = 5;

/** Each item in turn; between two of them, where the stretch has been long enough, a turn for others. */
export async function inStretches<Item>(items: Iterable<Item>, work: (item: Item) => void): Promise<void> {
  let begunMs = performance.now();
  for (const item of items) {
    if (performance.now() - begunMs > STRETCH_MS) {
      await nextTurn();
      begunMs = performance.now();
    }
    work(item);
  }
}
