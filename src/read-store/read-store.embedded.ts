/**
 * The read store in lmdb: each generation an environment of its own, in a folder of its own, which is dropped by deleting
 * it; the catalog beside them. Several threads of one process may have the same folder open.
 *
 * lmdb frees pages without clearing them, so what was overwritten or deleted stays readable in a generation's file, until
 * a compacting copy, which takes along only what can be read, has taken its place.
 */
import type { Clock } from '../domain/clock.ts';
import { UnavailableError } from '../errors.ts';
import { Catalog } from './embedded/catalog.ts';
import { Environment } from './embedded/environment.ts';
import { GenerationFolders } from './embedded/generation-folders.ts';
import { EmbeddedGeneration } from './embedded/generation.ts';
import type { CatalogEntry, CommitLimits, Generation, ProjectionSchema, ReadStore } from './read-store.ts';

/**
 * A commit writes each document once, however many of its events changed it, so the fewer commits the fewer rows. What a
 * commit costs afterwards does not depend on how large those before it were: see "project" in bench/RESULTS.md.
 */
const LIMITS: CommitLimits = { documentsMax: 4_000, rowsMax: 16_384, bytesMax: 16_777_216 };

export interface EmbeddedReadStoreOptions {
  /** Made where it is not there. */
  readonly directory: string;
  readonly clock?: Clock;
  readonly limits?: CommitLimits;
}

/** @throws UnavailableError where the folder cannot be used */
export async function openEmbeddedReadStore({
  directory,
  clock = { now: Date.now },
  limits = LIMITS,
}: EmbeddedReadStoreOptions): Promise<ReadStore> {
  const folders = new GenerationFolders(directory);
  try {
    await folders.settle(clock.now());
  } catch (error) {
    throw new UnavailableError('The folder of the read models cannot be used.', { cause: error });
  }
  return new EmbeddedReadStore(folders, limits);
}

class EmbeddedReadStore implements ReadStore {
  readonly limits: CommitLimits;
  private readonly folders: GenerationFolders;
  private readonly entries: Catalog;
  private readonly generations = new Map<string, Promise<EmbeddedGeneration>>();
  /** By environment, so that one that works does not hide that another does not. */
  private readonly troubles = new Map<string, string>();

  constructor(folders: GenerationFolders, limits: CommitLimits) {
    this.folders = folders;
    this.limits = limits;
    this.entries = new Catalog(this.environment(folders.catalog(), 'catalog'));
  }

  catalog(projection: string): Promise<CatalogEntry | undefined> {
    return attempt(() => this.entries.entry(projection));
  }

  changeCatalog(projection: string, from: CatalogEntry | undefined, to: CatalogEntry): Promise<boolean> {
    return attempt(() => this.entries.change(projection, from, to));
  }

  generation(schema: ProjectionSchema, number: number): Promise<Generation> {
    return this.opened(schema, number);
  }

  private opened(schema: ProjectionSchema, number: number): Promise<EmbeddedGeneration> {
    const name = nameOf(schema.name, number);
    const present = this.generations.get(name);
    if (present !== undefined) return present;
    const opening = attempt(() =>
      EmbeddedGeneration.open(this.environment(this.folders.path(schema.name, number), name), schema, number),
    );
    this.generations.set(name, opening);
    opening.catch(() => {
      if (this.generations.get(name) === opening) this.generations.delete(name);
    });
    return opening;
  }

  async drop(projection: string, number: number): Promise<void> {
    await this.release(projection, number);
    await this.onFiles(() => this.folders.drop(projection, number));
  }

  async release(projection: string, number: number): Promise<void> {
    const name = nameOf(projection, number);
    const opened = this.generations.get(name);
    this.generations.delete(name);
    this.troubles.delete(name);
    // One that could not be opened has nothing to let go of.
    const generation = await opened?.catch(() => undefined);
    await generation?.close();
  }

  async copyCompacted(schema: ProjectionSchema, from: number, to: number): Promise<boolean> {
    if (!this.folders.has(schema.name, from)) throw new Error(`There is no ${nameOf(schema.name, from)} to be copied.`);
    const generation = await this.opened(schema, from);
    // What an earlier copy made under this number, before a crash, was never named in the catalog.
    await this.drop(schema.name, to);
    const draft = await this.onFiles(() => this.folders.draft(schema.name, to));
    try {
      await generation.copyCompacted(draft);
      await this.onFiles(() => this.folders.publish(draft, schema.name, to));
    } catch (error) {
      await this.folders.discardDrafts(schema.name).catch(() => undefined);
      throw error;
    }
    return true;
  }

  trouble(): string | undefined {
    return this.troubles.values().next().value;
  }

  async close(): Promise<void> {
    const opened = [...this.generations.values()];
    this.generations.clear();
    for (const opening of opened) await (await opening.catch(() => undefined))?.close();
    await this.entries.close();
  }

  private environment(directory: string, name: string): Environment {
    return new Environment(directory, `The read store's ${name}`, trouble => {
      if (trouble === undefined) this.troubles.delete(name);
      else this.troubles.set(name, trouble);
    });
  }

  private async onFiles<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw new UnavailableError('The folder of the read models cannot be changed.', { cause: error });
    }
  }
}

function nameOf(projection: string, number: number): string {
  return `${projection}.${number}`;
}

/** What throws at once is a rejection, too. */
function attempt<Result>(work: () => Result | Promise<Result>): Promise<Result> {
  return new Promise(resolve => {
    resolve(work());
  });
}
