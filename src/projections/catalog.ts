/**
 * The catalog entry of a projection, and every step it can take. A step is one compare-and-set over the whole entry, so
 * a crash leaves it before or after, and of two processes that take one at once, one looks again.
 *
 *   (none)   -> live 1                         begin: nothing to serve yet, it is built in place
 *   live n   -> live n, building m             claimBuilding: a rebuild has its number
 *            -> live m, dropping n             promote: one step, for those who query; also with a compacted copy
 *            -> live n, dropping m             abandonBuilding
 *   live n   -> live n, dropping m (later)     claimScratch: a copy or a comparison, leased: dropped by itself after a crash
 *   other log: live m, dropping all the rest   begin: nothing of another log is ever served
 *
 * Numbers are never used again: the highest one stays in the entry, also after it was dropped.
 */
import type { Clock } from '../domain/clock.ts';
import { UnavailableError } from '../errors.ts';
import type { CatalogEntry, ReadStore } from '../read-store/read-store.ts';

/** Compare-and-sets that another process was faster than, in one step. */
const ATTEMPTS_MAX = 20;
/** How long a scratch generation is left alone whose maker has not said that it is still at work. */
export const SCRATCH_LEASE_MS = 10 * 60_000;
/** In the place of the time after which a generation is dropped: it was. */
export const GONE_MS = -1;

export interface ProjectionCatalogOptions {
  readonly readStore: Pick<ReadStore, 'catalog' | 'changeCatalog'>;
  readonly projection: string;
  /** The code's. */
  readonly version: number;
  readonly log: string;
  readonly clock: Clock;
}

/** @throws UnavailableError everywhere */
export class ProjectionCatalog {
  readonly options: ProjectionCatalogOptions;

  constructor(options: ProjectionCatalogOptions) {
    this.options = options;
  }

