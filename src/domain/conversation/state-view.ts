/**
 * What of a conversation's state a role may see, in its wire form: what could also be folded from the events that
 * `view` shows it. Denies by default: what is not named here is not sent.
 */
import type { Handling, Status } from './events.ts';
import type { ConversationState } from './state.ts';
import type { View } from './view.ts';

export interface ConversationStateView {
  readonly status: Status;
  readonly visitor?: string | undefined;
  readonly visitorRemoved: boolean;
  readonly handling: { readonly kind: Handling['kind']; readonly agent?: string; readonly queue?: string };
  /** Staff who joined and did not leave. */
  readonly participants: readonly string[];
  /** How many were posted, redacted ones among them. */
  readonly messages: number;
  readonly receipts: readonly { readonly reader: string; readonly read: number; readonly delivered: number }[];
  /** Whether the last resolution has its rating. */
  readonly rated: boolean;
  readonly staff?: StaffStateView | undefined;
}

/** What visitors are not shown. Times are ISO 8601 UTC with milliseconds. */
export interface StaffStateView {
  readonly statusSince: string;
  readonly handlingSince: string;
  readonly priority: ConversationState['priority'];
  readonly tags: readonly string[];
  /** The names of its attributes. */
  readonly attributes: readonly string[];
  readonly notes: number;
  readonly resolutions: number;
}

/** Undefined: there is no conversation. */
export function stateView(state: Readonly<ConversationState>, view: View): ConversationStateView | undefined {
  const { status, visitor, visitorRemoved, handling, participants, messages, receipts, rated } = state;
  if (status === 'not-started') return undefined;
  const staff = view === 'staff';
  return {
    // Snoozing is the staff's own: to a visitor such a conversation is open.
    status: !staff && status === 'snoozed' ? 'open' : status,
    ...{ visitor, visitorRemoved, rated },
    handling: handlingView(handling, view),
    participants: [...participants],
    messages: messages.length,
    receipts: [...receipts].map(([reader, { read, delivered }]) => ({ reader, read, delivered })),
    ...(staff ? { staff: staffView(state) } : {}),
  };
}

/** A visitor waits, and is then with somebody; in which queue is the staff's. */
function handlingView(handling: Handling, view: View): ConversationStateView['handling'] {
  if (handling.kind === 'queued' && view === 'visitor') return { kind: 'queued' };
  return handling;
}

function staffView(state: Readonly<ConversationState>): StaffStateView {
  return {
    statusSince: new Date(state.statusSince).toISOString(),
    handlingSince: new Date(state.handlingSince).toISOString(),
    priority: state.priority,
    tags: [...state.tags],
    attributes: [...state.attributes],
    notes: state.notes,
    resolutions: state.resolutions,
  };
}
