/** Drops generations that were replaced or given up, each once nobody can be reading it. The catalog has the last word. */
import type { Clock } from '../domain/clock.ts';
import { UnavailableError } from '../errors.ts';
import type { CatalogEntry, ReadStore } from '../read-store/read-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import { GONE_MS } from './catalog.ts';
import type { ProjectionCatalog } from './catalog.ts';
import type { Delay } from './outage.ts';

/** Between attempts while the store is away. */
const RETRY_MS = 5_000;

export interface DropsOptions {
  readonly readStore: Pick<ReadStore, 'drop'>;
  readonly clock: Clock;
  readonly delay: Delay;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export class Drops {
  private readonly options: DropsOptions;
  /** `name.number@time` of what waits, or is dropped: it is not asked for again. */
  private readonly known = new Set<string>();
  private readonly waiting = new Set<Promise<void>>();

  constructor(options: DropsOptions) {
    this.options = options;
  }

  /** Sees to everything that the entry names. */
  see(catalog: ProjectionCatalog, entry: CatalogEntry): void {
    for (const { generation, afterMs } of entry.dropping) {
      if (afterMs === GONE_MS) continue;
      const name = `${entry.projection}.${generation}@${afterMs}`;
      if (this.known.has(name)) continue;
      this.known.add(name);
      const waiting = this.drop(catalog, generation, afterMs).finally(() => this.waiting.delete(waiting));
      this.waiting.add(waiting);
    }
  }

  /** After the signal. */
  async settled(): Promise<void> {
    await Promise.all(this.waiting);
  }

  private async drop(catalog: ProjectionCatalog, generation: number, afterMs: number): Promise<void> {
    const { clock, delay, signal } = this.options;
    let waitMs = afterMs - clock.now();
    do {
      if (waitMs > 0) await delay(waitMs, signal);
      waitMs = RETRY_MS;
    } while (!signal.aborted && !(await this.tryToDrop(catalog, generation, afterMs)));
  }

  /** False: the store is away. */
  private async tryToDrop(catalog: ProjectionCatalog, generation: number, afterMs: number): Promise<boolean> {
    const { readStore, logger } = this.options;
    const { projection } = catalog.options;
    try {
      const entry = await catalog.begin();
      // It may have been taken into use, or put off: then another drop waits for it.
      if (!entry.dropping.some(item => item.generation === generation && item.afterMs === afterMs)) return true;
      await readStore.drop(projection, generation);
      await catalog.dropped(generation);
      logger.info('dropped a generation of a read model', { projection, generation });
      return true;
    } catch (error) {
      if (error instanceof UnavailableError) return false;
      logger.error('a generation of a read model could not be dropped', { projection, generation, error });
      return true;
    }
  }
}
