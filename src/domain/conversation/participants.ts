/** Who is in a conversation and how far they have come: staff that join and leave, receipts, the visitor's removal. */
import type { DecisionContext } from '../decider.ts';
import type { ConversationEvent } from './events.ts';
import { messageAt } from './messages.ts';
import { noVisitor } from './rejections.ts';
import type { Decide } from './row.ts';
import type { ConversationState } from './state.ts';

export const join: Decide<'JoinConversation'> = (_data, state, { actor }) =>
  state.participants.has(actor.id) ? [] : [{ type: 'ParticipantJoined', data: { participant: actor.id } }];

export const leave: Decide<'LeaveConversation'> = (_data, state, { actor }) =>
  state.participants.has(actor.id) ? [{ type: 'ParticipantLeft', data: { participant: actor.id } }] : [];

export const markRead: Decide<'MarkRead'> = ({ seq }, state, context) => receipt('read', seq, state, context);

export const markDelivered: Decide<'MarkDelivered'> = ({ seq }, state, context) =>
  receipt('delivered', seq, state, context);

/** A `seq` not above the recorded one changes nothing. */
function receipt(
  kind: 'read' | 'delivered',
  seq: number,
  state: Readonly<ConversationState>,
  { actor }: DecisionContext,
): readonly ConversationEvent[] {
  messageAt(seq, state);
  const from = state.receipts.get(actor.id)?.[kind] ?? -1;
  if (seq <= from) return [];
  return [{ type: 'ReceiptRecorded', data: { reader: actor.id, kind, seq, ...(from < 0 ? {} : { from }) } }];
}

/** For good: from here on its visitor sees and says nothing. */
export const removeVisitor: Decide<'RemoveVisitor'> = ({ reason }, { visitor, visitorRemoved }) => {
  if (visitor === undefined) throw noVisitor();
  return visitorRemoved ? [] : [{ type: 'VisitorRemoved', data: { visitor, reason } }];
};
