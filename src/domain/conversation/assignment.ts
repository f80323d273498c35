/**
 * In whose hands a conversation is. People request; the assignment process, which reserved a slot of the agent, or a
 * supervisor by force, assigns. `expectedRevision` is what makes two assignments at once impossible.
 */
import type { Actor } from '../decider.ts';
import type { ConversationCommandData } from './commands.ts';
import { alreadyAssigned, notAssigned, notTheAssignee } from './rejections.ts';
import { isoTime } from './row.ts';
import type { Decide } from './row.ts';
import type { ConversationState } from './state.ts';
import type { Handling } from './events.ts';

/** Where a conversation waits that was handed on to an agent and never was in a queue. */
const DEFAULT_QUEUE = 'default';

export const queue: Decide<'QueueConversation'> = (data, state) => {
  const { handling } = state;
  if (handling.kind === 'assigned') throw alreadyAssigned(handling.agent);
  if (handling.kind === 'queued' && handling.queue === data.queue) return [];
  return [{ type: 'ConversationQueued', data: { ...data, ...left(state) } }];
};

export const requestAssignment: Decide<'RequestAssignment'> = ({ agent }, { handling }, { actor }) => {
  const wanted = agent ?? actor.id;
  if (handling.kind === 'assigned' && handling.agent === wanted) return [];
  return [{ type: 'AssignmentRequested', data: { agent: wanted } }];
};

/** The process with a reservation, a supervisor by force. */
export function assignsAsItMay(
  { reservation, forced }: ConversationCommandData['AssignConversation'],
  actor: Actor,
): boolean {
  return actor.role === 'supervisor' ? forced === true : forced !== true && reservation !== undefined;
}

export const assign: Decide<'AssignConversation'> = (data, state) => {
  const { handling } = state;
  if (handling.kind === 'assigned' && handling.agent !== data.agent) throw alreadyAssigned(handling.agent);
  if (handling.kind === 'assigned') return [];
  return [{ type: 'ConversationAssigned', data: { ...data, ...left(state) } }];
};

export const unassign: Decide<'UnassignConversation'> = (data, state, { actor }) => {
  assigneeFor(actor, state);
  return [{ type: 'ConversationUnassigned', data: { ...data, ...left(state) } }];
};

/** Back into a queue: the one named, or the one it came from, in which the agent named is preferred. */
export const transfer: Decide<'TransferConversation'> = ({ to, reason }, state, { actor }) => {
  const assignee = assigneeFor(actor, state);
  const preference = 'agent' in to ? to.agent : undefined;
  if (preference === assignee) throw alreadyAssigned(assignee);
  const queued =
    preference === undefined
      ? { queue: 'queue' in to ? to.queue : DEFAULT_QUEUE }
      : { queue: state.queue ?? DEFAULT_QUEUE, preference };
  return [
    { type: 'ConversationTransferred', data: { to, reason, ...left(state) } },
    { type: 'ConversationQueued', data: { ...queued, ...left(state) } },
  ];
};

/** Who has it, where the actor may take it away: the assignee itself, a supervisor, the process. */
function assigneeFor(actor: Actor, { handling }: Readonly<ConversationState>): string {
  if (handling.kind !== 'assigned') throw notAssigned();
  if (actor.role === 'agent' && actor.id !== handling.agent) throw notTheAssignee(handling.agent);
  return handling.agent;
}

function left(state: Readonly<ConversationState>): { readonly from: Handling; readonly since: string } {
  return { from: state.handling, since: isoTime(state.handlingSince) };
}
