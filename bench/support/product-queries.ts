/** Every query of the product, as HTTP asks it and with its pages; and transcripts from one document a message. */
import { CONVERSATION_LISTS } from '../../src/projections/conversations/conversation-lists.ts';
import type { ConversationList } from '../../src/projections/conversations/conversation-lists.ts';
import { listConversations } from '../../src/projections/conversations/list-query.ts';
import { listParticipants } from '../../src/projections/conversations/participants-query.ts';
import type { BucketSize } from '../../src/projections/conversations/local-buckets.ts';
import { volumeOf } from '../../src/projections/conversations/volume-query.ts';
import { transcript } from '../../src/projections/messages/transcript-query.ts';
import type { TranscriptRequest } from '../../src/projections/messages/transcript-query.ts';
import type { ReadModels } from '../../src/projections/read-models.ts';
import { AGENTS, QUEUES, TAGS, TENANT } from './conversations.ts';
import { singleId } from './read-model-filling.ts';
import type { Filled, SingleMessage, Talk } from './read-model-filling.ts';

export interface AskedQuery {
  readonly label: string;
  /** `at`, in [0, 1), chooses what is asked for; gives how many things were found. */
  readonly run: (at: number) => Promise<number>;
}

const LIST_LIMIT = 50;
const TRANSCRIPT_LIMIT = 100;
const DAY_MS = 86_400_000;
const QUARTER_MS = 900_000;
const TIME_ZONE = 'Asia/Kathmandu';

function pick<One>(from: readonly One[], at: number): One {
  const one = from[Math.floor(at * from.length)];
  if (one === undefined) throw new Error('There is nothing to ask for.');
  return one;
}

export function productQueries(readModels: ReadModels, filled: Filled): AskedQuery[] {
  return [
    ...CONVERSATION_LISTS.flatMap(list => listQueries(readModels, list, filled)),
    changes(readModels, filled),
    ...transcriptQueries(readModels, filled),
    ...participantQueries(readModels, filled),
    ...volumeQueries(readModels, filled),
  ];
}

/** Values by which lists are asked. */
function valueOf(field: string, at: number, { typical }: Filled): string {
  switch (field) {
    case 'status':
      return at < 0.5 ? 'open' : 'resolved';
    case 'queue':
      return pick(QUEUES, at);
    case 'assignee':
      return `agent-${Math.floor(at * AGENTS)}`;
    case 'visitor':
      return pick(typical, at).visitor;
    case 'priority':
      return 'normal';
    case 'tags':
      return pick(TAGS, at);
    default:
      throw new Error(`Lists are not asked by ${field}.`);
  }
}

/** The first page, and one behind a place some way down. */
function listQueries(readModels: ReadModels, list: ConversationList, filled: Filled): AskedQuery[] {
  const ask = async (at: number, deep: boolean): Promise<number> => {
    const values = Object.fromEntries(list.filter.map(field => [field, valueOf(field, at, filled)]));
    const selection = { tenant: TENANT, list, direction: list.direction, values, isForVisitor: false };
    const { begunAt, endedAt } = pick(filled.typical, 1 - at);
    const after = [new Date(list.direction === 'forwards' ? begunAt : endedAt).toISOString(), `${TENANT}/`];
    const place = deep ? ({ phase: 'list', after, start: 0 } as const) : undefined;
    const run = () =>
      readModels.query('conversations', {}, generation => listConversations(generation, selection, place, LIST_LIMIT));
    return (await run()).documents.length;
  };
  return [
    { label: `list ${list.name}, first page`, run: at => ask(at, false) },
    { label: `list ${list.name}, from a cursor`, run: at => ask(at, true) },
  ];
}

function changes(readModels: ReadModels, { head }: Filled): AskedQuery {
  const [list] = CONVERSATION_LISTS;
  if (list === undefined) throw new Error('There are no lists.');
  const selection = { tenant: TENANT, list, direction: list.direction, values: {}, isForVisitor: false };
  return {
    label: 'list all, what changed since',
    run: async at => {
      const place = { phase: 'changes', after: null, start: Math.floor(head * (0.5 + at / 2)) } as const;
      const found = await readModels.query('conversations', {}, generation =>
        listConversations(generation, selection, place, LIST_LIMIT),
      );
      return found.documents.length;
    },
  };
}

type TranscriptOf = Omit<TranscriptRequest, 'tenant' | 'conversation' | 'limit'>;

async function askTranscript(
  readModels: ReadModels,
  { conversation }: Pick<Talk, 'conversation'>,
  asked: TranscriptOf,
  limit = TRANSCRIPT_LIMIT,
): Promise<number> {
  const request = { tenant: TENANT, conversation, limit, ...asked };
  return (await readModels.query('messages', {}, generation => transcript(generation, request))).messages.length;
}

