/**
 * Who may see a conversation's room and who may send into it: a pure function of the claims and the room's state,
 * asked again whenever either changes (GW-2). The tenant is not asked here: a room's stream is always named with
 * the tenant of the claims, so another tenant's room cannot be named at all (GW-1).
 */
import type { Claims } from '../claims.ts';
import type { ConversationEvent } from './events.ts';
import type { ConversationState } from './state.ts';

export interface Access {
  /** Subscribe, history, live events. */
  readonly see: boolean;
  /** Commands and ephemeral frames. Whoever may send may see. */
  readonly send: boolean;
}

/** The part of a room's state that access depends on. */
export type AccessState = Readonly<Pick<ConversationState, 'status' | 'visitor' | 'visitorRemoved'>>;

const NONE: Access = { see: false, send: false };
const READ_ONLY: Access = { see: true, send: false };
const FULL: Access = { see: true, send: true };

/**
 * `room` is the room's name, `conversation:42`. A visitor needs the room in its `rooms` claim while there is no
 * start, and must be the conversation's visitor, not removed, afterwards. A room whose id the server made for a
 * StartConversation is in no claim: whoever makes the id lets that one command through.
 */
export function access(claims: Pick<Claims, 'sub' | 'role' | 'rooms'>, state: AccessState, room: string): Access {
  switch (claims.role) {
    case 'visitor':
      if (state.status === 'not-started') return claims.rooms.includes(room) ? FULL : NONE;
      return state.visitor === claims.sub && !state.visitorRemoved ? FULL : NONE;
    case 'agent':
    case 'supervisor':
    case 'bot':
    case 'service':
      return FULL;
    case 'auditor':
      return READ_ONLY;
    default:
      return NONE;
  }
}

/** What an event changes about who may see its room. */
export interface AccessChange {
  /** What `access` is to be asked with from this event on. */
  readonly state: AccessState;
  /** Whether those who lose the room by the event still see it: it tells them so. */
  readonly seenByLosers: boolean;
}

/**
 * Undefined for an event that changes nobody's access. A start as somebody else's is not for those who lose the room by
 * it; a removal is the last thing that the removed visitor sees.
 */
export function accessChange({ type, data }: ConversationEvent): AccessChange | undefined {
  if (type === 'ConversationStarted')
    return { state: { status: 'open', visitor: data.visitor, visitorRemoved: false }, seenByLosers: false };
  if (type === 'VisitorRemoved')
    return { state: { status: 'open', visitor: data.visitor, visitorRemoved: true }, seenByLosers: true };
  return undefined;
}
