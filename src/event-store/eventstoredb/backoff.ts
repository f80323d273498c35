/** Pauses between attempts: a random part of the doubled last bound, so that many nodes do not come back at once. */

/** Bound of the first pause … */
const FIRST_MS = 50;
/** … and of every later one. */
const MAX_MS = 5_000;

/** @param failures in a row so far, at least 1 */
export function backoffMs(failures: number, random: () => number): number {
  return random() * Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(failures, 20));
}

/** Resolves after `ms`, or at once when the signal aborts; never rejects, and leaves no listener behind. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise(resolve => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
