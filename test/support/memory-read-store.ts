/** The read store in memory, for tests that are not about files: plain maps, every walk by the book (walk-model.ts). */
import { isDeepStrictEqual } from 'node:util';
import { UnavailableError } from '../../src/errors.ts';
import { collectionOf, resolveWalk } from '../../src/read-store/index-walk.ts';
import type {
  CatalogEntry,
  Checkpoint,
  CommitResult,
  DocumentWrite,
  Found,
  Generation,
  IndexWalk,
  ProjectionSchema,
  ReadStore,
  StoredDocument,
  WalkPlan,
} from '../../src/read-store/read-store.ts';
import { compareScalars, matches, selectAndSort } from './walk-model.ts';

interface Kept {
  checkpoint: Checkpoint | undefined;
  readonly collections: Map<string, Map<string, StoredDocument>>;
  dropped: boolean;
}

/** What several handles of one store share, as processes share a folder. */
interface Shared {
  readonly catalogs: Map<string, CatalogEntry>;
  readonly generations: Map<string, Kept>;
}

export class MemoryReadStore implements ReadStore {
  readonly limits = { documentsMax: 500, rowsMax: 256, bytesMax: 8_388_608 };
  /** Every call fails while this is set. */
  failing = false;
  /** Calls that were let through. */
  readonly calls = { loads: 0, commits: 0, staleCommits: 0, walks: 0, pages: 0 };
  private readonly shared: Shared;
  private readonly opened = new Map<string, MemoryGeneration>();

  /** `other`: a second handle on the same documents. */
  constructor(other?: MemoryReadStore) {
    this.shared = other?.shared ?? { catalogs: new Map(), generations: new Map() };
  }

  catalog(projection: string): Promise<CatalogEntry | undefined> {
    return this.run(() => structuredClone(this.shared.catalogs.get(projection)));
  }

  changeCatalog(projection: string, from: CatalogEntry | undefined, to: CatalogEntry): Promise<boolean> {
    return this.run(() => {
      if (!isDeepStrictEqual(this.shared.catalogs.get(projection), from)) return false;
      this.shared.catalogs.set(projection, structuredClone(to));
      return true;
    });
  }

  generation(schema: ProjectionSchema, number: number): Promise<Generation> {
    return this.run(() => {
      const key = keyOf(schema.name, number);
      const present = this.opened.get(key);
      if (present !== undefined) return present;
      const kept = this.shared.generations.get(key) ?? {
        ...{ checkpoint: undefined, dropped: false },
        collections: new Map(schema.collections.map(({ name }) => [name, new Map<string, StoredDocument>()])),
      };
      this.shared.generations.set(key, kept);
      const made = new MemoryGeneration(this, schema, number, kept);
      this.opened.set(key, made);
      return made;
    });
  }

  drop(projection: string, number: number): Promise<void> {
    return this.run(() => {
      const kept = this.shared.generations.get(keyOf(projection, number));
      if (kept !== undefined) kept.dropped = true;
      this.shared.generations.delete(keyOf(projection, number));
      this.opened.delete(keyOf(projection, number));
    });
  }

  release(projection: string, number: number): Promise<void> {
    return this.run(() => void this.opened.delete(keyOf(projection, number)));
  }

  copyCompacted(schema: ProjectionSchema, from: number, to: number): Promise<boolean> {
    return this.run(() => {
      const kept = this.shared.generations.get(keyOf(schema.name, from));
      if (kept === undefined) throw new Error(`There is no generation ${from} of ${schema.name} to copy.`);
      this.shared.generations.set(keyOf(schema.name, to), structuredClone(kept));
      return true;
    });
  }

  trouble(): string | undefined {
    return this.failing ? 'The read store is away.' : undefined;
  }

  close(): Promise<void> {
    this.opened.clear();
    return Promise.resolve();
  }

  /** Answers in a later turn, as every engine does, or fails. */
  async run<Result>(work: () => Result): Promise<Result> {
    await Promise.resolve();
    if (this.failing) throw new UnavailableError('The read store is away.');
    return work();
  }
}

