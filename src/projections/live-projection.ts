/**
 * One projection as this process keeps it up to date: what it stands at, and, while it runs, its run in the generation
 * that answers queries. A `turn` is held by whoever works on that generation: a batch, a compacting copy, and whoever wants
 * it to stand still for a moment.
 *
 *   catching-up  -- caught up -->             live
 *   any          -- a store is away -->       retrying  -- it answers -->                 catching-up
 *   running      -- stale commit -->          standby   -- the checkpoint stands still --> catching-up
 *   any          -- code of a newer shape --> standby   -- it is gone again -->            catching-up
 *   running      -- poison beyond bounds, or an event that cannot be opened --> stopped, until a restart
 */
import { UnavailableError } from '../errors.ts';
import type { CatalogEntry, Checkpoint } from '../read-store/read-store.ts';
import { ProjectionCatalog } from './catalog.ts';
import type { FeedItem } from './feed.ts';
import type { Lag } from './lag.ts';
import { storedSchema } from './parking.ts';
import type { ProjectorParts } from './parts.ts';
import type { ProjectionStatus } from './projection-work.ts';
import { openRun } from './projection-run.ts';
import type { ProjectionRun } from './projection-run.ts';
import type { Projection } from './projection.ts';
import { Turns } from './turns.ts';

export interface LiveProjectionHooks {
  readonly onCheckpoint: (name: string, generation: number, checkpoint: Checkpoint) => void;
  /** A build was broken off, or the code is newer than what answers: to be built in the background. */
  readonly onUnfinished: (live: LiveProjection) => void;
  /** Something is to be purged, or was and is not compacted yet. */
  readonly onCompactionOwed: (live: LiveProjection) => void;
}

/** What an entry of the catalog lets this code do. */
type Standing = 'ours' | 'newer' | 'older';

export class LiveProjection {
  readonly projection: Projection;
  readonly catalog: ProjectionCatalog;
  readonly turns = new Turns();
  /** What an operator, or a start, asked for. One at a time. */
  work: 'rebuild' | 'verify' | undefined;
  state: ProjectionStatus['state'] = 'catching-up';
  private reason: string | undefined;
  private readonly parts: ProjectorParts;
  private readonly hooks: LiveProjectionHooks;
  private current: ProjectionRun | undefined;
  private generation = 0;
  private checkpoint: Checkpoint | undefined;
  private parkedDocuments = 0;
  private readonly counts = { eventsFolded: 0, batches: 0, retries: 0, staleCommits: 0 };

  constructor(parts: ProjectorParts, projection: Projection, hooks: LiveProjectionHooks) {
    this.parts = parts;
    this.projection = projection;
    this.hooks = hooks;
    const { readStore, log, clock } = parts;
    const { name, version } = projection.schema;
    this.catalog = new ProjectionCatalog({ readStore, log, clock, projection: name, version });
  }

  get name(): string {
    return this.projection.schema.name;
  }

  get run(): ProjectionRun | undefined {
    return this.current;
  }

  /** Gives a run from the generation's own checkpoint on, where this process is to project. @throws UnavailableError */
  async open(): Promise<ProjectionRun | undefined> {
    this.current = undefined;
    const { entry, standing } = await this.look();
    if (standing === 'newer') {
      this.stand('standby', `A newer version of the code (${entry.live.version}) built it.`);
      return undefined;
    }
    if (standing === 'older' || (await this.isOwed(entry.building))) this.hooks.onUnfinished(this);
    if (standing === 'older') {
      this.stand('catching-up', `It is of the older version ${entry.live.version}; another one is built beside it.`);
      return undefined;
    }
    const run = await openRun({
      ...{ projection: this.projection, number: entry.live.generation },
      ...{ readStore: this.parts.readStore, source: this.parts.source },
      ...{ limits: this.parts.limits, logger: this.parts.logger },
      onCommit: (checkpoint, events) => {
        this.counts.eventsFolded += events;
        this.reached(checkpoint);
      },
      beforePurge: async () => {
        await this.catalog.oweCompaction(true);
        this.hooks.onCompactionOwed(this);
      },
    });
    this.current = run;
    this.stand('catching-up');
    this.checkpoint = undefined;
    if (run.checkpoint !== undefined) this.reached(run.checkpoint);
    this.parkedDocuments = run.parkedDocuments;
    if (entry.toCompact) this.hooks.onCompactionOwed(this);
    return run;
  }

