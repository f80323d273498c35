/**
 * `view`: what of an event a role may see, in its wire form, its own versioned shape. Denies by default: an event, or
 * a field, that is not named here is not sent.
 */
import type { Recorded, Role } from '../decider.ts';
import type { ConversationEvent, ConversationEventData, ConversationEventType } from './events.ts';

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
  /** Something personal that is shown here was erased: `null` stands where it was, and null says nothing else. */
  readonly erased?: true | undefined;
  readonly data: object;
}

/** The fields of each event's data that the view shows; of events that are not there it shows nothing. */
type Shown = { readonly [Type in ConversationEventType]?: readonly (keyof ConversationEventData[Type] & string)[] };

const STAFF: Required<Shown> = {
  ConversationStarted: ['channel', 'visitor', 'topic', 'attributes'],
  MessagePosted: ['seq', 'text', 'format', 'replyTo', 'attachments', 'source'],
  MessageEdited: ['seq', 'text'],
  MessageRedacted: ['seq', 'reason'],
  NoteAdded: ['seq', 'text'],
  ParticipantJoined: ['participant'],
  ParticipantLeft: ['participant'],
  ReceiptRecorded: ['reader', 'kind', 'seq', 'from'],
  VisitorRemoved: ['visitor', 'reason'],
  TagAdded: ['tag'],
  TagRemoved: ['tag'],
  PrioritySet: ['priority', 'from'],
  AttributesSet: ['attributes', 'removed'],
  ConversationQueued: ['queue', 'preference', 'reason', 'from', 'since'],
  AssignmentRequested: ['agent'],
  ConversationAssigned: ['agent', 'reservation', 'forced', 'why', 'from', 'since'],
  ConversationUnassigned: ['reason', 'from', 'since'],
  ConversationTransferred: ['to', 'reason', 'from', 'since'],
  ConversationSnoozed: ['until', 'from', 'since'],
  ConversationUnsnoozed: ['from', 'since'],
  ConversationResolved: ['resolution', 'outcome', 'from', 'since'],
  ConversationReopened: ['reason', 'from', 'since'],
  ConversationClosed: ['from', 'since'],
  ConversationRated: ['resolution', 'score', 'comment'],
};

/** No notes, tags, priorities or attributes, no reasons, no queue's name, and not the words of an imported file. */
const VISITOR: Shown = {
  ConversationStarted: ['channel', 'visitor', 'topic'],
  MessagePosted: ['seq', 'text', 'format', 'replyTo', 'attachments'],
  MessageEdited: ['seq', 'text'],
  MessageRedacted: ['seq'],
  ParticipantJoined: ['participant'],
  ParticipantLeft: ['participant'],
  ReceiptRecorded: ['reader', 'kind', 'seq', 'from'],
  VisitorRemoved: ['visitor'],
  ConversationQueued: [],
  ConversationAssigned: ['agent'],
  ConversationResolved: ['resolution'],
  ConversationReopened: [],
  ConversationClosed: [],
  ConversationRated: ['resolution', 'score', 'comment'],
};

const SHOWN: Readonly<Record<View, ReadonlyMap<string, readonly string[]>>> = {
  staff: new Map(Object.entries(STAFF)),
  visitor: new Map(Object.entries(VISITOR)),
};

/** The types of events that a view shows, each with the fields of its data that it shows. */
export function shownFields(view: View): ReadonlyMap<string, readonly string[]> {
  return SHOWN[view];
}

export type ViewEvent = (recorded: Recorded<ConversationEvent>, view: View) => WireEvent | undefined;

/** Undefined: this view hides the event; its revision still counts. */
export const view: ViewEvent = ({ event, id, revision, at, actor, commandId }, view) => {
  const shown = SHOWN[view].get(event.type);
  if (shown === undefined) return undefined;
  const data = only(shown, event.data);
  return {
    rev: Number(revision),
    id,
    type: event.type,
    at: new Date(at).toISOString(),
    actor: { id: actor.id, role: actor.role },
    ...(commandId === undefined ? {} : { commandId }),
    ...(holdsNull(data) ? { erased: true } : {}),
    data,
  };
};

function only(names: readonly string[], data: object): object {
  const fields = data as Readonly<Record<string, unknown>>;
  const shown: Record<string, unknown> = {};
  for (const name of names) if (fields[name] !== undefined) shown[name] = fields[name];
  return shown;
}

function holdsNull(value: unknown): boolean {
  if (typeof value !== 'object') return false;
  return value === null || Object.values(value).some(holdsNull);
}
