/** What every part of a projector works with. */
import type { Clock } from '../domain/clock.ts';
import type { ReadStore } from '../read-store/read-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Drops } from './drops.ts';
import type { FeedLimits, FeedSource } from './feed.ts';
import type { Delay, OutageLimits } from './outage.ts';
import type { RunLimits } from './projection-run.ts';

export interface ProjectorLimits extends FeedLimits, RunLimits, OutageLimits {
  /** How long another process that projects is watched, give or take half of it, before this one may take over. */
  readonly standbyMs: number;
  /** How long a generation that was replaced is kept for queries that still read it … */
  readonly dropGraceMs: number;
  /** … and one that holds what was erased, at most. */
  readonly compactedGraceMsMax: number;
  /** A compacting copy is made when no erasure was met for so long … */
  readonly compactionQuietMs: number;
  /** … or so long after the first. */
  readonly compactionDelayMsMax: number;
}

export interface ProjectorParts {
  readonly source: FeedSource;
  readonly readStore: ReadStore;
  readonly log: string;
  readonly clock: Clock;
  readonly delay: Delay;
  /** In [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
  readonly limits: ProjectorLimits;
  readonly drops: Drops;
  /** The projector stops. */
  readonly stopping: AbortSignal;
}
