/** A projection as small as one can be that has everything: documents, facts, subjects, and a word it cannot fold. */
import { defineFactFold, defineFold } from '../../src/projections/projection.ts';
import type { Content, Fact, ProjectedEvent, Projection } from '../../src/projections/projection.ts';
import type { StoredDocument } from '../../src/read-store/read-store.ts';

export interface Thread extends StoredDocument {
  readonly tenant: string;
  readonly conversation: string;
  readonly subjects: readonly string[];
  readonly texts: readonly (string | null)[];
  readonly edits: number;
}

export interface Count extends StoredDocument {
  readonly tenant: string;
  readonly messages: number;
}

interface Posted extends Fact {
  readonly kind: 'posted';
  readonly visitor: string;
}

/** Folding a message that begins with it throws, and so does counting for a visitor of that name. */
export const POISON = 'poison';

function evolve(
  thread: Thread | undefined,
  { tenant, conversation, recorded: { event } }: ProjectedEvent,
): Content<Thread> | undefined {
  switch (event.type) {
    case 'ConversationStarted':
      return { tenant, conversation, subjects: [event.data.visitor ?? conversation], texts: [], edits: 0 };
    case 'MessagePosted':
      if (event.data.text?.startsWith(POISON) === true) throw new TypeError(`Cannot fold ${event.data.text}.`);
      return thread && { ...thread, texts: [...thread.texts, event.data.text] };
    case 'MessageEdited': {
      const { seq, text } = event.data;
      return thread && { ...thread, texts: thread.texts.with(seq, text), edits: thread.edits + 1 };
    }
    case 'ConversationClosed':
      return undefined;
    default:
      return thread;
  }
}

const threads = {
  collection: {
    name: 'threads',
    indexes: [
      { name: 'by_subject', fields: ['tenant', 'subjects', '_id'] },
      { name: 'by_edits', fields: ['tenant', 'edits', '_id'] },
    ],
  },
  keys: ({ tenant, conversation }: ProjectedEvent) => [`${tenant}/${conversation}`],
  evolve,
  facts: (
    _: Thread | undefined,
    after: Thread | undefined,
    { tenant, recorded: { event } }: ProjectedEvent,
  ): Posted[] =>
    event.type === 'MessagePosted' && after !== undefined
      ? after.subjects.map(visitor => ({ kind: 'posted', tenant, visitor }))
      : [],
};

const counts = {
  collection: { name: 'counts', indexes: [] },
  keys: ({ tenant, visitor }: Posted) => [`${tenant}/${visitor}`],
  evolve: (count: Count | undefined, { tenant, visitor }: Posted): Content<Count> => {
    if (visitor === POISON) throw new RangeError('Cannot count.');
    return { tenant, messages: (count?.messages ?? 0) + 1 };
  },
};

export function tinyProjection(name = 'tiny', version = 1): Projection {
  return {
    schema: { name, version, collections: [threads.collection, counts.collection] },
    documents: [defineFold(threads)],
    facts: [defineFactFold('posted', counts)],
    erasure: { refolded: [{ collection: 'threads', subjectIndex: 'by_subject' }] },
  };
}
