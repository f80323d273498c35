/**
 * The log of requests that failed. What is not available is the state of a disk or of another server, which all requests
 * meet alike as long as it lasts: it is told once, and once again every so often with how many met it. Each request has a
 * line of its own besides, with its status.
 */
import type { Clock } from '../domain/clock.ts';
import type { LogFields, Logger } from '../telemetry/logger.ts';

const AGAIN_MS = 10_000;
/** Reasons told apart; there are few, since they name no request. */
const REASONS_MAX = 20;

interface Told {
  readonly atMs: number;
  /** Since then. */
  more: number;
}

export class FailureLog {
  private readonly logger: Pick<Logger, 'warn' | 'error'>;
  private readonly clock: Clock;
  private readonly told = new Map<string, Told>();

  constructor(logger: Pick<Logger, 'warn' | 'error'>, clock: Clock) {
    this.logger = logger;
    this.clock = clock;
  }

  /** A bug: always, whole. */
  failed(fields: LogFields): void {
    this.logger.error('a request failed', fields);
  }

  unavailable(reason: string, fields: LogFields): void {
    const told = this.told.get(reason);
    const now = this.clock.now();
    if (told !== undefined && Math.abs(now - told.atMs) < AGAIN_MS) {
      told.more += 1;
      return;
    }
    if (this.told.size >= REASONS_MAX) this.told.clear();
    this.told.set(reason, { atMs: now, more: 0 });
    const more = told === undefined || told.more === 0 ? {} : { notTold: told.more };
    this.logger.warn('a request failed', { ...fields, ...more });
  }
}
