/**
 * What an erasure does to a generation. The subject's key is gone by now, so every conversation of which a document names
 * the subject is folded again from its stream, up to the erasure, into fresh documents; these take the places of the old
 * ones, marked as changed by the erasure. The checkpoint stays where it is until the last of them is written, and moves
 * over the erasure then: whoever crashes in between does it all again, and finds most of it done.
 */
import { StreamDeletedError, StreamNotFoundError } from '../event-store/errors.ts';
import type { RecordedEvent } from '../event-store/event-store.ts';
import { streamName } from '../domain/stream-name.ts';
import type {
  Checkpoint,
  CommitLimits,
  CommitResult,
  DocumentWrite,
  Generation,
  StoredDocument,
} from '../read-store/read-store.ts';
import { bytesOf, rowsAtMost } from './document-cost.ts';
import { isSame } from './document-comparison.ts';
import { openEvents } from './feed.ts';
import type { ErasureItem, FeedSource } from './feed.ts';
import { FoldedDocuments } from './fold-batch.ts';
import { PARKED } from './parking.ts';
import type { ParkedDocument } from './parking.ts';
import type { Projection } from './projection.ts';

const PAGE = 200;
/** Conversations of one erasure that are remembered as done; one that is not is folded again, to the same end. */
const REMEMBERED_MAX = 10_000;

export interface ErasureContext {
  readonly projection: Projection;
  readonly generation: Generation;
  readonly source: FeedSource;
  readonly limits: CommitLimits;
  /** The generation's checkpoint. */
  readonly from: Checkpoint | undefined;
  /** What is parked in the generation, by `parkedKey`. */
  readonly parked: Map<string, ParkedDocument>;
  /** Something will be overwritten: before it is, and at every try. */
  readonly beforePurge: () => Promise<void>;
}

/** A document of an erasure rule, as ErasureRule says it is. */
interface Subjective extends StoredDocument {
  readonly conversation: string;
}

/** Stale: somebody else projects; what was written until then is what they write too. */
export async function applyErasure(
  context: ErasureContext,
  { tenant, subject, at }: ErasureItem,
): Promise<CommitResult> {
  const { projection, generation, from } = context;
  const done = new Map<string, ReadonlySet<string>>();
  for (const { collection, subjectIndex } of from === undefined ? [] : projection.erasure.refolded) {
    let after: string | undefined;
    do {
      const { documents } = await generation.walk<Subjective>({
        ...{
          collection,
          index: subjectIndex,
          equals: { tenant, subjects: subject },
          direction: 'forwards',
          limit: PAGE,
        },
        ...(after === undefined ? {} : { after: [after] }),
      });
      if (documents.length > 0 && done.size === 0) await context.beforePurge();
      for (const document of documents) {
        const ids = done.get(document.conversation) ?? (await refold(context, tenant, document.conversation, at));
        if (ids === 'stale') return 'stale';
        if (done.size < REMEMBERED_MAX) done.set(document.conversation, ids);
        if (ids.has(idIn(collection, document._id))) continue;
        // The stream does not tell of it any more.
        const gone = { collection, id: document._id, before: document, after: undefined };
        if ((await write(context, [gone])) === 'stale') return 'stale';
      }
      after = documents.length < PAGE ? undefined : documents.at(-1)?._id;
    } while (after !== undefined);
  }
  return generation.commit({ from, to: at, writes: [] });
}

function idIn(collection: string, id: string): string {
  return `${collection}\n${id}`;
}

