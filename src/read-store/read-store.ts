/**
 * The read store port: the documents of read models, each with declared indexes, and the checkpoint that moves with
 * them. Adapters sort beside this file and pass one contract suite (test/read-store/contract.ts).
 *
 * A *projection* owns collections and one checkpoint. What it has built is a *generation*: a set of collections of its
 * own, so that the next one is built beside it from the log and takes its place in one step. The *catalog* says, for
 * each projection, which generation answers queries and which are being built or dropped.
 */

export type Scalar = string | number | boolean | null;

/**
 * A document as it is stored: JSON without `undefined`, without bigint. `_id` begins with the tenant, `acme/…`, so that no
 * two tenants share one. `position`: of the last event that changed it, at most 2^53 - 1.
 */
export interface StoredDocument {
  readonly _id: string;
  readonly position: number;
  /** An event could not be folded into it: since then it stands still, and says so. */
  readonly parked?: true;
}

/** An index, ascending in all of its fields; a scan may go either way. The last field is `_id`, so that places are unique. */
export interface IndexSchema {
  readonly name: string;
  /**
   * Names of top-level fields. At most one holds a list: then the document stands under each of its elements, and a walk says
   * which it is to equal. A missing field counts as null. Values stand in MongoDB's order: null, numbers, strings by their
   * UTF-8 bytes, false, true; of strings that share their first 240 bytes, an engine may take the next fields' order.
   */
  readonly fields: readonly string[];
  /** Only documents whose fields equal these are in it; a query of it names them too. */
  readonly partial?: Readonly<Record<string, Scalar>>;
}

export interface CollectionSchema {
  readonly name: string;
  /** Besides the one on `_id`, named `_id`, which each has. */
  readonly indexes: readonly IndexSchema[];
}

export interface ProjectionSchema {
  /** Letters: `conversations`. */
  readonly name: string;
  /** Of the code; another number is another shape, and is built anew. At least 1. */
  readonly version: number;
  readonly collections: readonly CollectionSchema[];
}

/**
 * A walk along one index: the documents whose leading fields equal `equals`, within `range` of the next field, beginning
 * behind `after`. Never a scan of a collection: what it examines is what it gives, but for what `where` refuses.
 */
export interface IndexWalk {
  readonly collection: string;
  /** A declared index's name, or `_id`. */
  readonly index: string;
  /** The index's leading fields, all of them before the one of `range`; of a partial index its fields too. */
  readonly equals: Readonly<Record<string, Scalar>>;
  /** Of the first field behind those; each bound present is applied, none is null, and all are of one type, as is what is found. */
  readonly range?: {
    readonly field: string;
    readonly gt?: Scalar;
    readonly gte?: Scalar;
    readonly lt?: Scalar;
    readonly lte?: Scalar;
  };
  readonly direction: 'forwards' | 'backwards';
  /** The values of the index's fields behind `equals`, of the last document seen, `_id` last: exclusive. */
  readonly after?: readonly Scalar[];
  /** A MongoDB filter for the rest (equality, $in, $gt, $gte, $lt, $lte, $ne, $exists over scalar fields; nothing is above or below null). */
  readonly where?: Readonly<Record<string, unknown>>;
  /** At least 1. */
  readonly limit: number;
  /** An engine may answer from a copy that lags: `position` says how far. For what holds nothing personal, since it may show what was erased. */
  readonly mayLag?: boolean;
}

export interface Found<Document extends StoredDocument> {
  readonly documents: readonly Document[];
  /** A lower bound of what they show: the checkpoint read before them; undefined where there is none yet. */
  readonly position: number | undefined;
}

/** What a walk cost; `documentsExamined` are those fetched, `usesIndex` that nothing scanned a collection. */
export interface WalkPlan {
  readonly usesIndex: boolean;
  readonly documentsExamined: number;
  readonly returned: number;
}

