/**
 * One line of an export: a message as it reads now, in the shape that an import takes. Of an imported message, `id`,
 * `author` and `replyTo` are the file's own words, so that what was not changed since comes out as it went in.
 */
import type { Recorded } from '../domain/decider.ts';
import type { Actor } from '../domain/decider.ts';
import type { Attachment, ConversationEvent } from '../domain/conversation/events.ts';
import type { Personal } from '../domain/personal.ts';

type RecordedEventOf<Type extends ConversationEvent['type']> = Recorded<Extract<ConversationEvent, { type: Type }>>;
export type PostedMessage = RecordedEventOf<'MessagePosted'>;
export type EditedMessage = RecordedEventOf<'MessageEdited'>;
export type RedactedMessage = RecordedEventOf<'MessageRedacted'>;

interface Change {
  /** ISO 8601 UTC with milliseconds, as all times here. */
  readonly at: string;
  readonly by: string;
}

export interface ExportLine {
  /** Of the file it came from; of a live message, the id of its command. */
  readonly id: string;
  readonly conversation: string;
  readonly at: string;
  /** The name that the file gave; of a live message, the opaque id of its author. `null`: erased. */
  readonly author: Personal;
  readonly role: Actor['role'];
  /** As it reads now: of an edited message the last text, of a redacted one none. `null`: erased. */
  readonly text: Personal;
  /** The `id` of the message it answers. */
  readonly replyTo?: string;
  readonly attachments?: readonly Attachment[];
  /** The last of its edits. */
  readonly edited?: Change;
  readonly redacted?: Change & { readonly reason?: Personal };
  /** A `null` of this line stands where something personal was. */
  readonly erased?: true;
}

/** What became of a message after it was posted. */
export interface Amendments {
  readonly edit: EditedMessage | undefined;
  readonly redaction: RedactedMessage | undefined;
}

/** The id by which a message's line is known. */
export function lineId({ event, commandId, id }: PostedMessage): string {
  return event.data.source?.id ?? commandId ?? id;
}

/** @param replyTo the line id of the message that a live one answers */
export function exportLine(
  conversation: string,
  posted: PostedMessage,
  { edit, redaction }: Amendments,
  replyTo: string | undefined,
): ExportLine {
  const { source, text: asPosted, attachments } = posted.event.data;
  const answers = source === undefined ? replyTo : source.replyTo;
  const author = source === undefined ? posted.actor.id : source.author;
  const text = redaction === undefined ? (edit ?? posted).event.data.text : '';
  const reason = redaction?.event.data.reason;
  const shown = redaction === undefined ? attachments : [];
  const personal = [author, asPosted, reason, ...attachments.map(({ name }) => name)];
  return {
    id: lineId(posted),
    conversation,
    at: time(posted),
    author,
    role: posted.actor.role,
    // What was erased was not merely taken back.
    text: asPosted === null ? null : text,
    ...(answers === undefined ? {} : { replyTo: answers }),
    ...(shown.length > 0 ? { attachments: shown } : {}),
    ...(edit === undefined ? {} : { edited: change(edit) }),
    ...(redaction === undefined
      ? {}
      : { redacted: { ...change(redaction), ...(reason === undefined ? {} : { reason }) } }),
    ...(personal.includes(null) ? { erased: true } : {}),
  };
}

function change(recorded: Recorded): Change {
  return { at: time(recorded), by: recorded.actor.id };
}

function time({ at }: Recorded): string {
  return new Date(at).toISOString();
}
