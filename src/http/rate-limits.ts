/**
 * How many requests a second a tenant, and each user or API key of it, may make on this node. Buckets are kept for as
 * many as ask; the one that was used longest ago is dropped first. A bucket that was not used for a second is full, so
 * dropping it changes nothing as long as fewer than `BUCKETS_MAX` ask within a second.
 */
import type { Claims } from '../domain/claims.ts';
import type { Clock } from '../domain/clock.ts';
import { RequestError } from '../errors.ts';
import { TokenBucket } from '../gateway/token-bucket.ts';

export interface RateLimitBounds {
  readonly tenantRequestsPerSecond: number;
  readonly userRequestsPerSecond: number;
}

const BUCKETS_MAX = 20_000;

export class RateLimits {
  private readonly bounds: RateLimitBounds;
  private readonly clock: Clock;
  /** In the order of use, the oldest first. */
  private readonly buckets = new Map<string, TokenBucket>();
  private refused = 0;

  constructor(bounds: RateLimitBounds, clock: Clock) {
    this.bounds = bounds;
    this.clock = clock;
  }

  /** Counts one request. @throws RequestError `rate-limited` */
  admit({ tenant, sub }: Claims): void {
    const { tenantRequestsPerSecond, userRequestsPerSecond } = this.bounds;
    // The user first: what is refused to one must not use up what the others of its tenant have.
    this.take(`${tenant}\n${sub}`, userRequestsPerSecond, 'This user or key');
    this.take(tenant, tenantRequestsPerSecond, 'This tenant');
  }

  /** Refusals since the start. */
  stats(): { readonly refused: number } {
    return { refused: this.refused };
  }

  private take(name: string, perSecond: number, who: string): void {
    const bucket = this.buckets.get(name) ?? new TokenBucket(perSecond, this.clock);
    this.buckets.delete(name);
    this.buckets.set(name, bucket);
    const oldest = this.buckets.size > BUCKETS_MAX ? this.buckets.keys().next().value : undefined;
    if (oldest !== undefined) this.buckets.delete(oldest);
    const retryAfterMs = bucket.take();
    if (retryAfterMs === 0) return;
    this.refused += 1;
    throw new RequestError('rate-limited', `${who} makes more than ${perSecond} requests a second.`, { retryAfterMs });
  }
}
