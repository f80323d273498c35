/**
 * The read store on a MongoDB replica set. In one database: `catalog`, `checkpoints`, and for each collection of a
 * generation one named `<projection>_<generation>_<collection>`.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Collection } from 'mongodb';
import { isDuplicateKey } from './mongodb/failures.ts';
import { checkpointsOf, generationName, openGeneration } from './mongodb/generation.ts';
import { MongoDbLink } from './mongodb/link.ts';
import type { MongoDbLinkOptions } from './mongodb/link.ts';
import type { CatalogEntry, CommitLimits, Generation, ProjectionSchema, ReadStore } from './read-store.ts';

export { BadMongoDbUrlError } from './mongodb/failures.ts';

export interface MongoDbReadStoreOptions extends MongoDbLinkOptions {
  /** Queries go past the indexes, for tests that compare the two. */
  readonly naturalOrder?: boolean;
}

interface CatalogRow {
  readonly _id: string;
  /** Counted up with every change. */
  readonly revision: number;
  readonly entry: CatalogEntry;
}

/** What one transaction of MongoDB takes well; its log's entries hold at most 16 MB each. */
const LIMITS: CommitLimits = { documentsMax: 500, rowsMax: 10_000, bytesMax: 8_388_608 };

/** Connects at the first operation: a MongoDB that is away is told by `trouble`. @throws BadMongoDbUrlError */
export function openMongoDbReadStore(options: MongoDbReadStoreOptions): Promise<ReadStore> {
  return new Promise(resolve => {
    resolve(new MongoDbReadStore(new MongoDbLink(options), options.naturalOrder ?? false));
  });
}

class MongoDbReadStore implements ReadStore {
  readonly limits = LIMITS;
  private readonly link: MongoDbLink;
  private readonly naturalOrder: boolean;
  private readonly generations = new Map<string, Promise<Generation>>();

  constructor(link: MongoDbLink, naturalOrder: boolean) {
    this.link = link;
    this.naturalOrder = naturalOrder;
  }

  async catalog(projection: string): Promise<CatalogEntry | undefined> {
    return (await this.link.run(() => this.rows.findOne({ _id: projection })))?.entry;
  }

  changeCatalog(projection: string, from: CatalogEntry | undefined, to: CatalogEntry): Promise<boolean> {
    const entry = plain(to);
    return this.link.run(async () => {
      if (from === undefined) {
        try {
          await this.rows.insertOne({ _id: projection, revision: 1, entry });
          return true;
        } catch (error) {
          if (isDuplicateKey(error)) return false;
          throw error;
        }
      }
      const present = await this.rows.findOne({ _id: projection });
      if (present === null || !isDeepStrictEqual(present.entry, plain(from))) return false;
      const { revision } = present;
      const changed = await this.rows.replaceOne({ _id: projection, revision }, { revision: revision + 1, entry });
      return changed.matchedCount === 1;
    });
  }

  generation(schema: ProjectionSchema, number: number): Promise<Generation> {
    const name = generationName(schema.name, number);
    const present = this.generations.get(name);
    if (present !== undefined) return present;
    const { link, naturalOrder } = this;
    const opening = link.run(() => openGeneration({ link, schema, number, naturalOrder }));
    this.generations.set(name, opening);
    opening.catch(() => {
      if (this.generations.get(name) === opening) this.generations.delete(name);
    });
    return opening;
  }

  async drop(projection: string, number: number): Promise<void> {
    const name = generationName(projection, number);
    this.generations.delete(name);
    await this.link.run(async () => {
      // First: without it nobody can commit any more, so nothing is written to what is dropped.
      await checkpointsOf(this.link).deleteOne({ _id: name });
      const collections = await this.link.database.listCollections({}, { nameOnly: true }).toArray();
      for (const { name: collection } of collections)
        if (collection.startsWith(`${name}_`)) await this.link.database.dropCollection(collection);
    });
  }

  release(projection: string, number: number): Promise<void> {
    this.generations.delete(generationName(projection, number));
    return Promise.resolve();
  }

  copyCompacted(): Promise<boolean> {
    return Promise.resolve(false);
  }

  trouble(): string | undefined {
    return this.link.trouble();
  }

  close(): Promise<void> {
    this.generations.clear();
    return this.link.close();
  }

  private get rows(): Collection<CatalogRow> {
    return this.link.database.collection('catalog');
  }
}

/** As it comes back: without what is undefined. */
function plain(entry: CatalogEntry): CatalogEntry {
  return JSON.parse(JSON.stringify(entry)) as CatalogEntry;
}
