/**
 * Every query of the product, with values that the documents of a store have: for tests that ask all of them of an
 * engine, and look at what each walked and what that cost.
 */
import { conversationsProjection } from '../../src/projections/conversations/projection.ts';
import type { ConversationDocument } from '../../src/projections/conversations/conversation-document.ts';
import { CONVERSATION_LISTS } from '../../src/projections/conversations/conversation-lists.ts';
import type { ConversationList } from '../../src/projections/conversations/conversation-lists.ts';
import { listConversations } from '../../src/projections/conversations/list-query.ts';
import type { ListPlace, ListSelection } from '../../src/projections/conversations/list-query.ts';
import { listParticipants } from '../../src/projections/conversations/participants-query.ts';
import type { ParticipantDocument } from '../../src/projections/conversations/participants.ts';
import type { VolumeDocument } from '../../src/projections/conversations/volume.ts';
import { volumeOf } from '../../src/projections/conversations/volume-query.ts';
import type { MessageBucket } from '../../src/projections/messages/message-buckets.ts';
import { messagesProjection } from '../../src/projections/messages/projection.ts';
import { transcript } from '../../src/projections/messages/transcript-query.ts';
import type { TranscriptRequest } from '../../src/projections/messages/transcript-query.ts';
import { storedSchema } from '../../src/projections/parking.ts';
import type { Projection } from '../../src/projections/projection.ts';
import type {
  Found,
  Generation,
  IndexWalk,
  ReadStore,
  StoredDocument,
  WalkPlan,
} from '../../src/read-store/read-store.ts';

type Walker = Pick<Generation, 'walk'>;

interface ProductQuery {
  readonly name: string;
  readonly projection: Pick<Projection, 'schema'>;
  readonly run: (generation: Walker) => Promise<unknown>;
}

export interface AskedQuery {
  readonly name: string;
  /** What it gives, for comparing with another engine's. */
  readonly result: unknown;
  readonly walks: readonly { readonly walk: IndexWalk; readonly plan: WalkPlan }[];
}

/** Where the documents that answer are. */
interface Filled {
  readonly readStore: ReadStore;
  /** The same of both projections. */
  readonly generation: number;
  readonly tenant: string;
}

const DAY_MS = 86_400_000;
const SAMPLE = 500;

/** Asks them all, in the same order for the same documents. */
export async function askProductQueries(filled: Filled): Promise<AskedQuery[]> {
  const asked: AskedQuery[] = [];
  for (const { name, projection, run } of await productQueries(filled)) {
    const generation = await filled.readStore.generation(storedSchema(projection.schema), filled.generation);
    const walks: IndexWalk[] = [];
    const watched: Walker = {
      walk: <Document extends StoredDocument>(walk: IndexWalk): Promise<Found<Document>> => {
        walks.push(walk);
        return generation.walk<Document>(walk);
      },
    };
    const result = await run(watched);
    const explained = walks.map(async walk => ({ walk, plan: await generation.explain(walk) }));
    asked.push({ name, result, walks: await Promise.all(explained) });
  }
  return asked;
}

async function productQueries(filled: Filled): Promise<ProductQuery[]> {
  return [
    ...(await transcripts(filled)),
    ...(await lists(filled)),
    ...(await participants(filled)),
    ...(await volumes(filled)),
  ];
}

function sampleOf<Document extends StoredDocument>(
  { readStore, generation, tenant }: Filled,
  { schema }: Pick<Projection, 'schema'>,
  collection: string,
): Promise<readonly Document[]> {
  return readStore
    .generation(storedSchema(schema), generation)
    .then(opened => opened.page<Document>(collection, { after: `${tenant}/`, limit: SAMPLE }));
}

async function transcripts(filled: Filled): Promise<ProductQuery[]> {
  const buckets = await sampleOf<MessageBucket>(filled, messagesProjection, 'message_buckets');
  const [longest] = [...buckets].sort((a, b) => b.bucket - a.bucket || b.count - a.count);
  if (longest === undefined) throw new Error('There are no messages to ask for.');
  const { conversation, firstSeq, firstRev, lastRev, firstAt, lastAt } = longest;
  const of = (name: string, request: Partial<TranscriptRequest>): ProductQuery => ({
    ...{ name: `transcript ${name}`, projection: messagesProjection },
    run: generation =>
      transcript(generation, {
        ...{ tenant: filled.tenant, conversation, range: { by: 'seq' }, limit: 100, ...request },
      }),
  });
  return [
    of('of the newest', {}),
    of('from the beginning', { range: { by: 'seq', from: 0 } }),
    of('of a great page', { range: { by: 'seq', from: 0 }, limit: 500 }),
    of('by message', { range: { by: 'seq', from: firstSeq, to: firstSeq + 9 } }),
    of('by revision', { range: { by: 'rev', from: firstRev, to: lastRev } }),
    of('up to a revision', { range: { by: 'rev', to: lastRev } }),
    of('by time', { range: { by: 'at', from: firstAt, to: lastAt } }),
    of('up to a time', { range: { by: 'at', to: lastAt } }),
    of('around a message', { place: { around: firstSeq }, limit: 20 }),
    of('behind a message', { place: { after: firstSeq } }),
    of('before a message', { place: { before: firstSeq + 5 } }),
    of('by revision, behind a message', { range: { by: 'rev', from: firstRev }, place: { after: firstSeq } }),
    of('of no conversation', { conversation: 'there-is-none' }),
  ];
}

