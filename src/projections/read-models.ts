/**
 * The way of every query to its documents: the generation of a projection that answers now, at a position that was asked
 * for. A generation may be replaced and dropped at any time; a query that was under way then is run once more, on the one
 * that took its place.
 */
import type { Clock } from '../domain/clock.ts';
import { RequestError, UnavailableError } from '../errors.ts';
import { systemTimers } from '../gateway/timers.ts';
import type { Timers } from '../gateway/timers.ts';
import type { CatalogEntry, Generation, ProjectionSchema, ReadStore } from '../read-store/read-store.ts';
import { storedSchema } from './parking.ts';
import { PositionWaits } from './position-waits.ts';
import type { PositionWaitLimits } from './position-waits.ts';

export interface ReadModelsOptions {
  readonly readStore: Pick<ReadStore, 'catalog' | 'generation' | 'release'>;
  readonly projections: readonly { readonly schema: ProjectionSchema }[];
  /** The position of the last event that projections take; 0 where there is none. */
  readonly head: () => Promise<number>;
  /** The position of the log's last event, whatever it is; 0 where there is none. */
  readonly end: () => Promise<number>;
  /** The log's own id. */
  readonly log: string;
  readonly clock: Clock;
  /** Default: the system's. */
  readonly timers?: Timers;
  readonly limits: PositionWaitLimits;
}

export interface AtPosition {
  /** What is answered shows at least this position; undefined: whatever there is. */
  readonly minPosition?: number | undefined;
  /** The field to name where there is no such position. Default `minPosition`. */
  readonly path?: string;
  readonly signal?: AbortSignal | undefined;
}

/** What a query gives, with the position it shows: a lower bound; undefined where nothing was folded yet. */
export interface Shown {
  readonly position: number | undefined;
}

export interface ReadModels {
  /** The log whose events are shown. */
  readonly log: string;
  /**
   * Runs the query, once more where its generation went away under it: so it must do nothing but read.
   *
   * @throws RequestError `bad-request` for a position that the log has not reached, `unavailable` where it was waited for in vain
   * @throws UnavailableError where the store is away, or the read model is not built yet
   */
  query<Result extends Shown>(
    projection: string,
    at: AtPosition,
    run: (generation: Generation) => Promise<Result>,
  ): Promise<Result>;
  /** The projector has committed so far: wakes those who wait for it. */
  noteCheckpoint(projection: string, position: number): void;
}

/** How old what is known of the catalog may be. A replaced generation is kept far longer, unless configured otherwise. */
const CATALOG_AGE_MS_MAX = 1_000;

interface Known {
  readonly entry: CatalogEntry;
  readonly generation: Generation;
  readonly lookedAtMs: number;
}

export function createReadModels(options: ReadModelsOptions): ReadModels {
  const waits = new PositionWaits(options.timers ?? systemTimers, options.limits);
  const resolver = new Resolver(options);
  /** `known`, or what answers by the time that the position is reached. */
  const reach = async (projection: string, known: Known, at: AtPosition): Promise<Known> => {
    const { minPosition, path = 'minPosition', signal } = at;
    if (minPosition === undefined || (await reachedBy(known.generation)) >= minPosition) return known;
    const head = await options.head();
    if (minPosition > head && minPosition > (await options.end()))
      throw new RequestError('bad-request', `${path}: the log has not reached this position.`, { path });
    const look = async (): Promise<number> => reachedBy((await resolver.live(projection)).generation);
    // Behind the head is only what no projection takes: who shows the head shows all of it.
    await waits.until(projection, Math.min(minPosition, head), look, signal);
    return resolver.live(projection);
  };
  /** Nothing folded yet is no answer, unless there is nothing to fold. */
  const shown = async <Result extends Shown>(result: Result): Promise<Result> => {
    if (result.position === undefined && (await options.head()) > 0)
      throw new UnavailableError('The read model is being built.');
    return result;
  };
  return {
    log: options.log,
    noteCheckpoint: (projection, position) => {
      waits.note(projection, position);
    },
    query: async (projection, at, run) => {
      const first = await resolver.live(projection);
      try {
        const known = await reach(projection, first, at);
        const result = await run(known.generation);
        if (!(await resolver.mayBeGone(projection, known, result))) return await shown(result);
      } catch (error) {
        if (!(error instanceof UnavailableError) || !(await resolver.isReplaced(projection, first))) throw error;
      }
      const known = await reach(projection, await resolver.live(projection), at);
      return shown(await run(known.generation));
    },
  };
}

async function reachedBy(generation: Generation): Promise<number> {
  return (await generation.checkpoint())?.position ?? -1;
}

/** Which generation answers, as the catalog has it. */
class Resolver {
  private readonly options: ReadModelsOptions;
  private readonly known = new Map<string, Known>();
  /** Numbers of generations that were opened here, by projection. */
  private readonly opened = new Map<string, Set<number>>();

  constructor(options: ReadModelsOptions) {
    this.options = options;
  }

  async live(projection: string): Promise<Known> {
    const known = this.known.get(projection);
    return known !== undefined && this.age(known) <= CATALOG_AGE_MS_MAX ? known : this.look(projection);
  }

  /** Whether another generation answers by now. */
  async isReplaced(projection: string, { generation }: Known): Promise<boolean> {
    const now = await this.look(projection);
    return now.generation.number !== generation.number;
  }

  /**
   * Whether what a query gave may come from a generation that was being dropped: some engines read nothing there, and
   * do not say so. It cannot where the catalog was fresh when it ended, unless the checkpoint was gone already.
   */
  async mayBeGone(projection: string, known: Known, { position }: Shown): Promise<boolean> {
    if (position !== undefined && this.age(known) <= CATALOG_AGE_MS_MAX) return false;
    const { entry } = await this.look(projection);
    const { number } = known.generation;
    if (entry.live.generation === number) return false;
    const now = this.options.clock.now();
    const isKept = entry.dropping.some(({ generation, afterMs }) => generation === number && afterMs > now);
    return position === undefined || !isKept;
  }

  private async look(projection: string): Promise<Known> {
    const { readStore, projections, clock, log } = this.options;
    const schema = projections.find(({ schema: { name } }) => name === projection)?.schema;
    if (schema === undefined) throw new Error(`There is no projection ${projection}.`);
    // Before it is asked, so that it is never taken for newer than it is.
    const lookedAtMs = clock.now();
    const entry = await readStore.catalog(projection);
    if (entry?.log !== log || entry.live.version !== schema.version)
      throw new UnavailableError(`The read model ${projection} is being built.`);
    const generation = await readStore.generation(storedSchema(schema), entry.live.generation);
    const looked = { entry, generation, lookedAtMs };
    this.known.set(projection, looked);
    await this.letGo(projection, looked);
    return looked;
  }

  /** What is not kept any more is not held open here: an engine's files take their room until everybody has let go. */
  private async letGo(projection: string, { entry, generation }: Known): Promise<void> {
    const { readStore, clock } = this.options;
    const { live, building, dropping } = entry;
    const now = clock.now();
    const kept = [live, ...(building ? [building] : []), ...dropping.filter(({ afterMs }) => afterMs > now)];
    const numbers = new Set(kept.map(({ generation: number }) => number));
    const opened = this.opened.get(projection) ?? new Set();
    this.opened.set(projection, opened.add(generation.number));
    for (const number of opened) {
      if (numbers.has(number)) continue;
      opened.delete(number);
      await readStore.release(projection, number);
    }
  }

  /** A clock that was set back makes everything old. */
  private age({ lookedAtMs }: Known): number {
    return Math.abs(this.options.clock.now() - lookedAtMs);
  }
}
