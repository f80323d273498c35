/**
 * One generation: for each collection a database of documents by `_id` and one of the rows of its indexes, of which each
 * names the document it stands for; and the checkpoint, on whose row every commit depends.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Database } from 'lmdb';
import { collectionOf, resolveWalk } from '../index-walk.ts';
import type { ResolvedWalk } from '../index-walk.ts';
import type {
  Checkpoint,
  CollectionSchema,
  CommitResult,
  DocumentWrite,
  Found,
  Generation,
  IndexWalk,
  ProjectionSchema,
  StoredDocument,
  WalkPlan,
} from '../read-store.ts';
import type { Environment, RowWrite } from './environment.ts';
import { checkIndexes, indexPrefix, rowChanges } from './index-rows.ts';
import { isMeant, scanRange } from './index-scan.ts';
import { behind, idKey } from './row-keys.ts';
import { whereFilter } from './where-filter.ts';

const CHECKPOINT = Buffer.from('checkpoint');
const INDEXES = Buffer.from('indexes');
const NO_BYTES = Buffer.alloc(0);
/** Documents whose rows are made in one turn of the thread: some milliseconds. */
const WRITES_AT_ONCE = 100;

interface Collection {
  readonly schema: CollectionSchema;
  readonly documents: Database<StoredDocument, Buffer>;
  readonly rows: Database<string, Buffer>;
}

interface Walked extends Found<StoredDocument> {
  readonly examined: number;
}

export class EmbeddedGeneration implements Generation {
  readonly schema: ProjectionSchema;
  readonly number: number;
  private readonly environment: Environment;
  private readonly meta: Database<unknown, Buffer>;
  private readonly collections: ReadonlyMap<string, Collection>;

  private constructor(environment: Environment, schema: ProjectionSchema, number: number) {
    this.environment = environment;
    this.schema = schema;
    this.number = number;
    this.meta = environment.guarded('meta');
    const open = (collection: CollectionSchema): Collection => {
      checkIndexes(collection);
      return {
        schema: collection,
        documents: environment.documents(`documents.${collection.name}`),
        rows: environment.texts(`rows.${collection.name}`),
      };
    };
    this.collections = new Map(schema.collections.map(collection => [collection.name, open(collection)]));
  }

  /** @throws Error where it was built with other indexes under the same version of the projection; UnavailableError */
  static async open(environment: Environment, schema: ProjectionSchema, number: number): Promise<EmbeddedGeneration> {
    const generation = new EmbeddedGeneration(environment, schema, number);
    await generation.checkSchema();
    return generation;
  }

  checkpoint(): Promise<Checkpoint | undefined> {
    return this.read(() => this.guard().value);
  }

  load<Document extends StoredDocument>(
    collection: string,
    ids: readonly string[],
  ): Promise<readonly (Document | undefined)[]> {
    return this.read(() => {
      const { documents } = this.collection(collection);
      return ids.map(id => documents.get(idKey(id)) as Document | undefined);
    });
  }

  async commit({
    from,
    to,
    writes,
  }: {
    readonly from: Checkpoint | undefined;
    readonly to: Checkpoint;
    readonly writes: readonly DocumentWrite[];
  }): Promise<CommitResult> {
    checkWrites(writes);
    // The documents as they are stored belong to the same checkpoint as the one that the transaction looks for again,
    // and nothing but a commit changes them: so rows may be made a few at a time, and others get their turn in between.
    const guarded = await this.read(() => this.guard());
    if (!isDeepStrictEqual(guarded.value, from)) return 'stale';
    const rows: RowWrite[] = [];
    for (let at = 0; at < writes.length; at += WRITES_AT_ONCE) {
      if (at > 0) await nextTurn();
      rows.push(...(await this.read(() => this.rowWrites(writes.slice(at, at + WRITES_AT_ONCE)))));
    }
    const guard = { database: this.meta, key: CHECKPOINT, version: guarded.version };
    const done = await this.environment.write(guard, jsonBytes(to), rows);
    return done ? 'committed' : 'stale';
  }

  async walk<Document extends StoredDocument>(walk: IndexWalk): Promise<Found<Document>> {
    const { documents, position } = await this.read(() => this.walked(walk));
    return { documents: documents as readonly Document[], position };
  }

  async explain(walk: IndexWalk): Promise<WalkPlan> {
    const { documents, examined } = await this.read(() => this.walked(walk));
    return { usesIndex: true, documentsExamined: examined, returned: documents.length };
  }

