/**
 * By what conversations can be listed: each pair of filter and sort has an index of its own, and there are no others.
 */
import type { IndexSchema, Scalar } from '../../read-store/read-store.ts';
import type { ConversationDocument } from './conversation-document.ts';

type Field = keyof ConversationDocument;

export interface ConversationList {
  readonly name: string;
  /** Whoever asks gives a value of each. `tags` is a list: a conversation is found under each of its tags. */
  readonly filter: readonly Field[];
  /** What all conversations of this list have besides; a walk names it too. */
  readonly always?: Readonly<Record<string, Scalar>>;
  /** Never null. */
  readonly sort: Field;
  /** Which end comes first, unless asked otherwise: the latest, or whoever waits longest. */
  readonly direction: 'forwards' | 'backwards';
  /** `tenant`, the fields of `filter`, `sort`, `_id`. */
  readonly index: IndexSchema;
}

interface ListOptions {
  readonly sort?: Field;
  readonly direction?: 'forwards';
  readonly always?: Readonly<Record<string, Scalar>>;
}

function list(
  name: string,
  filter: readonly Field[],
  { sort = 'lastActivityAt', direction, always }: ListOptions = {},
): ConversationList {
  const fields = ['tenant', ...filter, sort, '_id'];
  return {
    ...{ name, filter, sort, direction: direction ?? 'backwards' },
    ...(always === undefined ? {} : { always }),
    index: always === undefined ? { name, fields } : { name, fields, partial: always },
  };
}

export const CONVERSATION_LISTS: readonly ConversationList[] = [
  list('all', []),
  list('by_status', ['status']),
  list('waiting_in_queue', ['queue'], {
    ...{ sort: 'handlingSince', direction: 'forwards', always: { handling: 'queued' } },
  }),
  list('by_queue', ['queue']),
  list('by_assignee', ['assignee'], { always: { handling: 'assigned' } }),
  list('by_assignee_and_status', ['assignee', 'status'], { always: { handling: 'assigned' } }),
  list('by_visitor', ['visitor'], { sort: 'lastMessageOrStartAt' }),
  list('by_priority_and_status', ['priority', 'status']),
  list('by_tag', ['tags']),
];