  /** The entry as it is; one is made where there is none, or only that of another log. */
  async begin(): Promise<CatalogEntry> {
    const { readStore, projection, version, log, clock } = this.options;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const found = await readStore.catalog(projection);
      if (found?.log === log) return found;
      const afterMs = clock.now();
      const begun: CatalogEntry = {
        ...{ projection, log, toCompact: false },
        live: { generation: found === undefined ? 1 : nextNumber(found), version },
        dropping: found === undefined ? [] : numbersOf(found).map(generation => ({ generation, afterMs })),
      };
      if (await readStore.changeCatalog(projection, found, begun)) return begun;
    }
    throw tooManyAttempts(projection);
  }

  /** Gives the entry as it is then; `step` may say that there is nothing to change by giving what it was given. */
  async change(step: (entry: CatalogEntry) => CatalogEntry): Promise<CatalogEntry> {
    const { readStore, projection } = this.options;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const entry = await this.begin();
      const changed = step(entry);
      if (changed === entry || (await readStore.changeCatalog(projection, entry, changed))) return changed;
    }
    throw tooManyAttempts(projection);
  }

  /** The number of the generation to build: a new one, or that of a build of this version that was broken off. */
  async claimBuilding(): Promise<{ readonly generation: number; readonly isResumed: boolean }> {
    const { version, clock } = this.options;
    let isResumed = false;
    const { building } = await this.change(entry => {
      isResumed = entry.building?.version === version;
      if (isResumed) return entry;
      const dropped = withoutBuilding(entry, clock.now());
      return { ...dropped, building: { generation: nextNumber(entry), version } };
    });
    if (building === undefined) throw new Error('What was claimed is not there.');
    return { generation: building.generation, isResumed };
  }

  async abandonBuilding(generation: number): Promise<CatalogEntry> {
    const { clock } = this.options;
    return this.change(entry =>
      entry.building?.generation === generation ? withoutBuilding(entry, clock.now()) : entry,
    );
  }

  /** A number for what nobody queries. It is dropped when its lease is over. */
  async claimScratch(): Promise<number> {
    const afterMs = this.options.clock.now() + SCRATCH_LEASE_MS;
    const { dropping } = await this.change(entry => ({
      ...entry,
      dropping: [...entry.dropping, { generation: nextNumber(entry), afterMs }],
    }));
    return dropping.at(-1)?.generation ?? 0;
  }

  /** Its maker is still at work. Nothing where the lease was over already, or it has been promoted. */
  async renewScratch(generation: number): Promise<void> {
    const now = this.options.clock.now();
    await this.putOff(generation, item => (item.afterMs > now ? now + SCRATCH_LEASE_MS : item.afterMs));
  }

  /** A scratch generation has served its purpose. Nothing where it has been promoted. */
  releaseScratch(generation: number): Promise<CatalogEntry> {
    const now = this.options.clock.now();
    return this.putOff(generation, item => Math.min(item.afterMs, now));
  }

  private putOff(generation: number, until: (item: CatalogEntry['dropping'][number]) => number): Promise<CatalogEntry> {
    return this.change(entry => {
      const found = entry.dropping.find(item => item.generation === generation);
      if (found === undefined || until(found) === found.afterMs) return entry;
      const put = { generation, afterMs: until(found) };
      return { ...entry, dropping: entry.dropping.map(item => (item === found ? put : item)) };
    });
  }

  /**
   * `generation` answers from now on; the one before is dropped after the grace, and with `endsGraces` so are those that were
   * replaced earlier and are kept for longer. Undefined: it was given up meanwhile.
   */
  async promote(
    generation: number,
    options: {
      readonly toCompact: (isOwed: boolean) => boolean;
      readonly graceMs: number;
      readonly endsGraces?: boolean;
    },
  ): Promise<CatalogEntry | undefined> {
    const { toCompact, graceMs, endsGraces = false } = options;
    const { version, clock } = this.options;
    const entry = await this.change(before => {
      // What was given up is to be dropped at once, and its number may still stand there when it is gone.
      const isScratch = before.dropping.some(item => item.generation === generation && item.afterMs > clock.now());
      const isClaimed = before.building?.generation === generation || isScratch;
      if (before.live.generation === generation || !isClaimed) return before;
      const { building, ...rest } = before;
      const old = { generation: before.live.generation, afterMs: clock.now() + graceMs };
      const others = before.dropping
        .filter(item => item.generation !== generation)
        .map(item => (endsGraces ? { ...item, afterMs: Math.min(item.afterMs, old.afterMs) } : item));
      return {
        ...rest,
        ...(building === undefined || building.generation === generation ? {} : { building }),
        ...{ live: { generation, version }, toCompact: toCompact(before.toCompact) },
        dropping: [...others, old],
      };
    });
    return entry.live.generation === generation ? entry : undefined;
  }

  async oweCompaction(isOwed: boolean): Promise<void> {
    await this.change(entry => (entry.toCompact === isOwed ? entry : { ...entry, toCompact: isOwed }));
  }

  /** Its files are gone. Only the highest number is kept in mind. */
  async dropped(generation: number): Promise<void> {
    await this.change(entry => {
      const found = entry.dropping.find(item => item.generation === generation);
      if (found === undefined || found.afterMs === GONE_MS) return entry;
      const highest = nextNumber(entry) - 1;
      const gone = { generation, afterMs: GONE_MS };
      const dropping = entry.dropping.map(item => (item === found ? gone : item));
      const isKept = (item: typeof gone): boolean => item.afterMs !== GONE_MS || item.generation === highest;
      return { ...entry, dropping: dropping.filter(isKept) };
    });
  }
}

function numbersOf({ live, building, dropping }: CatalogEntry): number[] {
  const beside = building === undefined ? [] : [building.generation];
  return [live.generation, ...beside, ...dropping.map(({ generation }) => generation)];
}

function nextNumber(entry: CatalogEntry): number {
  return Math.max(...numbersOf(entry)) + 1;
}

function withoutBuilding({ building, ...entry }: CatalogEntry, afterMs: number): CatalogEntry {
  if (building === undefined) return entry;
  return { ...entry, dropping: [...entry.dropping, { generation: building.generation, afterMs }] };
}

function tooManyAttempts(projection: string): UnavailableError {
  return new UnavailableError(`The catalog entry of ${projection} is changed by others all the time.`);
}
