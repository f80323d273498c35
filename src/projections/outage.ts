/**
 * A store that is away, from its first failure to its return: a line in the log at either end, and between them attempts
 * after exponentially growing pauses with full jitter, for ever.
 */
import type { Clock } from '../domain/clock.ts';
import { UnavailableError } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';

/** Resolves after so many ms, or when the signal aborts. */
export type Delay = (ms: number, signal?: AbortSignal) => Promise<void>;

export interface OutageLimits {
  /** Bound of the first pause; it doubles with each … */
  readonly retryDelayMs: number;
  /** … up to this one. */
  readonly retryDelayMsMax: number;
}

export interface OutageOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly delay: Delay;
  readonly logger: Logger;
  readonly limits: OutageLimits;
}

/** 2^20 times any delay is beyond every bound. */
const DOUBLINGS_MAX = 20;

export class Outage {
  private readonly options: OutageOptions;
  /** What stands still, for the log. */
  private readonly what: Readonly<Record<string, unknown>>;
  private retries = 0;
  private sinceMs = 0;

  constructor(options: OutageOptions, what: Readonly<Record<string, unknown>>) {
    this.options = options;
    this.what = what;
  }

  /** Waits until it is time to try again. */
  async failed(error: Error, signal: AbortSignal): Promise<void> {
    const { clock, random, delay, logger, limits } = this.options;
    if (this.retries === 0) {
      this.sinceMs = clock.now();
      logger.warn('projecting waits for a store that is away', { ...this.what, error });
    }
    const bound = limits.retryDelayMs * 2 ** Math.min(this.retries, DOUBLINGS_MAX);
    this.retries += 1;
    await delay(random() * Math.min(bound, limits.retryDelayMsMax), signal);
  }

  /** Until it succeeds, or fails otherwise. @throws the signal's reason */
  async through<Result>(signal: AbortSignal, attempt: () => Promise<Result>): Promise<Result> {
    for (;;) {
      signal.throwIfAborted();
      try {
        const result = await attempt();
        this.over();
        return result;
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error;
        signal.throwIfAborted();
        await this.failed(error, signal);
      }
    }
  }

  /** Something went well. */
  over(): void {
    if (this.retries === 0) return;
    const { clock, logger } = this.options;
    const ms = clock.now() - this.sinceMs;
    logger.info('projecting goes on', { ...this.what, ms, retries: this.retries });
    this.retries = 0;
  }
}
