/**
 * What of a conversation's summary a role may see, in its wire form: to visitors nothing that the events they are shown
 * do not say. Denies by default: what is not named here is not sent.
 */
import type { View } from '../../domain/conversation/view.ts';
import type { ConversationDocument } from './conversation-document.ts';

export type ConversationView = ReturnType<typeof staffView> | ReturnType<typeof visitorView>;

export function conversationView(document: ConversationDocument, view: View): ConversationView {
  return view === 'staff' ? staffView(document) : visitorView(document);
}

/** The parts that both are shown. */
function shared(document: ConversationDocument) {
  const { conversation, channel, topic, visitor, visitorRemoved, participants } = document;
  const { startedAt, closedAt, lastMessageAt, lastMessage, messages, rating, parked } = document;
  return {
    ...{ conversation, channel, visitor, visitorRemoved, participants },
    ...(topic === undefined ? {} : { topic }),
    ...{ startedAt, closedAt, lastMessageAt, lastMessage, messages, rating },
    ...(parked ? { stale: true as const } : {}),
  };
}

function staffView(document: ConversationDocument) {
  const { status, statusSince, handling, assignee, queue, handlingSince, lastActivityAt } = document;
  const { priority, tags, attributes, notes, resolutions, unread, firstVisitorMessageAt, firstResponseAt } = document;
  return {
    ...shared(document),
    status,
    handling: {
      kind: handling,
      ...(assignee === null ? {} : { agent: assignee }),
      ...(handling === 'queued' && queue !== null ? { queue } : {}),
    },
    unread,
    staff: {
      ...{ statusSince, handlingSince, queue, lastActivityAt, priority, tags, attributes, notes, resolutions },
      ...{ firstVisitorMessageAt, firstResponseAt },
    },
  };
}

/** Snoozing, queues and what was noted are the staff's own. */
function visitorView(document: ConversationDocument) {
  const { status, handling, assignee, unread } = document;
  return {
    ...shared(document),
    status: status === 'snoozed' ? ('open' as const) : status,
    handling: { kind: handling, ...(assignee === null ? {} : { agent: assignee }) },
    unread: { visitor: unread.visitor },
  };
}