/** Up to which event everything was folded. */
export interface Checkpoint {
  /** Of `$all`; at most 2^53 - 1. */
  readonly position: number;
  /** When the log accepted that event: ms since 1970, UTC. */
  readonly createdMs: number;
}

export interface DocumentWrite {
  readonly collection: string;
  readonly id: string;
  /** What it was when it was loaded, for an adapter that writes the difference; undefined: it was not there. */
  readonly before: StoredDocument | undefined;
  /** Undefined: it is deleted. */
  readonly after: StoredDocument | undefined;
}

/** `stale`: the checkpoint was not `from` any more, and nothing was written: somebody else projects. */
export type CommitResult = 'committed' | 'stale';

/** Bounds of one commit, which the projector keeps to. */
export interface CommitLimits {
  readonly documentsMax: number;
  /** Documents and the index rows that change with them, at most. */
  readonly rowsMax: number;
  readonly bytesMax: number;
}

/** @throws UnavailableError wherever the store is away, full or too slow */
export interface Generation {
  readonly schema: ProjectionSchema;
  readonly number: number;
  checkpoint(): Promise<Checkpoint | undefined>;
  /** In the order of the ids; undefined where there is none. */
  load<Document extends StoredDocument>(
    collection: string,
    ids: readonly string[],
  ): Promise<readonly (Document | undefined)[]>;
  /** All of it or nothing, if the checkpoint still is `from`. */
  commit(change: {
    readonly from: Checkpoint | undefined;
    readonly to: Checkpoint;
    readonly writes: readonly DocumentWrite[];
  }): Promise<CommitResult>;
  walk<Document extends StoredDocument>(walk: IndexWalk): Promise<Found<Document>>;
  /** Runs the walk and says what it cost. For tests and operators. */
  explain(walk: IndexWalk): Promise<WalkPlan>;
  /** Documents in the order of `_id`, for comparing: those behind `after`, at most `limit`. */
  page<Document extends StoredDocument>(
    collection: string,
    options: { readonly after: string | undefined; readonly limit: number },
  ): Promise<readonly Document[]>;
  /** Documents of each collection, about. */
  counts(): Promise<Readonly<Record<string, number>>>;
}

/** Numbers of generations; they are never used again. */
export interface CatalogEntry {
  readonly projection: string;
  /** Which answers queries. */
  readonly live: { readonly generation: number; readonly version: number };
  /** Is built beside it, to take its place. */
  readonly building?: { readonly generation: number; readonly version: number };
  /** To be dropped once nobody can be reading them: ms since 1970, UTC; -1 where it was dropped and only its number is kept. */
  readonly dropping: readonly { readonly generation: number; readonly afterMs: number }[];
  /** Erasures that were applied in live, whose old texts may still stand in free pages of its files. */
  readonly toCompact: boolean;
  /** The log whose events these are. */
  readonly log: string;
}

/** @throws UnavailableError wherever the store is away, full or too slow */
export interface ReadStore {
  readonly limits: CommitLimits;
  catalog(projection: string): Promise<CatalogEntry | undefined>;
  /** Compare-and-set over the whole entry; false where it was another by now. */
  changeCatalog(projection: string, from: CatalogEntry | undefined, to: CatalogEntry): Promise<boolean>;
  /** Opens its collections and indexes, and makes them where there are none. Asked again it gives the same object. */
  generation(schema: ProjectionSchema, number: number): Promise<Generation>;
  /** For good, with its files. One that is not there is no error. */
  drop(projection: string, number: number): Promise<void>;
  /** Lets go of what this process holds open of it, without dropping it. */
  release(projection: string, number: number): Promise<void>;
  /**
   * A copy under a new number, checkpoint and all, that holds nothing but what can be read: what was overwritten or
   * deleted is in none of its files. False where the engine's files are not ours to copy; then nothing is made.
   */
  copyCompacted(schema: ProjectionSchema, from: number, to: number): Promise<boolean>;
  /** Why it cannot be used now, as far as is known. */
  trouble(): string | undefined;
  close(): Promise<void>;
}
