/**
 * What a conversation answers to a command: the table "Conversation" of docs/domain.md. Every command is asked in the
 * same order: the role, whether there is a conversation, whether it is the visitor's own, the status, and then what its
 * row asks for itself.
 */
import type { Actor, DecisionContext } from '../decider.ts';
import { assign, assignsAsItMay, queue, requestAssignment, transfer, unassign } from './assignment.ts';
import { addTag, removeTag, setAttributes, setPriority } from './attributes.ts';
import type { ConversationCommand, ConversationCommandType } from './commands.ts';
import type { ConversationEvent } from './events.ts';
import { close, rate, reopen, resolve, snooze, start, startsForItself } from './lifecycle.ts';
import { addNote, edit, post, redact } from './messages.ts';
import { join, leave, markDelivered, markRead, removeVisitor } from './participants.ts';
import { alreadyStarted, conversationClosed, forbidden, notOpen, notResolved, notStarted } from './rejections.ts';
import type { Row } from './row.ts';
import type { ConversationState } from './state.ts';

const STAFF = ['agent', 'supervisor'] as const;
const INSIDE = [...STAFF, 'bot', 'service'] as const;
const EVERY_WRITER = ['visitor', ...INSIDE] as const;

const NONE = ['not-started'] as const;
const NOT_CLOSED = ['open', 'snoozed', 'resolved'] as const;
const ANY = [...NOT_CLOSED, 'closed'] as const;

const TABLE: { readonly [Type in ConversationCommandType]: Row<Type> } = {
  StartConversation: { who: EVERY_WRITER, as: startsForItself, when: NONE, decide: start },

  PostMessage: { who: EVERY_WRITER, when: NOT_CLOSED, decide: post },
  EditMessage: { who: EVERY_WRITER, when: NOT_CLOSED, decide: edit },
  RedactMessage: { who: EVERY_WRITER, when: ANY, decide: redact },
  AddNote: { who: [...STAFF, 'bot'], when: NOT_CLOSED, decide: addNote },

  JoinConversation: { who: STAFF, when: NOT_CLOSED, decide: join },
  LeaveConversation: { who: STAFF, when: NOT_CLOSED, decide: leave },
  MarkRead: { who: EVERY_WRITER, when: ANY, decide: markRead },
  MarkDelivered: { who: EVERY_WRITER, when: ANY, decide: markDelivered },
  RemoveVisitor: { who: ['supervisor', 'service'], when: ANY, decide: removeVisitor },

  AddTag: { who: INSIDE, when: NOT_CLOSED, decide: addTag },
  RemoveTag: { who: INSIDE, when: NOT_CLOSED, decide: removeTag },
  SetPriority: { who: INSIDE, when: NOT_CLOSED, decide: setPriority },
  SetAttributes: { who: INSIDE, when: NOT_CLOSED, decide: setAttributes },

  QueueConversation: { who: INSIDE, when: ['open'], decide: queue },
  RequestAssignment: { who: ['agent'], when: ['open'], decide: requestAssignment },
  AssignConversation: { who: ['supervisor', 'service'], as: assignsAsItMay, when: ['open'], decide: assign },
  UnassignConversation: { who: [...STAFF, 'service'], when: NOT_CLOSED, decide: unassign },
  TransferConversation: { who: [...STAFF, 'service'], when: NOT_CLOSED, decide: transfer },

  SnoozeConversation: { who: STAFF, when: ['open'], decide: snooze },
  ResolveConversation: { who: INSIDE, when: ['open', 'snoozed'], decide: resolve },
  ReopenConversation: { who: STAFF, when: ['resolved'], decide: reopen },
  CloseConversation: { who: ['supervisor', 'service'], when: ['resolved'], decide: close },
  RateConversation: { who: ['visitor'], when: ['resolved', 'open'], decide: rate },
};

export function decide<Type extends ConversationCommandType>(
  { type, data }: ConversationCommand<Type>,
  state: ConversationState,
  context: DecisionContext,
): readonly ConversationEvent[] {
  const row: Row<Type> = TABLE[type];
  const { actor, origin } = context;
  if (!row.who.includes(actor.role)) throw forbidden(actor, type);
  if (row.as?.(data, actor) === false) throw forbidden(actor, `${type} like this`);
  if (type === 'StartConversation' && state.status !== 'not-started') throw alreadyStarted();
  if (type !== 'StartConversation' && state.status === 'not-started') throw notStarted();
  // An import posts for visitors whom no conversation knows.
  const own = state.status === 'not-started' || origin === 'import' || isOwn(actor, state);
  if (!own) throw forbidden(actor, `${type} in this conversation`);
  if (!row.when.includes(state.status)) throw wrongStatus(row, state.status);
  return row.decide(data, state, context);
}

function isOwn(actor: Actor, state: ConversationState): boolean {
  return actor.role !== 'visitor' || (state.visitor === actor.id && !state.visitorRemoved);
}

function wrongStatus({ when }: Pick<Row<never>, 'when'>, status: string): Error {
  if (status === 'closed') return conversationClosed();
  return when.includes('resolved') ? notResolved(status) : notOpen(status);
}