  /** Whether a build was broken off that this code can finish. One of older code is given up, one of newer code left. */
  private async isOwed(building: CatalogEntry['building']): Promise<boolean> {
    const { version } = this.projection.schema;
    if (building !== undefined && building.version < version) {
      const entry = await this.catalog.abandonBuilding(building.generation);
      this.parts.drops.see(this.catalog, entry);
    }
    return building?.version === version;
  }

  /** The catalog as it is now, and what it lets this code do. @throws UnavailableError */
  async look(): Promise<{ readonly entry: CatalogEntry; readonly standing: Standing }> {
    const entry = await this.catalog.begin();
    this.parts.drops.see(this.catalog, entry);
    this.generation = entry.live.generation;
    const { version } = this.projection.schema;
    const standing = entry.live.version === version ? 'ours' : entry.live.version > version ? 'newer' : 'older';
    return { entry, standing };
  }

  /** Of the generation that answers, where it is of this code's shape; whoever projects it. @throws UnavailableError */
  async liveCheckpoint(): Promise<Checkpoint | undefined> {
    if (this.current !== undefined) return this.current.checkpoint;
    const { entry, standing } = await this.look();
    if (standing !== 'ours') return undefined;
    const { readStore } = this.parts;
    const generation = await readStore.generation(storedSchema(this.projection.schema), entry.live.generation);
    return (this.checkpoint = await generation.checkpoint());
  }

  /** Folds what the feed gives, if `run` still is what runs. @throws UnavailableError */
  async take(run: ProjectionRun, item: FeedItem): Promise<void> {
    const release = await this.turns.take();
    try {
      if (this.current !== run) return;
      const result = await run.take(item);
      this.parkedDocuments = run.parkedDocuments;
      if (item.kind === 'events') this.counts.batches += 1;
      if (result === 'stale') {
        this.counts.staleCommits += 1;
        this.current = undefined;
        this.stand('standby', 'Another process projects it.');
        this.parts.logger.info('another process projects a read model', { projection: this.name });
      } else if (item.kind === 'caught-up') this.stand('live');
    } catch (error) {
      this.current = undefined;
      if (error instanceof UnavailableError) throw error;
      this.stop(error);
    } finally {
      release();
    }
  }

  /** Another generation answers from now on: the next opening finds it. The caller holds the turn. */
  retire(): void {
    this.current = undefined;
  }

  retrying(error: UnavailableError): void {
    if (this.state === 'stopped' || this.state === 'standby') return;
    this.counts.retries += 1;
    this.current = undefined;
    this.stand('retrying', error.message);
  }

  stop(error: unknown): void {
    this.current = undefined;
    this.stand('stopped', error instanceof Error ? error.message : 'An unknown error.');
    this.parts.logger.error('a projection stopped, until the next start', { projection: this.name, error });
  }

  /** It was watched for long enough. */
  takeOver(): void {
    this.stand('catching-up');
  }

  status(lagOf: (checkpoint: Checkpoint | undefined, nowMs: number) => Lag): ProjectionStatus {
    const { checkpoint, reason } = this;
    const lag = lagOf(checkpoint, this.parts.clock.now());
    return {
      ...{ name: this.name, generation: this.generation, checkpoint, state: this.state },
      ...(reason === undefined ? {} : { reason }),
      ...{ lagEvents: lag.events, lagSeconds: lag.seconds, ...this.counts },
      ...{ parkedDocuments: this.parkedDocuments, rebuilding: this.work === 'rebuild' },
    };
  }

  private stand(state: ProjectionStatus['state'], reason?: string): void {
    this.state = state;
    this.reason = reason;
  }

  private reached(checkpoint: Checkpoint): void {
    this.checkpoint = checkpoint;
    this.hooks.onCheckpoint(this.name, this.generation, checkpoint);
  }
}
