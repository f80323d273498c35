/** The thread that projects, of the built product: a thread of its own is not given the loader of TypeScript. */
import type { startProjectionThread } from '../../src/cli/projection-thread.ts';

interface Built {
  readonly startProjectionThread: typeof startProjectionThread;
}

/** @throws Error where the product is not built: `npm run bench` builds it */
export async function builtProjectionThread(): Promise<typeof startProjectionThread> {
  const file = new URL('../../dist/cli/projection-thread.js', import.meta.url).href;
  return ((await import(file)) as Built).startProjectionThread;
}
