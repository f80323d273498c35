/**
 * One generation: a MongoDB collection for each of its collections, and a row in `checkpoints`, which is there as long as
 * the generation is. Whoever commits changes that row in the same transaction, always, so that of two who commit at once one
 * meets a conflict, tries again and finds another checkpoint than it came from.
 */
import { ReadPreference } from 'mongodb';
import type { ClientSession, Collection, FindOptions } from 'mongodb';
import { UnavailableError } from '../../errors.ts';
import { collectionOf, resolveWalk } from '../index-walk.ts';
import { MONGODB_LIMITS } from '../mongodb-limits.ts';
import type {
  Checkpoint,
  CommitResult,
  DocumentWrite,
  Found,
  Generation,
  IndexWalk,
  ProjectionSchema,
  StoredDocument,
  WalkPlan,
} from '../read-store.ts';
import { isConnectionLost, isDuplicateKey, isNamespaceThere, isTransient } from './failures.ts';
import type { MongoDbLink } from './link.ts';
import { planOf } from './plan.ts';
import { documentOf } from './stored-form.ts';
import type { Row } from './stored-form.ts';
import { scansOf } from './walk-query.ts';
import type { Scan } from './walk-query.ts';
import { StaleDocumentError, writeDocuments } from './writes.ts';

/** `position` is null until the first commit. */
export interface CheckpointRow {
  readonly _id: string;
  readonly position: number | null;
  readonly createdMs: number | null;
  /** Counted up, so that a commit that keeps the position is a change too. */
  readonly commits: number;
}

/** Tries of one commit that met others or was told to try again; each is a round trip or two. */
const COMMIT_TRIES_MAX = 5;

/** Of the time that an operation may take, what each read of a secondary may: the primary answers in the rest. */
const LAGGING_SHARE = 0.25;
const LAGGING = new ReadPreference(ReadPreference.SECONDARY_PREFERRED, undefined, {
  maxStalenessSeconds: MONGODB_LIMITS.lagSecondsMax,
});

export interface GenerationOptions {
  readonly link: MongoDbLink;
  readonly schema: ProjectionSchema;
  readonly number: number;
  /** Queries look at every document instead of the index, which is how tests compare the two. */
  readonly naturalOrder: boolean;
}

/** Makes its collections and indexes where there are none. Within one `run` of the link. */
export async function openGeneration(options: GenerationOptions): Promise<MongoDbGeneration> {
  const { link, schema, number } = options;
  for (const { name, indexes } of schema.collections) {
    const collection = link.database.collection(collectionName(schema.name, number, name));
    if (indexes.length === 0)
      await link.database.createCollection(collection.collectionName).catch((error: unknown) => {
        if (!isNamespaceThere(error)) throw error;
      });
    else
      await collection.createIndexes(
        indexes.map(({ name, fields, partial }) => ({
          name,
          key: Object.fromEntries(fields.map(field => [field, 1] as const)),
          ...(partial === undefined ? {} : { partialFilterExpression: partial }),
        })),
      );
  }
  await checkpointsOf(link).updateOne(
    { _id: generationName(schema.name, number) },
    { $setOnInsert: { position: null, createdMs: null, commits: 0 } },
    { upsert: true },
  );
  return new MongoDbGeneration(options);
}

export function checkpointsOf(link: MongoDbLink): Collection<CheckpointRow> {
  return link.database.collection('checkpoints');
}

export function generationName(projection: string, number: number): string {
  return `${projection}_${number}`;
}

function collectionName(projection: string, number: number, collection: string): string {
  return `${generationName(projection, number)}_${collection}`;
}

class MongoDbGeneration implements Generation {
  readonly schema: ProjectionSchema;
  readonly number: number;
  private readonly link: MongoDbLink;
  private readonly naturalOrder: boolean;
  private readonly name: string;

  constructor({ link, schema, number, naturalOrder }: GenerationOptions) {
    this.link = link;
    this.schema = schema;
    this.number = number;
    this.naturalOrder = naturalOrder;
    this.name = generationName(schema.name, number);
  }

  checkpoint(): Promise<Checkpoint | undefined> {
    return this.link.run(() => this.readCheckpoint());
  }

