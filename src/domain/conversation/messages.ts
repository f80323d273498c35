/** What is said in a conversation: messages, their edits and redactions, and the notes that visitors do not see. */
import type { Attachment, ConversationEvent } from './events.ts';
import { woken } from './lifecycle.ts';
import {
  TEXT_UNITS_MAX,
  alreadyRedacted,
  forbidden,
  notTheAuthor,
  textEmpty,
  textTooLong,
  unknownMessage,
} from './rejections.ts';
import type { Decide } from './row.ts';
import type { ConversationState, MessageState } from './state.ts';

const NO_ATTACHMENTS: readonly Attachment[] = [];

export const post: Decide<'PostMessage'> = (data, state, { actor, origin }) => {
  const { text, format = 'plain', attachments = NO_ATTACHMENTS, source } = data;
  if (origin !== 'import') {
    if (source !== undefined) throw forbidden(actor, 'name the source of a message');
    if (attachments.length === 0) checkPresent(text);
  }
  checkLength(text);
  const replyTo = source?.replyTo === undefined ? data.replyTo : state.seqBySourceId.get(source.replyTo);
  if (replyTo !== undefined) messageAt(replyTo, state);
  const message = { seq: state.messages.length, text, format, attachments };
  const posted: ConversationEvent = {
    type: 'MessagePosted',
    data: { ...message, ...(replyTo === undefined ? {} : { replyTo }), ...(source === undefined ? {} : { source }) },
  };
  return [...woken(state), posted];
};

/** The state holds no texts, so an edit to the same text is an edit. */
export const edit: Decide<'EditMessage'> = ({ seq, text }, state, { actor }) => {
  const message = messageAt(seq, state);
  if (message.author !== actor.id) throw notTheAuthor(seq);
  if (message.redacted) throw alreadyRedacted(seq);
  checkPresent(text);
  checkLength(text);
  return [{ type: 'MessageEdited', data: { seq, text } }];
};

/** By its author, or a supervisor. */
export const redact: Decide<'RedactMessage'> = (data, state, { actor }) => {
  const message = messageAt(data.seq, state);
  if (message.author !== actor.id && actor.role !== 'supervisor') throw notTheAuthor(data.seq);
  if (message.redacted) throw alreadyRedacted(data.seq);
  return [{ type: 'MessageRedacted', data }];
};

export const addNote: Decide<'AddNote'> = ({ text }, state) => {
  checkPresent(text);
  checkLength(text);
  return [{ type: 'NoteAdded', data: { seq: state.notes, text } }];
};

export function messageAt(seq: number, state: Readonly<ConversationState>): MessageState {
  const message = state.messages[seq];
  if (message === undefined) throw unknownMessage(seq, state.messages.length);
  return message;
}

function checkPresent(text: string): void {
  if (text === '') throw textEmpty();
}

function checkLength(text: string): void {
  if (text.length > TEXT_UNITS_MAX) throw textTooLong(text.length);
}
