/** Which list a request is of: by the pairs of filter and order that there are, and for a visitor only its own. */
import { z } from 'zod';
import type { Claims } from '../domain/claims.ts';
import { RequestError } from '../errors.ts';
import { CONVERSATION_LISTS } from '../projections/conversations/conversation-lists.ts';
import type { ConversationList } from '../projections/conversations/conversation-lists.ts';
import { isPlaceOf } from '../projections/conversations/list-query.ts';
import type { ListPlace, ListSelection } from '../projections/conversations/list-query.ts';
import { personId, slug } from '../schemas/text.ts';
import { cursorParameter, limitOf, minPosition } from './query-answers.ts';
import { badCursor, decodeListCursor, OF_ANOTHER_LIST, UNREADABLE } from './query-cursors.ts';
import type { CursorOwner } from './query-cursors.ts';

const LIMIT_MAX = 200;
const LIMIT = 50;

/** What the wire calls the fields that lists are filtered and sorted by. */
const FILTERS = {
  status: 'status',
  queue: 'queue',
  assignee: 'assignee',
  visitor: 'visitor',
  priority: 'priority',
  tag: 'tags',
} as const;
const SORTS = {
  lastActivity: 'lastActivityAt',
  lastMessage: 'lastMessageOrStartAt',
  waiting: 'handlingSince',
} as const;
type Filter = keyof typeof FILTERS;
type Sort = keyof typeof SORTS;

const PAIRS = CONVERSATION_LISTS.map(list => {
  const filters = (Object.keys(FILTERS) as Filter[]).filter(name => list.filter.includes(FILTERS[name]));
  const sort = (Object.keys(SORTS) as Sort[]).find(name => SORTS[name] === list.sort);
  return { list, filters, sort, inWords: `${filters.join(' and ') || 'no filter'} by ${sort ?? list.sort}` };
});
const PAIRS_IN_WORDS = PAIRS.map(({ inWords }) => inWords).join('; ');

export const conversationListQuery = z.strictObject({
  status: z.enum(['open', 'snoozed', 'resolved', 'closed']).optional(),
  queue: slug.optional().describe('That it waits in, or waited in last; sorted by `waiting`: that it waits in now.'),
  assignee: personId.optional().describe('Who has it in hand.'),
  visitor: personId.optional(),
  priority: z.enum(['low', 'normal', 'high', 'urgent']).optional(),
  tag: slug.optional().describe('That it has, among others.'),
  sort: z
    .enum(['lastActivity', 'lastMessage', 'waiting'])
    .optional()
    .describe(
      'By its last event other than a receipt, the default; by its last message, or its start while there is none; by ' +
        `since when it waits. The pairs that there are: ${PAIRS_IN_WORDS}.`,
    ),
  order: z
    .enum(['asc', 'desc'])
    .optional()
    .describe('Default: the latest first (`desc`), but who waits longest first (`asc`).'),
  limit: limitOf(LIMIT_MAX, LIMIT, 'Conversations'),
  cursor: cursorParameter,
  minPosition,
});
type Query = z.infer<typeof conversationListQuery>;

/** @throws RequestError `bad-request`, `forbidden`, `cursor-lost` */
export function placedList(
  query: Query,
  claims: Claims,
  owner: CursorOwner,
): { readonly selection: ListSelection; readonly place: ListPlace | undefined } {
  const isForVisitor = claims.role === 'visitor';
  const asked = isForVisitor ? ofVisitor(query, claims) : query;
  if (query.cursor === undefined)
    return { selection: selectionOf(asked, claims.tenant, isForVisitor), place: undefined };
  const cursor = decodeListCursor(query.cursor, owner);
  const { phase, after, start, direction, values } = cursor;
  const list = CONVERSATION_LISTS.find(({ name }) => name === cursor.list);
  if (list === undefined || !isSameSet(list.filter, Object.keys(values))) throw badCursor(UNREADABLE);
  const selection = { tenant: claims.tenant, list, direction, values, isForVisitor };
  const place = { phase, after, start };
  if (!isPlaceOf(selection, place)) throw badCursor(UNREADABLE);
  if (isAsked(asked) || isForVisitor) {
    const wanted = selectionOf(asked, claims.tenant, isForVisitor);
    if (!isSame(wanted, selection)) throw badCursor(OF_ANOTHER_LIST);
  }
  return { selection, place };
}

/** @throws RequestError `bad-request`, `forbidden` */
function ofVisitor(query: Query, { sub }: Claims): Query {
  const filters = filtersOf(query);
  const other = filters.find(name => name !== 'visitor');
  if (other !== undefined) throw notForVisitors(other);
  if (query.sort !== undefined && query.sort !== 'lastMessage') throw notForVisitors('sort');
  if ((query.visitor ?? sub) !== sub)
    throw new RequestError('forbidden', 'A visitor is listed its own conversations.', { path: 'visitor' });
  return { ...query, visitor: sub };
}

/** @throws RequestError `bad-request` */
function selectionOf(query: Query, tenant: string, isForVisitor: boolean): ListSelection {
  const filters = filtersOf(query);
  const pairs = PAIRS.filter(pair => isSameSet(pair.filters, filters));
  if (pairs.length === 0) throw noSuchPair(filters[0] ?? 'sort');
  const pair =
    query.sort === undefined
      ? (pairs.find(({ sort }) => sort === 'lastActivity') ?? pairs[0])
      : pairs.find(({ sort }) => sort === query.sort);
  if (pair === undefined) throw noSuchPair('sort');
  const values = Object.fromEntries(filters.map(name => [FILTERS[name], query[name] ?? '']));
  return { tenant, list: pair.list, direction: directionOf(query, pair.list), values, isForVisitor };
}

function directionOf({ order }: Query, list: ConversationList): ListSelection['direction'] {
  if (order === undefined) return list.direction;
  return order === 'asc' ? 'forwards' : 'backwards';
}

function filtersOf(query: Query): Filter[] {
  return (Object.keys(FILTERS) as Filter[]).filter(name => query[name] !== undefined);
}

function isAsked(query: Query): boolean {
  return filtersOf(query).length > 0 || query.sort !== undefined || query.order !== undefined;
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every(each => b.includes(each));
}

function isSame(a: ListSelection, b: ListSelection): boolean {
  const isSameValue = ([field, value]: readonly [string, string]): boolean => b.values[field] === value;
  return a.list === b.list && a.direction === b.direction && Object.entries(a.values).every(isSameValue);
}

/** Whoever asks may not be told of filters that it can never use. */
function notForVisitors(path: string): RequestError {
  const why = 'a visitor is listed its own conversations, without a filter, by lastMessage.';
  return new RequestError('bad-request', `${path}: ${why}`, { path });
}

function noSuchPair(path: string): RequestError {
  return new RequestError('bad-request', `${path}: conversations are listed with ${PAIRS_IN_WORDS}.`, { path });
}