  async load<Document extends StoredDocument>(
    collection: string,
    ids: readonly string[],
  ): Promise<readonly (Document | undefined)[]> {
    const rows = this.rows(collection);
    if (ids.length === 0) return [];
    const found = await this.link.run(() => rows.find({ _id: { $in: [...new Set(ids)] } }, this.reading).toArray());
    const documents = new Map(found.map(row => [row._id, documentOf(row) as Document]));
    return ids.map(id => documents.get(id));
  }

  async commit(change: {
    readonly from: Checkpoint | undefined;
    readonly to: Checkpoint;
    readonly writes: readonly DocumentWrite[];
  }): Promise<CommitResult> {
    const { writes } = change;
    // Before anything is written: an unknown collection is a bug.
    const byCollection = new Map<string, DocumentWrite[]>();
    for (const write of writes) {
      const { collectionName } = this.rows(write.collection);
      const grouped = byCollection.get(collectionName);
      if (grouped === undefined) byCollection.set(collectionName, [write]);
      else grouped.push(write);
    }
    return this.link.run(async signal => {
      let whole = false;
      for (let tries = 1; ; tries++) {
        const session = this.link.client.startSession();
        try {
          return await this.tryCommit({ ...change, byCollection, whole }, session, signal);
        } catch (error) {
          if (tries === COMMIT_TRIES_MAX || signal.aborted) throw error;
          // What is there is not what was loaded: then the difference is none, and all of it is written.
          if (error instanceof StaleDocumentError || isDuplicateKey(error)) whole = true;
          else if (!isTransient(error)) throw error;
        } finally {
          await session.endSession();
        }
      }
    });
  }

  async walk<Document extends StoredDocument>(walk: IndexWalk): Promise<Found<Document>> {
    if (walk.mayLag === true) {
      const found = await this.walkedLagging<Document>(walk);
      if (found?.position !== undefined) return found;
    }
    const found = await this.walked<Document>(walk, this.reading);
    if (found === undefined) throw dropped();
    return found;
  }

  /**
   * Undefined: a secondary has not heard of the generation yet, or does not answer soon: of two, one may lag behind what the other
   * has shown in this session, and would wait until it has that too.
   */
  private async walkedLagging<Document extends StoredDocument>(walk: IndexWalk): Promise<Found<Document> | undefined> {
    const maxTimeMS = Math.ceil(this.link.timeoutMs * LAGGING_SHARE);
    try {
      return await this.walked(walk, { maxTimeMS, readPreference: LAGGING });
    } catch (error) {
      if (error instanceof UnavailableError) return undefined;
      throw error;
    }
  }

  /** Undefined: where it was looked for there is no such generation. */
  private walked<Document extends StoredDocument>(
    walk: IndexWalk,
    options: Pick<FindOptions, 'maxTimeMS' | 'readPreference'>,
  ): Promise<Found<Document> | undefined> {
    return this.scan(walk, async (scans, session) => {
      const reading = { ...options, session };
      const checkpoint = await checkpointsOf(this.link).findOne({ _id: this.name }, reading);
      if (checkpoint === null) return undefined;
      const documents: Document[] = [];
      for (const scan of scans) {
        const limit = walk.limit - documents.length;
        if (limit === 0) break;
        const found = await this.find(walk, scan, { ...reading, limit }).toArray();
        for (const row of found) documents.push(documentOf(row) as Document);
      }
      return { documents, position: checkpoint.position ?? undefined };
    });
  }

  explain(walk: IndexWalk): Promise<WalkPlan> {
    return this.scan(walk, async (scans, session) => {
      const sum = { usesIndex: true, documentsExamined: 0, returned: 0 };
      for (const scan of scans) {
        const limit = walk.limit - sum.returned;
        if (limit === 0) break;
        const find = this.find(walk, scan, { ...this.reading, session, limit });
        const plan = planOf(await find.explain('executionStats'));
        sum.usesIndex &&= plan.usesIndex;
        sum.documentsExamined += plan.documentsExamined;
        // Engines differ in whether that is counted before the limit.
        sum.returned += Math.min(plan.returned, limit);
      }
      return sum;
    });
  }