class MemoryGeneration implements Generation {
  readonly schema: ProjectionSchema;
  readonly number: number;
  private readonly store: MemoryReadStore;
  private readonly kept: Kept;

  constructor(store: MemoryReadStore, schema: ProjectionSchema, number: number, kept: Kept) {
    this.store = store;
    this.schema = schema;
    this.number = number;
    this.kept = kept;
  }

  checkpoint(): Promise<Checkpoint | undefined> {
    return this.run(() => structuredClone(this.kept.checkpoint));
  }

  load<Document extends StoredDocument>(
    collection: string,
    ids: readonly string[],
  ): Promise<readonly (Document | undefined)[]> {
    return this.run(() => {
      this.store.calls.loads += 1;
      const documents = this.documents(collection);
      return ids.map(id => structuredClone(documents.get(id) as Document | undefined));
    });
  }

  commit(change: {
    readonly from: Checkpoint | undefined;
    readonly to: Checkpoint;
    readonly writes: readonly DocumentWrite[];
  }): Promise<CommitResult> {
    return this.run(() => {
      const { from, to, writes } = structuredClone(change);
      if (!isDeepStrictEqual(this.kept.checkpoint, from)) {
        this.store.calls.staleCommits += 1;
        return 'stale';
      }
      for (const { collection, id, after } of writes) {
        if (after !== undefined && after._id !== id) throw new Error('A document is written under an id not its own.');
        if (after === undefined) this.documents(collection).delete(id);
        else this.documents(collection).set(id, after);
      }
      this.kept.checkpoint = to;
      this.store.calls.commits += 1;
      return 'committed';
    });
  }

  async walk<Document extends StoredDocument>(walk: IndexWalk): Promise<Found<Document>> {
    const { documents, position } = await this.run(() => this.walked(walk));
    return { documents: documents as Document[], position };
  }

  async explain(walk: IndexWalk): Promise<WalkPlan> {
    const { documents, examined } = await this.run(() => this.walked(walk));
    return { usesIndex: true, documentsExamined: examined, returned: documents.length };
  }

  page<Document extends StoredDocument>(
    collection: string,
    { after, limit }: { readonly after: string | undefined; readonly limit: number },
  ): Promise<readonly Document[]> {
    return this.run(() => {
      this.store.calls.pages += 1;
      const documents = [...this.documents(collection).values()] as Document[];
      const sorted = documents.sort((a, b) => compareScalars(a._id, b._id));
      return structuredClone(sorted.filter(({ _id }) => after === undefined || compareScalars(_id, after) > 0)).slice(
        0,
        limit,
      );
    });
  }

  counts(): Promise<Readonly<Record<string, number>>> {
    return this.run(() =>
      Object.fromEntries(this.schema.collections.map(({ name }) => [name, this.documents(name).size])),
    );
  }

  private walked(walk: IndexWalk): Found<StoredDocument> & { readonly examined: number } {
    this.store.calls.walks += 1;
    const resolved = resolveWalk(collectionOf(this.schema, walk.collection), walk);
    const selected = selectAndSort(this.documents(walk.collection).values(), resolved, walk.direction);
    const matching = selected.filter(document => matches(document, walk.where)).slice(0, walk.limit);
    const last = matching.length === walk.limit ? matching.at(-1) : undefined;
    return {
      documents: structuredClone(matching),
      examined: last === undefined ? selected.length : selected.indexOf(last) + 1,
      position: this.kept.checkpoint?.position,
    };
  }

  private documents(collection: string): Map<string, StoredDocument> {
    const documents = this.kept.collections.get(collectionOf(this.schema, collection).name);
    if (documents === undefined) throw new Error(`There is no collection ${collection} in this generation.`);
    return documents;
  }

  private run<Result>(work: () => Result): Promise<Result> {
    return this.store.run(() => {
      if (this.kept.dropped) throw new UnavailableError('This generation was dropped.');
      return work();
    });
  }
}

function keyOf(projection: string, number: number): string {
  return `${projection}.${number}`;
}
