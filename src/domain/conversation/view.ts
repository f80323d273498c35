/** `view`: what of an event a role may see, in its wire form, its own versioned shape. Denies by default. */
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
