import type { Clock } from '../domain/clock.ts';

/** Allows `perSecond` on average and as many at once, on an injected clock. */
export class TokenBucket {
  private readonly perSecond: number;
  private readonly clock: Clock;
  private tokens: number;
  private filledAt: number;

  constructor(perSecond: number, clock: Clock) {
    this.perSecond = perSecond;
    this.clock = clock;
    this.tokens = perSecond;
    this.filledAt = clock.now();
  }

  /** 0: taken. Otherwise nothing was taken, and so many ms pass until there is one. */
  take(): number {
    const now = this.clock.now();
    const passedMs = Math.max(0, now - this.filledAt);
    this.tokens = Math.min(this.perSecond, this.tokens + (passedMs * this.perSecond) / 1_000);
    this.filledAt = now;
    if (this.tokens < 1) return Math.ceil(((1 - this.tokens) * 1_000) / this.perSecond);
    this.tokens -= 1;
    return 0;
  }
}
