/**
 * One process's way to a read store, for tests of what crashes leave: after so many calls it is dead, and every call fails
 * for ever, the last one before or after it took effect. It can be slowed down call by call, too.
 */
import { UnavailableError } from '../../src/errors.ts';
import type { Generation, ReadStore } from '../../src/read-store/read-store.ts';

export interface Mortality {
  /** Calls that succeed. Default: all. */
  callsMax?: number;
  /** The commits alone of them are counted. */
  readonly countsCommitsOnly?: boolean;
  /** The call after the last one takes effect before it fails. */
  readonly lastTakesEffect?: boolean;
  /** Awaited before each call. */
  readonly before?: (call: string) => Promise<void>;
}

const CHANGING = ['commit', 'changeCatalog', 'drop', 'copyCompacted', 'generation'];

export function mortalReadStore(store: ReadStore, mortality: Mortality): ReadStore & { isDead(): boolean } {
  let calls = 0;
  let dead = false;
  const guarded = (name: string, call: () => Promise<unknown>) => async (): Promise<unknown> => {
    await mortality.before?.(name);
    if (dead) throw new UnavailableError('This process is dead.');
    if (mortality.countsCommitsOnly !== true || name === 'commit') calls += 1;
    if (calls > (mortality.callsMax ?? Infinity)) {
      dead = true;
      if (mortality.lastTakesEffect === true && CHANGING.includes(name)) await call();
      throw new UnavailableError('This process died.');
    }
    const result = await call();
    return name === 'generation' ? wrapped(result as Generation) : result;
  };
  const wrapped = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get: (inner, name) => {
        const value: unknown = Reflect.get(inner, name);
        if (typeof value !== 'function' || name === 'trouble') return value;
        return (...given: unknown[]) =>
          guarded(String(name), () => Reflect.apply(value, inner, given) as Promise<unknown>)();
      },
    });
  return Object.assign(Object.create(wrapped(store)) as ReadStore, { isDead: () => dead });
}
