/**
 * Who may see a conversation's room and who may send into it: a pure function of the claims and the room's state,
 * asked again whenever either changes (GW-2). The tenant is not asked here: a room's stream is always named with
 * the tenant of the claims, so another tenant's room cannot be named at all (GW-1).
 */
import type { Claims } from '../claims.ts';
import type { ConversationState } from './state.ts';

export interface Access {
  /** Subscribe, history, live events. */
  readonly see: boolean;
  /** Commands and ephemeral frames. Whoever may send may see. */
  readonly send: boolean;
}

const NONE: Access = { see: false, send: false };
const READ_ONLY: Access = { see: true, send: false };
const FULL: Access = { see: true, send: true };

/**
 * `room` is the room's name, `conversation:42`. A visitor needs the room in its `rooms` claim while there is no
 * start, and must be the conversation's visitor afterwards. A room whose id the server made for a StartConversation
 * is in no claim: whoever makes the id lets that one command through.
 */
export function access(
  claims: Pick<Claims, 'sub' | 'role' | 'rooms'>,
  state: Readonly<Pick<ConversationState, 'status' | 'visitor'>>,
  room: string,
): Access {
  switch (claims.role) {
    case 'visitor':
      if (state.status === 'not-started') return claims.rooms.includes(room) ? FULL : NONE;
      return state.visitor === claims.sub ? FULL : NONE;
    case 'agent':
    case 'supervisor':
    case 'bot':
    case 'service':
      return FULL;
    case 'auditor':
      return READ_ONLY;
  }
}
