/**
 * The projector: keeps every projection up to date (live-group.ts), builds new generations beside them (rebuild.ts), and
 * compares them with the log (verify.ts). One a process; several processes may have one, and then one of them projects at a
 * time, by the compare-and-set of its checkpoint.
 */
import { RequestError, UnavailableError } from '../errors.ts';
import type { Checkpoint } from '../read-store/read-store.ts';
import { Compactions } from './compaction.ts';
import { Drops } from './drops.ts';
import type { FeedSource } from './feed.ts';
import { LagMeter } from './lag.ts';
import { LiveGroup } from './live-group.ts';
import { LiveProjection } from './live-projection.ts';
import type { ProjectorLimits, ProjectorParts } from './parts.ts';
import type { Projection } from './projection.ts';
import type { ProjectionStatus, ProjectionWork, RebuildResult, VerifyResult, WorkOptions } from './projection-work.ts';
import { rebuildProjection } from './rebuild.ts';
import { verifyProjection } from './verify.ts';

export type {
  ProjectionStatus,
  ProjectionWork,
  RebuildResult,
  VerifyResult,
  WorkOptions,
  WorkProgress,
} from './projection-work.ts';

const MIB = 1_048_576;

const PROJECTOR_LIMITS: ProjectorLimits = {
  batchEventsMax: 1_000,
  batchBytesMax: 4 * MIB,
  documentsHeldMax: 2_000,
  bytesHeldMax: 32 * MIB,
  parkedMax: 1_000,
  retryDelayMs: 100,
  retryDelayMsMax: 10_000,
  standbyMs: 2_000,
  dropGraceMs: 30_000,
  compactedGraceMsMax: 3_000,
  compactionQuietMs: 500,
  compactionDelayMsMax: 30_000,
};

export type CheckpointListener = (name: string, generation: number, checkpoint: Checkpoint) => void;

export interface ProjectorOptions
  extends
    Omit<FeedSource, 'limits'>,
    Pick<ProjectorParts, 'readStore' | 'log' | 'clock' | 'delay' | 'random' | 'logger'> {
  readonly projections: readonly Projection[];
  /** What is not given is as it is by default. */
  readonly limits?: Partial<ProjectorLimits>;
}

export interface Projector extends ProjectionWork {
  /** Resolves at once; stores that are away are waited for in the background. */
  start(): Promise<void>;
  /** Resolves when nothing is under way. What is not committed is folded again at the next start. */
  stop(): Promise<void>;
  /** Of what answers queries: after each commit, and when another generation took its place. */
  onCheckpoint(listener: CheckpointListener): void;
}

export function createProjector(options: ProjectorOptions): Projector {
  return new InProcessProjector(options);
}

class InProcessProjector implements Projector {
  private readonly stopped = new AbortController();
  private readonly parts: ProjectorParts;
  private readonly lag: LagMeter;
  private readonly projections: readonly LiveProjection[];
  private readonly group: LiveGroup;
  private readonly compactions: Compactions;
  private readonly listeners: CheckpointListener[] = [];
  private readonly works = new Set<Promise<unknown>>();
  private running: Promise<void> | undefined;

  constructor({ projections, limits, store, open, openTenant, keys, ...rest }: ProjectorOptions) {
    const all = { ...PROJECTOR_LIMITS, ...limits };
    const stopping = this.stopped.signal;
    this.parts = {
      ...rest,
      ...{ source: { store, open, openTenant, keys, limits: all }, limits: all, stopping },
      drops: new Drops({ ...rest, signal: stopping }),
    };
    this.lag = new LagMeter(store);
    const hooks = {
      onCheckpoint: (name: string, generation: number, checkpoint: Checkpoint) => {
        for (const listener of this.listeners) listener(name, generation, checkpoint);
      },
      onUnfinished: (live: LiveProjection) => {
        this.finish(live);
      },
      onCompactionOwed: (live: LiveProjection) => {
        this.compactions.owe(live);
      },
    };
    this.projections = projections.map(projection => new LiveProjection(this.parts, projection, hooks));
    this.group = new LiveGroup(this.parts, this.projections, this.lag);
    this.compactions = new Compactions(this.parts, () => this.group.regroup());
  }

  async start(): Promise<void> {
    this.running ??= this.group.run();
  }

  async stop(): Promise<void> {
    this.stopped.abort(new UnavailableError('The projector is stopping.'));
    await this.running;
    await Promise.allSettled(this.works);
    await this.compactions.settled();
    await this.parts.drops.settled();
  }

  onCheckpoint(listener: CheckpointListener): void {
    this.listeners.push(listener);
  }

  status(): readonly ProjectionStatus[] {
    return this.projections.map(live => live.status((checkpoint, nowMs) => this.lag.behind(checkpoint, nowMs)));
  }

  rebuild(name: string, options: WorkOptions = {}): Promise<RebuildResult> {
    return this.begin(name, 'rebuild', async live => {
      const result = await rebuildProjection(this.parts, live, options);
      this.group.regroup();
      return result;
    });
  }

  verify(name: string, options: WorkOptions = {}): Promise<VerifyResult> {
    return this.begin(name, 'verify', live => verifyProjection(this.parts, live, options));
  }

  private async begin<Result>(
    name: string,
    work: 'rebuild' | 'verify',
    run: (live: LiveProjection) => Promise<Result>,
  ): Promise<Result> {
    const live = this.projections.find(projection => projection.name === name);
    if (live === undefined) throw new RequestError('not-found', `There is no projection ${name}.`);
    if (live.work !== undefined) throw new RequestError('in-flight', `A ${live.work} of ${name} is under way.`);
    live.work = work;
    const running = run(live).finally(() => (live.work = undefined));
    this.works.add(running);
    try {
      return await running;
    } finally {
      this.works.delete(running);
    }
  }

  /** A build that is owed, in the background: of a former life, or of a version that is older than the code. */
  private finish(live: LiveProjection): void {
    if (live.work !== undefined) return;
    this.rebuild(live.name).catch((error: unknown) => {
      if (this.stopped.signal.aborted) return;
      this.parts.logger.error('a read model could not be rebuilt', { projection: live.name, error });
      if (live.run === undefined && live.state !== 'standby') live.stop(error);
    });
  }
}