function transcriptQueries(readModels: ReadModels, { typical, long }: Filled): AskedQuery[] {
  const kinds: readonly (readonly [string, readonly Talk[]])[] = [
    ['a conversation', typical],
    ['a long one', long],
  ];
  const ranges: readonly (readonly [string, (talk: Talk, at: number) => TranscriptOf])[] = [
    ['the newest messages', () => ({ range: { by: 'seq' } })],
    ['by seq', ({ messages }, at) => ({ range: { by: 'seq', from: Math.floor(messages * at) } })],
    ['by revision', ({ messages }, at) => ({ range: { by: 'rev', from: Math.floor(messages * at) } })],
    [
      'by time',
      ({ begunAt, endedAt }, at) => ({
        range: { by: 'at', from: new Date(begunAt + (endedAt - begunAt) * at).toISOString() },
      }),
    ],
    [
      'around a message',
      ({ messages }, at) => ({ range: { by: 'seq' }, place: { around: Math.floor(messages * at) } }),
    ],
  ];
  return kinds.flatMap(([kind, talks]) =>
    ranges.map(([label, asked]) => ({
      label: `transcript of ${kind}, ${label}`,
      run: (at: number) => {
        const talk = pick(talks, at);
        return askTranscript(readModels, talk, asked(talk, (at * 7_919) % 1));
      },
    })),
  );
}

function participantQueries(readModels: ReadModels, { typical }: Filled): AskedQuery[] {
  const ask = async (selection: Parameters<typeof listParticipants>[1]): Promise<number> => {
    const found = await readModels.query('conversations', {}, generation =>
      listParticipants(generation, selection, undefined, LIST_LIMIT),
    );
    return found.documents.length;
  };
  return [
    {
      label: 'participants of a conversation',
      run: at => ask({ tenant: TENANT, conversation: pick(typical, at).conversation }),
    },
    {
      label: 'conversations of an agent',
      run: at => ask({ tenant: TENANT, participant: `agent-${Math.floor(at * AGENTS)}` }),
    },
  ];
}

function volumeQueries(readModels: ReadModels, { typical }: Filled): AskedQuery[] {
  const endMs = Math.floor(Math.max(...typical.map(({ endedAt }) => endedAt)) / QUARTER_MS) * QUARTER_MS;
  const cases: readonly (readonly [BucketSize, number, 'all' | 'queue'])[] = [
    ['hour', 30, 'all'],
    ['day', 30, 'all'],
    ['week', 30, 'all'],
    ['hour', 365, 'all'],
    ['day', 365, 'all'],
    ['week', 365, 'all'],
    ['day', 365, 'queue'],
  ];
  return cases.map(([by, days, dimension]) => ({
    label: `volume of ${dimension === 'all' ? 'all' : 'a queue'} by ${by}, ${days} days, ${TIME_ZONE}`,
    run: async at => {
      const value = dimension === 'all' ? '' : pick(QUEUES, at);
      const request = {
        tenant: TENANT,
        dimension,
        value,
        fromMs: endMs - days * DAY_MS,
        toMs: endMs,
        by,
        timeZone: TIME_ZONE,
        mayLag: true,
      };
      return (await readModels.query('conversations', {}, generation => volumeOf(generation, request))).buckets.length;
    },
  }));
}

/** The `seq` of the newest message that a query shows; -1: none. With `minPosition` it is waited for. */
export async function newestMessage(
  readModels: ReadModels,
  conversation: string,
  minPosition?: number,
): Promise<number> {
  const request: TranscriptRequest = { tenant: TENANT, conversation, range: { by: 'seq' }, limit: 1 };
  const { messages } = await readModels.query('messages', { minPosition }, generation =>
    transcript(generation, request),
  );
  return messages.at(-1)?.seq ?? -1;
}

export interface ComparedTranscript {
  readonly label: string;
  readonly buckets: AskedQuery;
  readonly single: AskedQuery;
}

/** The same pages from either kind of documents. */
export function singleTranscripts(readModels: ReadModels, { typical, long, single }: Filled): ComparedTranscript[] {
  const newest = async (conversation: string, limit: number): Promise<number> => {
    const found = await single.walk<SingleMessage>({
      ...{ collection: 'messages', index: '_id', direction: 'backwards', limit, equals: {} },
      range: { field: '_id', gte: singleId(conversation, 0), lt: `${TENANT}/${conversation}/:` },
    });
    return found.documents.length;
  };
  const compared = (kind: string, talks: readonly Talk[], limit: number): ComparedTranscript => ({
    label: `the newest ${limit} of ${kind}`,
    buckets: {
      label: 'buckets',
      run: at => askTranscript(readModels, pick(talks, at), { range: { by: 'seq' } }, limit),
    },
    single: { label: 'one document a message', run: at => newest(pick(talks, at).conversation, limit) },
  });
  return [
    compared('a conversation', typical, 100),
    compared('a long one', long, 10),
    compared('a long one', long, 100),
    compared('a long one', long, 500),
  ];
}
