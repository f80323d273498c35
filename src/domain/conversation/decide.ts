/**
 * What a conversation answers to a command: a function a row of the table "Conversation" in docs/domain.md, each
 * asking in the same order: its status, who may, whether the message is there, whether the text fits.
 */
import type { Actor, DecisionContext } from '../decider.ts';
import type { ConversationCommand, EditMessage, PostMessage, RedactMessage, StartConversation } from './commands.ts';
import type { Attachment, ConversationEvent } from './events.ts';
import {
  TEXT_UNITS_MAX,
  alreadyRedacted,
  alreadyStarted,
  forbidden,
  notStarted,
  notTheAuthor,
  textEmpty,
  textTooLong,
  unknownMessage,
} from './rejections.ts';
import type { ConversationState, MessageState } from './state.ts';

const NO_ATTACHMENTS: readonly Attachment[] = [];

export function decide(
  command: ConversationCommand,
  state: ConversationState,
  context: DecisionContext,
): readonly ConversationEvent[] {
  switch (command.type) {
    case 'StartConversation':
      return start(command, state, context);
    case 'PostMessage':
      return post(command, state, context);
    case 'EditMessage':
      return edit(command, state, context);
    case 'RedactMessage':
      return redact(command, state, context);
  }
}

function start({ data }: StartConversation, state: ConversationState, context: DecisionContext): ConversationEvent[] {
  const { actor } = context;
  if (actor.role === 'auditor') throw forbidden(actor, 'start a conversation');
  if (state.status !== 'not-started') throw alreadyStarted();
  if (actor.role !== 'visitor') return [{ type: 'ConversationStarted', data }];
  if (data.visitor !== undefined && data.visitor !== actor.id)
    throw forbidden(actor, 'start a conversation of another visitor');
  return [{ type: 'ConversationStarted', data: { ...data, visitor: actor.id } }];
}

function post({ data }: PostMessage, state: ConversationState, context: DecisionContext): ConversationEvent[] {
  const { actor, origin } = context;
  const imported = origin === 'import';
  if (state.status === 'not-started') throw notStarted();
  if (!imported && !takesPart(actor, state)) throw forbidden(actor, 'post in this conversation');
  if (!imported && data.source !== undefined) throw forbidden(actor, 'name the source of a message');
  const attachments = data.attachments ?? NO_ATTACHMENTS;
  if (data.text === '' && attachments.length === 0 && !imported) throw textEmpty();
  if (data.text.length > TEXT_UNITS_MAX) throw textTooLong(data.text.length);
  const { source } = data;
  const replyTo = source?.replyTo === undefined ? data.replyTo : state.seqBySourceId.get(source.replyTo);
  if (replyTo !== undefined) messageAt(replyTo, state);
  const posted = { seq: state.messages.length, text: data.text, format: data.format ?? 'plain', attachments } as const;
  return [
    {
      type: 'MessagePosted',
      data: { ...posted, ...(replyTo === undefined ? {} : { replyTo }), ...(source === undefined ? {} : { source }) },
    },
  ];
}

/** The state holds no texts, so an edit to the same text is an edit. */
function edit({ data }: EditMessage, state: ConversationState, { actor }: DecisionContext): ConversationEvent[] {
  if (state.status === 'not-started') throw notStarted();
  if (!takesPart(actor, state)) throw forbidden(actor, 'edit in this conversation');
  const message = messageAt(data.seq, state);
  if (message.author !== actor.id) throw notTheAuthor(data.seq);
  if (message.redacted) throw alreadyRedacted(data.seq);
  if (data.text === '') throw textEmpty();
  if (data.text.length > TEXT_UNITS_MAX) throw textTooLong(data.text.length);
  return [{ type: 'MessageEdited', data: { seq: data.seq, text: data.text } }];
}

function redact({ data }: RedactMessage, state: ConversationState, { actor }: DecisionContext): ConversationEvent[] {
  if (state.status === 'not-started') throw notStarted();
  if (!takesPart(actor, state)) throw forbidden(actor, 'redact in this conversation');
  const message = messageAt(data.seq, state);
  if (message.author !== actor.id && actor.role !== 'supervisor') throw notTheAuthor(data.seq);
  if (message.redacted) throw alreadyRedacted(data.seq);
  return [{ type: 'MessageRedacted', data }];
}

/** Visitors take part in their own conversation, staff, bots and services in all of the tenant, auditors in none. */
function takesPart(actor: Actor, state: ConversationState): boolean {
  if (actor.role === 'visitor') return state.visitor === actor.id;
  return actor.role !== 'auditor';
}

function messageAt(seq: number, state: ConversationState): MessageState {
  const message = state.messages[seq];
  if (message === undefined) throw unknownMessage(seq, state.messages.length);
  return message;
}