  async page<Document extends StoredDocument>(
    collection: string,
    { after, limit }: { readonly after: string | undefined; readonly limit: number },
  ): Promise<readonly Document[]> {
    const rows = this.rows(collection);
    const filter = after === undefined ? {} : { _id: { $gt: after } };
    const found = await this.link.run(() =>
      rows.find(filter, { ...this.reading, sort: { _id: 1 }, hint: '_id_', limit }).toArray(),
    );
    return found.map(row => documentOf(row) as Document);
  }

  counts(): Promise<Readonly<Record<string, number>>> {
    return this.link.run(async () => {
      const names = this.schema.collections.map(({ name }) => name);
      const counts = await Promise.all(names.map(name => this.rows(name).estimatedDocumentCount(this.reading)));
      return Object.fromEntries(names.map((name, i) => [name, counts[i] ?? 0]));
    });
  }

  private async tryCommit(
    change: {
      readonly from: Checkpoint | undefined;
      readonly to: Checkpoint;
      readonly byCollection: ReadonlyMap<string, readonly DocumentWrite[]>;
      readonly whole: boolean;
    },
    session: ClientSession,
    signal: AbortSignal,
  ): Promise<CommitResult> {
    const { from, to, byCollection, whole } = change;
    session.startTransaction({
      readPreference: 'primary',
      readConcern: 'snapshot',
      writeConcern: this.link.writeConcern,
      maxCommitTimeMS: this.link.timeoutMs,
    });
    try {
      const moved = await checkpointsOf(this.link).updateOne(
        { _id: this.name, position: from?.position ?? null, createdMs: from?.createdMs ?? null },
        { $set: { position: to.position, createdMs: to.createdMs }, $inc: { commits: 1 } },
        { session },
      );
      if (moved.matchedCount === 0) {
        await abandon(session);
        return 'stale';
      }
      for (const [name, writes] of byCollection) {
        signal.throwIfAborted();
        await writeDocuments(this.link.database.collection<Row>(name), writes, { session, whole });
      }
      signal.throwIfAborted();
    } catch (error) {
      await abandon(session);
      if (isConnectionLost(error)) await this.killOpen(session);
      throw error;
    }
    try {
      await session.commitTransaction();
    } catch (error) {
      // It may have been committed all the same: whoever asked reads the checkpoint again. It may also still be open, and then
      // it would keep everybody else from committing until the server gives it up, a minute later.
      await this.killOpen(session);
      throw error;
    }
    return 'committed';
  }

  private async killOpen({ id }: ClientSession): Promise<void> {
    if (id !== undefined) await this.link.database.command({ killSessions: [{ id: id.id }] }).catch(() => undefined);
  }

  /** In a session that is causally consistent: no find shows less than the checkpoint that was read before it. */
  private scan<Result>(
    walk: IndexWalk,
    run: (scans: readonly Scan[], session: ClientSession) => Promise<Result>,
  ): Promise<Result> {
    return this.link.run(() => {
      const scans = scansOf(walk, resolveWalk(collectionOf(this.schema, walk.collection), walk));
      return this.link.client.withSession({ causalConsistency: true }, session => run(scans, session));
    });
  }

  private find(walk: IndexWalk, { filter, sort, hint }: Scan, options: FindOptions) {
    return this.rows(walk.collection).find(filter, {
      ...{ ...options, hint: this.naturalOrder ? { $natural: 1 } : hint },
      ...(sort === undefined ? {} : { sort }),
    });
  }

  /** @throws UnavailableError where the generation was dropped */
  private async readCheckpoint(): Promise<Checkpoint | undefined> {
    const row = await checkpointsOf(this.link).findOne({ _id: this.name }, this.reading);
    if (row === null) throw dropped();
    return row.position === null || row.createdMs === null
      ? undefined
      : { position: row.position, createdMs: row.createdMs };
  }

  private rows(collection: string): Collection<Row> {
    const { name } = collectionOf(this.schema, collection);
    return this.link.database.collection(collectionName(this.schema.name, this.number, name));
  }

  /** The server gives a query up with us. */
  private get reading(): { readonly maxTimeMS: number } {
    return { maxTimeMS: this.link.timeoutMs };
  }
}

function dropped(): UnavailableError {
  return new UnavailableError('This generation was dropped.');
}

/** What stands in its way is told by the error that led here. */
async function abandon(session: ClientSession): Promise<void> {
  await session.abortTransaction().catch(() => undefined);
}
