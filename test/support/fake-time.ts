/** A clock and timers that stand still until a test moves them. */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../src/domain/clock.ts';
import type { Timers } from '../../src/gateway/timers.ts';

interface Pending {
  at: number;
  readonly every: number | undefined;
  readonly run: () => void;
}

export class FakeTime implements Clock, Timers {
  private current: number;
  private readonly pending = new Set<Pending>();

  constructor(start = Date.UTC(2026, 0, 1)) {
    this.current = start;
  }

  now(): number {
    return this.current;
  }

  after(ms: number, run: () => void): () => void {
    return this.add({ at: this.current + ms, every: undefined, run });
  }

  every(ms: number, run: () => void): () => void {
    return this.add({ at: this.current + ms, every: ms, run });
  }

  private add(pending: Pending): () => void {
    this.pending.add(pending);
    return () => this.pending.delete(pending);
  }

  /** Runs what falls due, in order of time, and lets what it started settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.current + ms;
    for (;;) {
      const next = [...this.pending].sort((a, b) => a.at - b.at)[0];
      if (!next || next.at > end) break;
      this.current = Math.max(this.current, next.at);
      if (next.every === undefined) this.pending.delete(next);
      else next.at += next.every;
      next.run();
      await setImmediate();
    }
    this.current = end;
    await turns(5);
  }
}

/** Lets what is under way go on for so many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await setImmediate();
}

/** Lets turns pass until it holds. @throws Error when it does not within 20,000 */
export async function until(holds: () => boolean, what = 'the condition'): Promise<void> {
  for (let i = 0; i < 20_000; i++) {
    if (holds()) return;
    await setImmediate();
  }
  throw new Error(`${what} did not come to hold.`);
}
