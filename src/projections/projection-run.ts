/**
 * One projection in one generation, from its checkpoint on: takes what a feed gives, folds it, and commits documents and
 * checkpoint together. It handles no trouble: after any error, and after `stale`, it is thrown away, and another one is
 * opened, which reads the checkpoint again. So live, rebuild and verify are the same code.
 */
import type { Checkpoint, CommitResult, Generation, ReadStore } from '../read-store/read-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import { applyErasure } from './erasure.ts';
import type { ErasureItem, FeedItem, FeedSource } from './feed.ts';
import { FoldedDocuments } from './fold-batch.ts';
import type { HeldLimits } from './fold-batch.ts';
import type { FoldInput } from './fold-commit.ts';
import { loadParked, storedSchema } from './parking.ts';
import type { ParkedDocument } from './parking.ts';
import type { Projection } from './projection.ts';

export interface RunLimits extends HeldLimits {
  /** Documents that may stand still; one more stops the projection. */
  readonly parkedMax: number;
}

export interface RunOptions {
  readonly projection: Projection;
  readonly number: number;
  readonly readStore: Pick<ReadStore, 'limits' | 'generation'>;
  readonly source: FeedSource;
  readonly limits: RunLimits;
  readonly logger: Logger;
  /** After each commit: how many events it held. */
  readonly onCommit: (checkpoint: Checkpoint, events: number) => void;
  /** Before an erasure overwrites anything. */
  readonly beforePurge: () => Promise<void>;
}

/** So much is parked that the fault is not in single events. */
export class TooManyParkedError extends Error {
  override readonly name = 'TooManyParkedError';
  constructor(parkedMax: number) {
    super(`More than ${parkedMax} documents stand still because an event could not be folded into them.`);
  }
}

/** @throws TooManyParkedError, UnavailableError */
export async function openRun(options: RunOptions): Promise<ProjectionRun> {
  const { projection, number, readStore, limits } = options;
  const generation = await readStore.generation(storedSchema(projection.schema), number);
  const parked = await loadParked(generation, limits.parkedMax);
  if (parked.size > limits.parkedMax) throw new TooManyParkedError(limits.parkedMax);
  return new ProjectionRun(options, generation, await generation.checkpoint(), parked);
}

export class ProjectionRun {
  readonly generation: Generation;
  private readonly options: RunOptions;
  private readonly parked: Map<string, ParkedDocument>;
  private documents: FoldedDocuments;
  private reached: Checkpoint | undefined;

  constructor(
    options: RunOptions,
    generation: Generation,
    checkpoint: Checkpoint | undefined,
    parked: Map<string, ParkedDocument>,
  ) {
    this.options = options;
    this.generation = generation;
    this.reached = checkpoint;
    this.parked = parked;
    this.documents = this.noDocuments();
  }

  get checkpoint(): Checkpoint | undefined {
    return this.reached;
  }

  get parkedDocuments(): number {
    return this.parked.size;
  }

  /** Whether the event at this position was folded already, by whomever. */
  isBeyond(position: number): boolean {
    return this.reached !== undefined && position <= this.reached.position;
  }

  /** What was taken before is left out, so that a feed may begin anywhere at or below the checkpoint. */
  async take(item: FeedItem): Promise<CommitResult> {
    switch (item.kind) {
      case 'events':
        return this.fold(this.newOf(item.inputs));
      case 'erasure':
        return this.isBeyond(item.at.position) ? 'committed' : this.erase(item);
      case 'caught-up':
        return 'committed';
    }
  }

  /** A batch may be gathered from what a subscription gave twice. */
  private newOf(inputs: readonly FoldInput[]): readonly FoldInput[] {
    let last = this.reached?.position ?? -1;
    return inputs.filter(({ event: { position } }) => {
      if (position <= last) return false;
      last = position;
      return true;
    });
  }

  private async fold(inputs: readonly FoldInput[]): Promise<CommitResult> {
    for await (const { to, events, writes, parked } of this.documents.commits(inputs)) {
      if ((await this.generation.commit({ from: this.reached, to, writes })) === 'stale') return 'stale';
      this.moved(to, events);
      for (const document of parked) this.sayParked(document);
      if (this.parked.size > this.options.limits.parkedMax) throw new TooManyParkedError(this.options.limits.parkedMax);
    }
    return 'committed';
  }

  private async erase(item: ErasureItem): Promise<CommitResult> {
    const { projection, source, readStore, beforePurge } = this.options;
    const before = new Set(this.parked.keys());
    const result = await applyErasure(
      {
        ...{ projection, source, beforePurge, generation: this.generation, limits: readStore.limits },
        ...{ from: this.reached, parked: this.parked },
      },
      item,
    );
    // What is held in memory may be what was just purged.
    this.documents = this.noDocuments();
    if (result === 'stale') return result;
    this.moved(item.at, 1);
    for (const [key, document] of this.parked) if (!before.has(key)) this.sayParked(document);
    return result;
  }

  private moved(to: Checkpoint, events: number): void {
    this.reached = to;
    this.options.onCommit(to, events);
  }

  private sayParked({ collection, document, stream, revision, type, error }: ParkedDocument): void {
    const projection = this.options.projection.schema.name;
    this.options.logger.error('an event could not be folded, and its document stands still from now on', {
      ...{
        projection,
        generation: this.generation.number,
        collection,
        document,
        stream,
        revision,
        type,
        reason: error,
      },
    });
  }

  private noDocuments(): FoldedDocuments {
    const { projection, limits, readStore } = this.options;
    return new FoldedDocuments({
      projection,
      load: (collection, ids) => this.generation.load(collection, ids),
      limits: { ...readStore.limits, ...limits },
      parked: this.parked,
    });
  }
}
