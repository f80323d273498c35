/** Read stores that are watched or bounded by a test, around any other one. */
import type { ReadStore } from '../../src/read-store/read-store.ts';

export function withLimits(store: ReadStore, limits: ReadStore['limits']): ReadStore {
  return new Proxy(store, { get: (inner, name) => (name === 'limits' ? limits : bound(inner, name)) });
}

function bound(inner: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(inner, name);
  return typeof value === 'function' ? (value as (...given: unknown[]) => unknown).bind(inner) : value;
}

type Commit = Parameters<Awaited<ReturnType<ReadStore['generation']>>['commit']>[0];

/** `around` stands between the projector and every commit. */
export function interceptedCommits(
  store: ReadStore,
  around: (run: () => Promise<unknown>, change: Commit) => Promise<unknown>,
): ReadStore {
  return new Proxy(store, {
    get: (inner, name) => {
      if (name !== 'generation') return bound(inner, name);
      return async (...given: Parameters<ReadStore['generation']>) =>
        new Proxy(await inner.generation(...given), {
          get: (generation, method) =>
            method === 'commit'
              ? (change: Commit) => around(() => generation.commit(change), change)
              : bound(generation, method),
        });
    },
  });
}

export function recordingWrites(store: ReadStore, writes: string[]): ReadStore {
  return interceptedCommits(store, (run, change) => {
    writes.push(...change.writes.map(({ collection, id }) => `${collection} ${id}`));
    return run();
  });
}

export function recordingSizes(store: ReadStore, sizes: number[]): ReadStore {
  return interceptedCommits(store, (run, change) => {
    sizes.push(change.writes.length);
    return run();
  });
}
