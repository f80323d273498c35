/**
 * What of a message a role may see, in its wire form: what the events that it came from show to the same role. Denies by
 * default: what is not named here is not sent.
 */
import type { Attachment } from '../../domain/conversation/events.ts';
import type { View } from '../../domain/conversation/view.ts';
import type { Actor } from '../../domain/decider.ts';
import type { BucketMessage } from './message-buckets.ts';

interface ChangeView {
  readonly rev: number;
  readonly at: string;
  readonly by: Actor;
  readonly reason?: string | null;
}

export interface MessageView {
  readonly seq: number;
  readonly rev: number;
  readonly id: string;
  readonly at: string;
  readonly actor: Actor;
  readonly commandId?: string;
  readonly text: string | null;
  readonly format: 'plain';
  readonly replyTo?: number;
  readonly attachments: readonly Attachment[];
  readonly source?: BucketMessage['source'];
  readonly edited?: ChangeView;
  readonly redacted?: ChangeView;
  /** Its text was erased with the person it was personal to. */
  readonly erased?: true;
}

export function messageView(message: BucketMessage, view: View): MessageView {
  const { seq, rev, id, at, actor, commandId, text, format, replyTo, attachments, source, edited, redacted } = message;
  const staff = view === 'staff';
  return {
    ...{ seq, rev, id, at, actor },
    ...(commandId === undefined ? {} : { commandId }),
    ...{ text, format },
    ...(replyTo === undefined ? {} : { replyTo }),
    attachments,
    ...(source === undefined || !staff ? {} : { source }),
    ...(edited === undefined ? {} : { edited: changeView(edited) }),
    ...(redacted === undefined ? {} : { redacted: staff ? redacted : changeView(redacted) }),
    ...(text === null && redacted === undefined ? { erased: true } : {}),
  };
}

function changeView({ rev, at, by }: ChangeView): ChangeView {
  return { rev, at, by };
}
