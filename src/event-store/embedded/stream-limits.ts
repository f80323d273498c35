/** The limits that a stream's metadata sets on its reads. */
import { SOFT_DELETED } from '../metadata.ts';
import type { StreamMetadata } from '../event-store.ts';

export interface StreamLimits {
  /** Infinity: soft-deleted. */
  readonly truncateBefore: number;
  readonly maxCount: number;
  readonly maxAgeSeconds: number;
}

export const NO_LIMITS: StreamLimits = { truncateBefore: 0, maxCount: Infinity, maxAgeSeconds: Infinity };

/**
 * The first revision that may be read, by count, truncation and what was scavenged; age is looked at event by event.
 * @param floor scavenging has dropped events below it, which no change of limits brings back
 */
export function firstReadable({
  limits,
  head,
  floor,
}: {
  readonly limits: StreamLimits;
  readonly head: number;
  readonly floor: number;
}): number {
  return Math.min(head + 1, Math.max(floor, limits.truncateBefore, head + 1 - limits.maxCount));
}

export function limitsOf(metadata: StreamMetadata | undefined): StreamLimits {
  if (!metadata) return NO_LIMITS;
  const { truncateBefore, maxCount, maxAgeSeconds } = metadata;
  return {
    truncateBefore: truncateBefore === SOFT_DELETED ? Infinity : Number(truncateBefore ?? 0n),
    maxCount: maxCount !== undefined && maxCount > 0 ? maxCount : Infinity,
    maxAgeSeconds: maxAgeSeconds !== undefined && maxAgeSeconds > 0 ? maxAgeSeconds : Infinity,
  };
}