async function lists(filled: Filled): Promise<ProductQuery[]> {
  const documents = await sampleOf<ConversationDocument>(filled, conversationsProjection, 'conversations');
  return CONVERSATION_LISTS.flatMap(list => {
    const selections = (['forwards', 'backwards'] as const).map(direction => ({
      ...{ tenant: filled.tenant, list, direction, isForVisitor: false },
      values: valuesFor(list, documents),
    }));
    return selections.flatMap(selection => pagesOf(selection, documents));
  });
}

/** Such as some conversation of the list has, where any has. */
function valuesFor(list: ConversationList, documents: readonly ConversationDocument[]): Record<string, string> {
  const valueOf = (document: ConversationDocument, field: string): unknown => {
    const value = (document as unknown as Readonly<Record<string, unknown>>)[field];
    return Array.isArray(value) ? (value as unknown[])[0] : value;
  };
  const example = documents.find(
    document =>
      list.filter.every(field => typeof valueOf(document, field) === 'string') &&
      Object.entries(list.always ?? {}).every(([field, value]) => valueOf(document, field) === value),
  );
  return Object.fromEntries(list.filter.map(field => [field, example ? String(valueOf(example, field)) : 'none']));
}

/** The first page, the one behind it, and what changed since. */
function pagesOf(selection: ListSelection, documents: readonly ConversationDocument[]): ProductQuery[] {
  const positions = documents.map(({ position }) => position).sort((a, b) => a - b);
  const since = positions[Math.floor(positions.length / 2)] ?? 0;
  const of = (name: string, run: ProductQuery['run']): ProductQuery => ({
    ...{
      name: `list ${selection.list.name} ${selection.direction}, ${name}`,
      projection: conversationsProjection,
      run,
    },
  });
  const changes: ListPlace = { phase: 'changes', after: null, start: since };
  return [
    of('first page', generation => listConversations(generation, selection, undefined, 5)),
    of('second page', async generation => {
      const { next } = await listConversations(generation, selection, undefined, 2);
      return listConversations(generation, selection, next, 5);
    }),
    of('changes', generation => listConversations(generation, selection, changes, 5)),
    of('more changes', async generation => {
      const { next } = await listConversations(generation, selection, changes, 2);
      return listConversations(generation, selection, next, 200);
    }),
  ];
}

async function participants(filled: Filled): Promise<ProductQuery[]> {
  const { tenant } = filled;
  const documents = await sampleOf<ParticipantDocument>(filled, conversationsProjection, 'participants');
  const [some] = documents;
  if (some === undefined) throw new Error('There are no participants to ask for.');
  const selections = [
    { name: 'participants of a conversation', selection: { tenant, conversation: some.conversation } },
    { name: 'conversations of a participant', selection: { tenant, participant: some.participant } },
  ];
  return selections.flatMap(({ name, selection }): ProductQuery[] => [
    {
      ...{ name, projection: conversationsProjection },
      run: generation => listParticipants(generation, selection, undefined, 200),
    },
    {
      ...{ name: `${name}, second page`, projection: conversationsProjection },
      run: async generation => {
        const { next } = await listParticipants(generation, selection, undefined, 1);
        return listParticipants(generation, selection, next, 5);
      },
    },
  ]);
}

async function volumes(filled: Filled): Promise<ProductQuery[]> {
  const { readStore, tenant } = filled;
  const opened = await readStore.generation(storedSchema(conversationsProjection.schema), filled.generation);
  const dimensions = ['all', 'channel', 'queue', 'tag', 'agent'] as const;
  return Promise.all(
    dimensions.map(async dimension => {
      const [first] = await opened.page<VolumeDocument>('volume', { after: `${tenant}/${dimension}/`, limit: 1 });
      const some = first?.dimension === dimension ? first : { value: 'none', day: '2026-03-01' };
      const fromMs = Date.parse(some.day) - 200 * DAY_MS;
      const run: ProductQuery['run'] = generation =>
        volumeOf(generation, {
          ...{ tenant, dimension, value: some.value, by: 'day', timeZone: 'Asia/Kathmandu' },
          ...{ fromMs, toMs: fromMs + 400 * DAY_MS, mayLag: true },
        });
      return { name: `volume by ${dimension}`, projection: conversationsProjection, run };
    }),
  );
}
