/** Loads that come by the clock, whatever became of what came before. */
import { closeSync, fdatasync, openSync, write } from 'node:fs';
import { promisify } from 'node:util';

const writeOne = promisify(write);
const sync = promisify(fdatasync);

/** Starts operations by the clock, late ones at once; a latency counts from when it was due. Ascending. */
export async function openLoop(
  one: (i: number) => Promise<unknown>,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): Promise<number[]> {
  const latencies: number[] = [];
  const total = seconds * perSecond;
  const started = performance.now();
  const pending: Promise<void>[] = [];
  for (let i = 0; i < total;) {
    const due = Math.min(total, Math.floor(((performance.now() - started) / 1000) * perSecond));
    for (; i < due; i++) {
      const dueAt = started + (i / perSecond) * 1000;
      pending.push(one(i).then(() => void latencies.push(performance.now() - dueAt)));
    }
    await new Promise(resolve => setTimeout(resolve, 1));
  }
  await Promise.all(pending);
  return latencies.sort((a, b) => a - b);
}

/** The least a durable append can be: one write and one fdatasync each, one after the other, to a file of its own. */
export function bareAppends(file: string): { readonly one: () => Promise<void>; readonly close: () => void } {
  const fd = openSync(file, 'w');
  const bytes = Buffer.alloc(700, 1);
  let last = Promise.resolve();
  return {
    one: () =>
      (last = last.then(async () => {
        await writeOne(fd, bytes, 0, bytes.length, null);
        await sync(fd);
      })),
    close: () => {
      closeSync(fd);
    },
  };
}
