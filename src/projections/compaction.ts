/**
 * What an erasure overwrote may still stand in free pages of the store's files. A copy that holds nothing but what can be
 * read takes the generation's place, and the old files go. The catalog remembers that this is owed from before the first
 * document was overwritten, so a crash at any instant only delays it.
 */
import { UnavailableError } from '../errors.ts';
import type { LiveProjection } from './live-projection.ts';
import { storedSchema } from './parking.ts';
import type { ProjectorParts } from './parts.ts';
import { withScratch } from './scratch.ts';

/** Between looks, while something else works on the projection or the store is away. */
const AGAIN_MS = 1_000;

export class Compactions {
  private readonly parts: ProjectorParts;
  private readonly onReplaced: () => void;
  /** How often it was owed since the start; what waits for quiet looks whether it changes. */
  private readonly owed = new Map<LiveProjection, number>();
  private readonly waiting = new Map<LiveProjection, Promise<void>>();

  /** `onReplaced`: another generation answers, and the live loop is to open it. */
  constructor(parts: ProjectorParts, onReplaced: () => void) {
    this.parts = parts;
    this.onReplaced = onReplaced;
  }

  /** Once the erasures that are in view are done: many of them share one copy. */
  owe(live: LiveProjection): void {
    this.owed.set(live, this.count(live) + 1);
    if (this.waiting.has(live)) return;
    const waiting = this.compactWhenQuiet(live).finally(() => this.waiting.delete(live));
    this.waiting.set(live, waiting);
  }

  /** After the stop. */
  async settled(): Promise<void> {
    await Promise.all(this.waiting.values());
  }

  private count(live: LiveProjection): number {
    return this.owed.get(live) ?? 0;
  }

  private async compactWhenQuiet(live: LiveProjection): Promise<void> {
    const { delay, clock, limits, stopping, logger } = this.parts;
    const latestMs = clock.now() + limits.compactionDelayMsMax;
    let seen: number;
    do {
      seen = this.count(live);
      await delay(limits.compactionQuietMs, stopping);
    } while (!stopping.aborted && seen !== this.count(live) && clock.now() < latestMs);
    while (!stopping.aborted) {
      try {
        if (await this.compact(live)) return;
      } catch (error) {
        if (!(error instanceof UnavailableError)) {
          logger.error('a read model could not be compacted after an erasure', { projection: live.name, error });
          return;
        }
      }
      await delay(AGAIN_MS, stopping);
    }
  }

  /** False: not now. */
  private async compact(live: LiveProjection): Promise<boolean> {
    // Whoever compares it needs it to stay the same generation.
    if (live.work === 'verify') return false;
    const release = await live.turns.take();
    try {
      const { entry, standing } = await live.look();
      if (!entry.toCompact) return true;
      // Whoever projects it compacts it; an opening says again that it is owed.
      if (live.run === undefined || standing !== 'ours') return live.state !== 'retrying';
      if (live.run.generation.number !== entry.live.generation) return false;
      return await this.replace(live, entry.live.generation);
    } finally {
      release();
    }
  }

  /** False: the copy was given up by others before it could take the place. */
  private async replace(live: LiveProjection, from: number): Promise<boolean> {
    const { readStore, limits, drops, clock, logger } = this.parts;
    const { catalog } = live;
    const startedMs = clock.now();
    const position = live.run?.checkpoint?.position;
    const { to, isCopied, entry } = await withScratch(this.parts, catalog, async to => {
      const isCopied = await readStore.copyCompacted(storedSchema(live.projection.schema), from, to);
      const graceMs = Math.min(limits.dropGraceMs, limits.compactedGraceMsMax);
      // What was replaced before may hold what was erased as well.
      const promotion = { toCompact: () => false, graceMs, endsGraces: true };
      if (isCopied) return { to, isCopied, entry: await catalog.promote(to, promotion) };
      await catalog.oweCompaction(false);
      return { to, isCopied, entry: undefined };
    });
    drops.see(catalog, entry ?? (await catalog.begin()));
    if (entry === undefined) {
      if (isCopied)
        logger.warn('a compacted copy of a read model took too long, and is made again', { projection: live.name });
      return !isCopied;
    }
    live.retire();
    this.onReplaced();
    const ms = clock.now() - startedMs;
    logger.info('a read model was compacted after an erasure', { projection: live.name, generation: to, position, ms });
    return true;
  }
}