/** Folds one conversation again and writes what differs; gives its documents. It is held in memory whole. */
async function refold(
  context: ErasureContext,
  tenant: string,
  conversation: string,
  at: Checkpoint,
): Promise<ReadonlySet<string> | 'stale'> {
  const { projection, source, limits } = context;
  const collections = new Set(projection.erasure.refolded.map(({ collection }) => collection));
  const parked = new Map<string, ParkedDocument>();
  const fresh = new FoldedDocuments({
    projection: {
      documents: projection.documents
        .filter(({ collection }) => collections.has(collection.name))
        .map(fold => ({ ...fold, facts: () => [] })),
      facts: [],
    },
    load: (_, ids) => Promise.resolve(ids.map(() => undefined)),
    limits: { ...limits, documentsHeldMax: Infinity, bytesHeldMax: Infinity },
    parked,
    parkedBefore: context.parked,
  });
  for await (const slice of slicesOf(source, streamName('conversation', tenant, conversation), at)) {
    const inputs = await openEvents(source, slice);
    // Only the documents at the end are wanted, not the commits on the way.
    for await (const _ of fresh.commits(inputs)) continue;
  }
  const ids = new Set<string>();
  const wanted = new Map<string, StoredDocument[]>();
  for (const { collection, id, document } of fresh.all()) {
    if (document === undefined) continue;
    ids.add(idIn(collection, id));
    const documents = wanted.get(collection) ?? [];
    wanted.set(collection, documents);
    documents.push({ ...document, position: at.position });
  }
  for (const [collection, documents] of wanted)
    for (let i = 0; i < documents.length; i += PAGE) {
      const writes = await differing(context, collection, documents.slice(i, i + PAGE));
      if ((await write(context, writes)) === 'stale') return 'stale';
    }
  return (await park(context, parked)) === 'stale' ? 'stale' : ids;
}

/** The stream's events up to the erasure, in slices; none of a stream that is gone. */
async function* slicesOf(source: FeedSource, stream: string, at: Checkpoint): AsyncGenerator<RecordedEvent[]> {
  const { batchEventsMax, batchBytesMax } = source.limits;
  let slice: RecordedEvent[] = [];
  let bytes = 0;
  try {
    for await (const event of source.store.readStream(stream)) {
      if (event.position > at.position) break;
      slice.push(event);
      bytes += event.data.length;
      if (slice.length < batchEventsMax && bytes < batchBytesMax) continue;
      yield slice;
      [slice, bytes] = [[], 0];
    }
  } catch (error) {
    if (!(error instanceof StreamNotFoundError) && !(error instanceof StreamDeletedError)) throw error;
  }
  if (slice.length > 0) yield slice;
}

async function differing(
  { generation }: ErasureContext,
  collection: string,
  documents: readonly StoredDocument[],
): Promise<DocumentWrite[]> {
  const stored = await generation.load(
    collection,
    documents.map(({ _id }) => _id),
  );
  return documents.flatMap((after, i): DocumentWrite[] => {
    const before = stored[i];
    return isSame(before, after) ? [] : [{ collection, id: after._id, before, after }];
  });
}

/** What could be folded until now, and cannot be without the subject's words. */
async function park(context: ErasureContext, parked: ReadonlyMap<string, ParkedDocument>): Promise<CommitResult> {
  const added = [...parked].filter(([key]) => !context.parked.has(key));
  const writes = added.map(([, after]) => ({ collection: PARKED.name, id: after._id, before: undefined, after }));
  for (const [key, document] of added) context.parked.set(key, document);
  return write(context, writes);
}

/** In commits within bounds, none of which moves the checkpoint. */
async function write(context: ErasureContext, writes: readonly DocumentWrite[]): Promise<CommitResult> {
  const { generation, limits, from } = context;
  if (from === undefined) throw new Error('Nothing is folded again where nothing was folded.');
  for (let at = 0; at < writes.length;) {
    const end = endOfCommit(context, writes, at);
    const result = await generation.commit({
      from,
      to: from,
      writes: writes.slice(at, Math.min(end, at + limits.documentsMax)),
    });
    if (result === 'stale') return 'stale';
    at = Math.min(end, at + limits.documentsMax);
  }
  return 'committed';
}

function endOfCommit({ generation, limits }: ErasureContext, writes: readonly DocumentWrite[], from: number): number {
  let [rows, bytes] = [0, 0];
  for (let i = from; i < writes.length; i++) {
    const { collection, before, after } = writes[i] ?? {};
    const schema = generation.schema.collections.find(({ name }) => name === collection);
    rows += schema === undefined ? 1 : rowsAtMost(schema, before, after);
    bytes += bytesOf(after);
    if (i > from && (rows > limits.rowsMax || bytes > limits.bytesMax)) return i;
  }
  return writes.length;
}