  page<Document extends StoredDocument>(
    collection: string,
    { after, limit }: { readonly after: string | undefined; readonly limit: number },
  ): Promise<readonly Document[]> {
    return this.read(() => {
      const { documents } = this.collection(collection);
      const start = after === undefined ? NO_BYTES : behind(idKey(after));
      return Array.from(documents.getRange({ start, limit }), ({ value }) => value as Document);
    });
  }

  counts(): Promise<Readonly<Record<string, number>>> {
    return this.read(() =>
      Object.fromEntries(
        Array.from(this.collections, ([name, { documents }]) => [
          name,
          (documents.getStats() as { readonly entryCount: number }).entryCount,
        ]),
      ),
    );
  }

  /** A copy of everything that can be read, into an empty folder. */
  copyCompacted(directory: string): Promise<void> {
    return this.environment.copyCompacted(directory);
  }

  close(): Promise<void> {
    return this.environment.close();
  }

  /** Rows are by the place of their index: with others, walks would find what they do not ask for. */
  private async checkSchema(): Promise<void> {
    const declared = this.schema.collections.map(({ name, indexes }) => ({ name, indexes }));
    const read = (): unknown => this.environment.read(() => this.meta.get(INDEXES));
    const guard = { database: this.meta, key: INDEXES, version: undefined };
    if (read() === undefined) await this.environment.write(guard, jsonBytes(declared), []);
    if (!isDeepStrictEqual(read(), JSON.parse(JSON.stringify(declared))))
      throw new Error(`${this.schema.name}.${this.number} was built with other indexes: its version must be another.`);
  }

  private guard(): { readonly value: Checkpoint | undefined; readonly version: number | undefined } {
    const entry = this.meta.getEntry(CHECKPOINT);
    return { value: entry?.value as Checkpoint | undefined, version: entry?.version };
  }

  private rowWrites(writes: readonly DocumentWrite[]): RowWrite[] {
    return writes.flatMap(({ collection, id, after }) => {
      const { schema, documents, rows } = this.collection(collection);
      const key = idKey(id);
      const changes = rowChanges(schema.indexes, documents.get(key), after);
      return [
        after === undefined ? { database: documents, key } : { database: documents, key, value: jsonBytes(after) },
        ...changes.removed.map(key => ({ database: rows, key })),
        ...changes.added.map(key => ({ database: rows, key, value: Buffer.from(id) })),
      ];
    });
  }

  private walked(walk: IndexWalk): Walked {
    const resolved = resolveWalk(this.collection(walk.collection).schema, walk);
    const isWanted = whereFilter(walk.where);
    const found: StoredDocument[] = [];
    let examined = 0;
    const position = this.guard().value?.position;
    const candidates = this.candidates(walk, resolved);
    for (const document of candidates) {
      if (document === undefined) throw new Error(`${walk.collection} has a row along ${walk.index} of no document.`);
      examined += 1;
      if (isMeant(document, resolved) && isWanted(document)) found.push(document);
      if (found.length >= walk.limit) break;
    }
    return { documents: found, position, examined };
  }

  /** Fetched one by one, as they are asked for. */
  private *candidates(walk: IndexWalk, resolved: ResolvedWalk): Generator<StoredDocument | undefined> {
    const { schema, documents, rows } = this.collection(walk.collection);
    if (walk.index === '_id') {
      for (const { value } of documents.getRange(scanRange(resolved, walk.direction, NO_BYTES))) yield value;
      return;
    }
    const prefix = indexPrefix(schema.indexes.indexOf(resolved.index));
    for (const { value: id } of rows.getRange(scanRange(resolved, walk.direction, prefix)))
      yield documents.get(idKey(id));
  }

  private collection(name: string): Collection {
    const collection = this.collections.get(collectionOf(this.schema, name).name);
    if (collection === undefined) throw new Error(`${this.schema.name} has no collection ${name} open.`);
    return collection;
  }

  /** A promise of what is read at once. */
  private read<Result>(run: () => Result): Promise<Result> {
    return new Promise(resolve => {
      resolve(this.environment.read(run));
    });
  }
}

/** @throws Error for what would leave rows behind that no document has */
function checkWrites(writes: readonly DocumentWrite[]): void {
  const seen = new Set<string>();
  for (const { collection, id, after } of writes) {
    const name = `${collection}/${id}`;
    if (seen.has(name) || (after !== undefined && after._id !== id))
      throw new Error(`A commit writes a document of ${collection} twice, or under an id that is not its own.`);
    seen.add(name);
  }
}

function jsonBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
