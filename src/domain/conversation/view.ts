/**
 * `view`: what of an event a role may see, in its wire form, its own versioned shape. Denies by default: an event, or
 * a field, that is not named here is not sent.
 */
import type { Recorded, Role } from '../decider.ts';
import type { ConversationEvent } from './events.ts';

export type View = 'staff' | 'visitor';

export function viewOf(role: Role): View {
  return role === 'visitor' ? 'visitor' : 'staff';
}

/** One event of an `events` frame, before it is encoded: `rev` a JSON number, `at` ISO 8601 UTC with milliseconds. */
export interface WireEvent {
  readonly rev: number;
  readonly id: string;
  readonly type: string;
  readonly at: string;
  readonly actor: { readonly id: string; readonly role: Role };
  readonly commandId?: string | undefined;
  readonly data: object;
}

export type ViewEvent = (recorded: Recorded<ConversationEvent>, view: View) => WireEvent | undefined;

/** Undefined: this view hides the event; its revision still counts. */
export const view: ViewEvent = (recorded, view) => {
  const data = dataFor(recorded.event, view);
  if (data === undefined) return undefined;
  const { id, actor, commandId } = recorded;
  return {
    rev: Number(recorded.revision),
    id,
    type: recorded.event.type,
    at: new Date(recorded.at).toISOString(),
    actor: { id: actor.id, role: actor.role },
    ...(commandId === undefined ? {} : { commandId }),
    data,
  };
};

/** Attributes, reasons and the words of an imported file (which name people) are the staff's. */
function dataFor({ type, data }: ConversationEvent, view: View): object | undefined {
  const staff = view === 'staff';
  switch (type) {
    case 'ConversationStarted': {
      const { channel, visitor, topic, attributes } = data;
      return staff ? { channel, visitor, topic, attributes } : { channel, visitor, topic };
    }
    case 'MessagePosted': {
      const { seq, text, format, replyTo, attachments, source } = data;
      const message = { seq, text, format, replyTo, attachments };
      return staff ? { ...message, source } : message;
    }
    case 'MessageEdited':
      return { seq: data.seq, text: data.text };
    case 'MessageRedacted':
      return staff ? { seq: data.seq, reason: data.reason } : { seq: data.seq };
    default:
      return undefined;
  }
}
