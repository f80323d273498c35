/**
 * A list of conversations in pages, then what changed since its first page, for ever. The cursor is in one of two phases:
 * - `list`: along the list's own index, from the last conversation shown;
 * - `changes`: along the positions at which conversations changed, from the one that the first page showed.
 *
 * A conversation that moves behind the cursor during the first is met by the second, since it moved by an event behind
 * that position. So each that is there throughout is seen at least once, and once unless it changed.
 */
import type { Generation, IndexWalk, Scalar } from '../../read-store/read-store.ts';
import type { Shown } from '../read-models.ts';
import type { ConversationDocument } from './conversation-document.ts';
import type { ConversationList } from './conversation-lists.ts';
import { CONVERSATIONS } from './conversations.ts';

export interface ListSelection {
  readonly tenant: string;
  readonly list: ConversationList;
  readonly direction: IndexWalk['direction'];
  /** Of each field of the list's filter. */
  readonly values: Readonly<Record<string, string>>;
  /** Not those from which the visitor was removed. */
  readonly isForVisitor: boolean;
}

export interface ListPlace {
  readonly phase: 'list' | 'changes';
  /** Values of the index's fields behind the equal ones, of the last document seen; null: the phase begins. */
  readonly after: readonly Scalar[] | null;
  /** The position that the first page showed; -1: none. */
  readonly start: number;
}

export interface ListPage extends Shown {
  readonly documents: readonly ConversationDocument[];
  /** Conversations that changed and are not of the list, whether or not they were. */
  readonly gone: readonly string[];
  /** Where the next page begins. There always is one. */
  readonly next: ListPlace;
  /** Whether there is more of it now, as far as is known. */
  readonly more: boolean;
}

type Walker = Pick<Generation, 'walk'>;

/**
 * What the page behind a place must at least show: a generation that has not come so far would not know of the changes
 * that are still to be met.
 */
export function leastPositionAt({ phase, after, start }: ListPlace): number {
  const [seen] = phase === 'changes' && after !== null ? after : [];
  return Math.max(start, typeof seen === 'number' ? seen : -1);
}

/** Values of a place's fields are of the types that the fields have, or it is none. */
export function isPlaceOf({ list }: Pick<ListSelection, 'list'>, { phase, after }: ListPlace): boolean {
  if (after === null) return true;
  const types = phase === 'changes' ? ['number', 'string'] : list.index.fields.slice(-2).map(() => 'string');
  return after.length === types.length && after.every((value, i) => typeof value === types[i]);
}

/** `limit` at least 1. */
export function listConversations(
  generation: Walker,
  selection: ListSelection,
  place: ListPlace | undefined,
  limit: number,
): Promise<ListPage> {
  return place?.phase === 'changes'
    ? changesPage(generation, selection, place, limit)
    : listPage(generation, selection, place, limit);
}

async function listPage(
  generation: Walker,
  selection: ListSelection,
  place: ListPlace | undefined,
  limit: number,
): Promise<ListPage> {
  const { tenant, list, direction, values } = selection;
  const { documents, position } = await generation.walk<ConversationDocument>({
    ...{ collection: CONVERSATIONS.name, index: list.index.name, direction, limit },
    equals: { tenant, ...values, ...list.always },
    ...(place?.after ? { after: place.after } : {}),
  });
  const start = place?.start ?? position ?? -1;
  const last = documents.at(-1);
  const isOver = documents.length < limit;
  return {
    ...{ position, gone: [] },
    // Behind the last page come the changes, where there can be any.
    more: !isOver || (position ?? -1) > start,
    documents: documents.filter(document => isShown(document, selection)),
    next:
      !isOver && last !== undefined
        ? { phase: 'list', after: [last[list.sort] as Scalar, last._id], start }
        : { phase: 'changes', after: null, start },
  };
}

async function changesPage(
  generation: Walker,
  selection: ListSelection,
  place: ListPlace,
  limit: number,
): Promise<ListPage> {
  const { tenant, values } = selection;
  const { visitor } = values;
  const found = await generation.walk<ConversationDocument>({
    // A conversation's visitor never changes, so nobody else's can come into a list of one visitor's, or leave it.
    ...(visitor === undefined
      ? { index: 'changes', equals: { tenant } }
      : { index: 'changes_of_visitor', equals: { tenant, visitor } }),
    ...{ collection: CONVERSATIONS.name, direction: 'forwards', limit },
    ...(place.after === null ? { range: { field: 'position', gt: place.start } } : { after: place.after }),
  });
  // What is behind the position shown may still lack others of its moment.
  const documents = found.documents.filter(document => document.position <= (found.position ?? -1));
  const last = documents.at(-1);
  return {
    position: found.position,
    documents: documents.filter(document => isShown(document, selection)),
    gone: documents.filter(document => !isShown(document, selection)).map(({ conversation }) => conversation),
    next: last === undefined ? place : { ...place, after: [last.position, last._id] },
    more: documents.length === limit,
  };
}

function isShown(document: ConversationDocument, { list, values, isForVisitor }: ListSelection): boolean {
  if (isForVisitor && document.visitorRemoved) return false;
  const fields = document as unknown as Readonly<Record<string, unknown>>;
  return Object.entries({ ...values, ...list.always }).every(([field, wanted]) => {
    const value = fields[field];
    return Array.isArray(value) ? value.includes(wanted) : value === wanted;
  });
}
