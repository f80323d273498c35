/** Rooms by name, and who may see or send into one: the domain's `access`, asked with the room's state. */
import type { ConversationCommands } from '../commands/commands.ts';
import type { Claims } from '../domain/claims.ts';
import { access, type Access } from '../domain/conversation/access.ts';
import { initialState } from '../domain/conversation/evolve.ts';
import type { ConversationState } from '../domain/conversation/state.ts';

const ROOM_PATTERN = /^conversation:([A-Za-z0-9._~-]{1,128})$/;
/** What is said to a client that names a room otherwise. */
export const ROOM_SHAPE = 'Rooms are named conversation:<id>, the id 1 to 128 of A-Z a-z 0-9 . _ ~ -.';

/** The conversation's id; undefined for what is no room of this product. */
export function conversationOf(room: string): string | undefined {
  return ROOM_PATTERN.exec(room)?.[1];
}

export function roomOf(conversation: string): string {
  return `conversation:${conversation}`;
}

const NOT_STARTED: Readonly<ConversationState> = initialState();

/** Staff, bots, services and auditors are judged by their claims alone, so no state is loaded for them. */
export function askAccess(
  commands: ConversationCommands,
  claims: Claims,
  conversation: string,
): Access | Promise<Access> {
  const room = roomOf(conversation);
  if (claims.role !== 'visitor') return access(claims, NOT_STARTED, room);
  return commands.load(claims.tenant, conversation).then(({ state }) => access(claims, state, room));
}
