/**
 * A new generation beside the live one, built from the start of the log, that takes its place in one step.
 *
 *   claimed --built up to the log's end--> close behind --the live one stands still, what it is ahead is folded--> promoted
 *
 * From promotion on the live loop goes on in the new generation, from the checkpoint that stands in it: at least the one
 * that answered until then, so nothing is lost, folded twice or taken back. Whatever happens before leaves the live one
 * untouched. A build that a crash or a stop broke off is resumed at the next start; one that its caller gave up is dropped.
 * Two processes that resume one build take turns at it as two projectors do, and the catalog tells the second it is done.
 */
import { RequestError } from '../errors.ts';
import { Build, StaleBuildError } from './build.ts';
import { lastEvent } from './lag.ts';
import type { LiveProjection } from './live-projection.ts';
import { Outage } from './outage.ts';
import { PARKED, storedSchema } from './parking.ts';
import type { ProjectorParts } from './parts.ts';
import type { RebuildResult, WorkOptions } from './projection-work.ts';

/** Passes over what came meanwhile, before the live one is made to stand still for the rest. */
const PASSES_MAX = 8;

/**
 * Waits while a store is away.
 *
 * @throws the signal's reason, UnopenableEventError, TooManyParkedError; RequestError `unavailable` where another process gave
 * the build up
 */
export async function rebuildProjection(
  parts: ProjectorParts,
  live: LiveProjection,
  options: WorkOptions,
): Promise<RebuildResult> {
  const signal = options.signal === undefined ? parts.stopping : AbortSignal.any([parts.stopping, options.signal]);
  const outage = new Outage(parts, { projection: live.name, phase: 'rebuild' });
  const claim = await outage.through(signal, () => live.catalog.claimBuilding());
  parts.logger.info('rebuilding a read model', { projection: live.name, ...claim });
  try {
    return await new Rebuild(parts, live, { ...options, signal }, outage, claim).run();
  } catch (error) {
    if (!parts.stopping.aborted) {
      const entry = await live.catalog.abandonBuilding(claim.generation).catch(() => undefined);
      if (entry !== undefined) parts.drops.see(live.catalog, entry);
    }
    throw error;
  }
}

class Rebuild {
  private readonly parts: ProjectorParts;
  private readonly live: LiveProjection;
  private readonly signal: AbortSignal;
  private readonly outage: Outage;
  private readonly claim: { readonly generation: number; readonly isResumed: boolean };
  private readonly build: Build;
  private total = 0;

  constructor(
    parts: ProjectorParts,
    live: LiveProjection,
    { signal, onProgress }: WorkOptions & { readonly signal: AbortSignal },
    outage: Outage,
    claim: { readonly generation: number; readonly isResumed: boolean },
  ) {
    [this.parts, this.live, this.signal, this.outage, this.claim] = [parts, live, signal, outage, claim];
    this.build = new Build(parts, {
      ...{ live, number: claim.generation, signal },
      onMoved: ({ position }) => {
        this.total = Math.max(this.total, position);
        onProgress?.({ phase: 'building', done: position, total: this.total });
      },
    });
  }

  async run(): Promise<RebuildResult> {
    const { parts, live, claim, build } = this;
    const startedMs = parts.clock.now();
    this.total = (await this.through(() => lastEvent(parts.source.store)))?.position ?? 0;
    while (!(await this.through(() => this.isPromoted())))
      try {
        await this.catchUp();
        await this.promote();
      } catch (error) {
        if (!(error instanceof StaleBuildError)) throw error;
        await parts.delay(parts.limits.standbyMs * (0.5 + parts.random()), this.signal);
      }
    const documents = await this.through(() => this.count());
    const ms = parts.clock.now() - startedMs;
    parts.logger.info('a rebuilt read model answers', { projection: live.name, generation: claim.generation, ms });
    return { projection: live.name, generation: claim.generation, events: build.events, documents, ms };
  }

  private through<Result>(attempt: () => Promise<Result>): Promise<Result> {
    return this.outage.through(this.signal, attempt);
  }

  /** By whichever process. */
  private async isPromoted(): Promise<boolean> {
    const { entry } = await this.live.look();
    if (entry.live.generation === this.claim.generation) return true;
    if (entry.building?.generation === this.claim.generation) return false;
    throw new RequestError('unavailable', `The build of ${this.live.name} was given up by another process.`);
  }

  /** Close behind the log's end, however fast that moves: each pass has only to fold what came during the one before. */
  private async catchUp(): Promise<void> {
    for (let pass = 0; pass < PASSES_MAX; pass++) {
      const end = await this.through(() => lastEvent(this.parts.source.store));
      if (this.build.covers(end)) return;
      await this.build.advance(end?.position ?? -1);
    }
  }

  private async promote(): Promise<void> {
    const { live, build, claim, parts } = this;
    const release = await live.turns.take();
    try {
      const target = await this.through(() => live.liveCheckpoint());
      if (target !== undefined && !build.covers(target)) await build.advance(target.position);
      // A build of a former life may have overwritten what was erased, and have been forgotten by a compaction since.
      const toCompact = (isOwed: boolean): boolean => isOwed || build.hasPurged || claim.isResumed;
      const graceMs = parts.limits.dropGraceMs;
      const entry = await this.through(() => live.catalog.promote(claim.generation, { toCompact, graceMs }));
      if (entry === undefined) return;
      live.retire();
      parts.drops.see(live.catalog, entry);
    } finally {
      release();
    }
  }

  private async count(): Promise<number> {
    const { live, parts, claim } = this;
    const generation = await parts.readStore.generation(storedSchema(live.projection.schema), claim.generation);
    const counts = Object.entries(await generation.counts());
    return counts.reduce((sum, [name, count]) => sum + (name === PARKED.name ? 0 : count), 0);
  }
}
