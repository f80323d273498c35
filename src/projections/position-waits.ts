/**
 * Queries that wait until a projection's checkpoint has reached a position. Whoever projects says so (`note`); where that
 * is another process, one look at the checkpoint every POLL_MS serves all who wait.
 */
import { RequestError } from '../errors.ts';
import type { Timers } from '../gateway/timers.ts';

export interface PositionWaitLimits {
  /** How long a query waits. */
  readonly waitMsMax: number;
  /** How many may wait at once, for all projections together. */
  readonly waitingMax: number;
}

interface Waiting {
  readonly position: number;
  readonly wake: () => void;
}

/** Of one projection. */
interface Line {
  /** The highest position it was said to have reached. */
  noted: number;
  readonly waiting: Set<Waiting>;
  stopPolling: (() => void) | undefined;
}

/** How long a caller had better wait before it asks again for a position that was not reached. */
const RETRY_AFTER_MS = 1_000;
const POLL_MS = 100;

export class PositionWaits {
  private readonly timers: Timers;
  private readonly limits: PositionWaitLimits;
  private readonly lines = new Map<string, Line>();
  private waiting = 0;

  constructor(timers: Timers, limits: PositionWaitLimits) {
    this.timers = timers;
    this.limits = limits;
  }

  note(projection: string, position: number): void {
    const line = this.lineOf(projection);
    line.noted = Math.max(line.noted, position);
    for (const waiting of line.waiting) if (waiting.position <= position) waiting.wake();
  }

  /**
   * Until `look`, the checkpoint's position, gives at least `position`. A look that fails is one that shows nothing yet.
   *
   * @throws RequestError `unavailable` after waitMsMax, and at once where waitingMax wait already; the signal's reason
   */
  async until(
    projection: string,
    position: number,
    look: () => Promise<number>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.waiting >= this.limits.waitingMax)
      throw new RequestError('unavailable', 'Too many queries are waiting.', { retryAfterMs: RETRY_AFTER_MS });
    this.waiting += 1;
    const line = this.lineOf(projection);
    const state = { late: false };
    let wake = (): void => undefined;
    const stopTimer = this.timers.after(this.limits.waitMsMax, () => {
      state.late = true;
      wake();
    });
    try {
      for (;;) {
        signal?.throwIfAborted();
        const { noted } = line;
        if ((await look().catch(() => -1)) >= position) return;
        if (state.late) throw notYet(position);
        // What was noted during the look may be what it did not see.
        if (line.noted > noted && line.noted >= position) continue;
        await this.wokenIn(line, position, look, signal, given => (wake = given));
      }
    } finally {
      stopTimer();
      this.waiting -= 1;
    }
  }

  private async wokenIn(
    line: Line,
    position: number,
    look: () => Promise<number>,
    signal: AbortSignal | undefined,
    onWake: (wake: () => void) => void,
  ): Promise<void> {
    let leave = (): void => undefined;
    const woken = new Promise<void>(resolve => {
      const waiting: Waiting = { position, wake: resolve };
      line.waiting.add(waiting);
      leave = () => line.waiting.delete(waiting);
      onWake(resolve);
      signal?.addEventListener(
        'abort',
        () => {
          resolve();
        },
        { once: true },
      );
    });
    this.poll(line, look);
    await woken;
    leave();
    if (line.waiting.size > 0) return;
    line.stopPolling?.();
    line.stopPolling = undefined;
  }

  /** With the look of whoever began to wait: all of them look at the same checkpoint. */
  private poll(line: Line, look: () => Promise<number>): void {
    line.stopPolling ??= this.timers.every(POLL_MS, () => {
      look().then(
        reached => {
          for (const waiting of line.waiting) if (waiting.position <= reached) waiting.wake();
        },
        () => undefined,
      );
    });
  }

  private lineOf(projection: string): Line {
    const known = this.lines.get(projection);
    if (known) return known;
    const made: Line = { noted: -1, waiting: new Set(), stopPolling: undefined };
    this.lines.set(projection, made);
    return made;
  }
}

function notYet(position: number): RequestError {
  return new RequestError('unavailable', `Position ${position} is not in the read model yet.`, {
    path: 'minPosition',
    retryAfterMs: RETRY_AFTER_MS,
  });
}
