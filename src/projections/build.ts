/** A generation that is folded beside the live one, up to a position and on to the next: by a rebuild, and by verify. */
import type { Checkpoint, Generation } from '../read-store/read-store.ts';
import { openFeed } from './feed.ts';
import type { LiveProjection } from './live-projection.ts';
import { Outage } from './outage.ts';
import type { ProjectorParts } from './parts.ts';
import { openRun } from './projection-run.ts';
import type { ProjectionRun } from './projection-run.ts';

/** Another process folds into the same generation. */
export class StaleBuildError extends Error {
  override readonly name = 'StaleBuildError';
}

export interface BuildOptions {
  readonly live: LiveProjection;
  readonly number: number;
  readonly signal: AbortSignal;
  readonly onMoved: (checkpoint: Checkpoint) => void;
}

export class Build {
  /** Something was overwritten for an erasure. */
  hasPurged = false;
  events = 0;
  private readonly parts: ProjectorParts;
  private readonly options: BuildOptions;
  private readonly outage: Outage;
  private run: ProjectionRun | undefined;

  constructor(parts: ProjectorParts, options: BuildOptions) {
    this.parts = parts;
    this.options = options;
    this.outage = new Outage(parts, { projection: options.live.name, generation: options.number });
  }

  /** @throws what `advance` throws */
  async open(): Promise<Generation> {
    await this.advance(-1);
    return this.opened().generation;
  }

  /** Whether everything up to there is folded. */
  covers(checkpoint: Checkpoint | undefined): boolean {
    return checkpoint === undefined || (this.run?.isBeyond(checkpoint.position) ?? false);
  }

  /**
   * Folds up to a position, or to the log's end where that is before it; waits while a store is away.
   *
   * @throws the signal's reason, StaleBuildError, UnopenableEventError, TooManyParkedError
   */
  async advance(until: number): Promise<void> {
    await this.outage.through(this.options.signal, async () => {
      try {
        await this.tryToAdvance(until);
      } catch (error) {
        this.run = undefined;
        throw error;
      }
    });
  }

  private async tryToAdvance(until: number): Promise<void> {
    const { live, number, signal, onMoved } = this.options;
    const { readStore, source, limits, logger } = this.parts;
    this.run ??= await openRun({
      ...{ projection: live.projection, number, readStore, source, limits, logger },
      onCommit: (checkpoint, events) => {
        this.events += events;
        this.outage.over();
        onMoved(checkpoint);
      },
      // Said before, so that a crash forgets nothing.
      beforePurge: async () => {
        this.hasPurged = true;
        await live.catalog.oweCompaction(true);
      },
    });
    const { run } = this;
    if (run.isBeyond(until) || until < 0) return;
    for await (const item of openFeed(source, { after: run.checkpoint, until, signal }))
      if ((await run.take(item)) === 'stale') throw new StaleBuildError(`${live.name}.${number} is built twice.`);
    signal.throwIfAborted();
  }

  private opened(): ProjectionRun {
    if (this.run === undefined) throw new Error('A build was used before it was opened.');
    return this.run;
  }
}
