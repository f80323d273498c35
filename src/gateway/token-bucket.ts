import type { Clock } from '../domain/clock.ts';

/** As many at once as there are in a second. */
const WINDOW_MS = 1_000;
/** What rounding may add up to over a full bucket. */
const ROUNDING_MS = 1e-6;

/** Allows `perSecond` on average and as many at once, on an injected clock. One number says how full it is (GCRA). */
export class TokenBucket {
  private readonly perSecond: number;
  private readonly clock: Clock;
  /** When the bucket is full again. */
  private fullAt = 0;

  constructor(perSecond: number, clock: Clock) {
    this.perSecond = perSecond;
    this.clock = clock;
  }

  /** 0: taken. Otherwise nothing was taken, and so many ms pass until there is one. */
  take(): number {
    const now = this.clock.now();
    // A clock that went back must not empty the bucket for longer than filling it takes.
    const fullAt = Math.min(Math.max(this.fullAt, now), now + WINDOW_MS) + WINDOW_MS / this.perSecond;
    const waitMs = fullAt - now - WINDOW_MS;
    if (waitMs > ROUNDING_MS) return Math.ceil(waitMs);
    this.fullAt = fullAt;
    return 0;
  }
}
