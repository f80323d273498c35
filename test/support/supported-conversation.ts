/** A whole supported conversation, with a word in it that no visitor may ever see. */
import type { ConversationCommand } from '../../src/domain/conversation/commands.ts';
import type { Actor } from '../../src/domain/decider.ts';

const VERA: Actor = { id: 'vera', role: 'visitor' };
const GUS: Actor = { id: 'gus', role: 'agent' };
const SUE: Actor = { id: 'sue', role: 'supervisor' };
const PROCESS: Actor = { id: 'assignment', role: 'service' };

/** Stands in everything that only the staff may see. */
export const STAFF_SECRET = 'secret';
const reason = `${STAFF_SECRET}: a reason`;

/** Every event there is, each by somebody who may; the last one takes the visitor's access away. */
export const SUPPORTED_CONVERSATION: readonly (readonly [Actor, ConversationCommand])[] = [
  [GUS, { type: 'StartConversation', data: { channel: 'web', visitor: 'vera', attributes: { plan: STAFF_SECRET } } }],
  [VERA, { type: 'PostMessage', data: { text: 'it does not work' } }],
  [GUS, { type: 'QueueConversation', data: { queue: `${STAFF_SECRET}-queue`, reason } }],
  [GUS, { type: 'RequestAssignment', data: { agent: `${STAFF_SECRET}-wish` } }],
  [PROCESS, { type: 'AssignConversation', data: { agent: 'gus', reservation: `${STAFF_SECRET}-slot`, why: reason } }],
  [GUS, { type: 'JoinConversation', data: {} }],
  [GUS, { type: 'MarkRead', data: { seq: 0 } }],
  [GUS, { type: 'PostMessage', data: { text: 'is it plugged in?' } }],
  [GUS, { type: 'AddNote', data: { text: `${STAFF_SECRET}: it never is` } }],
  [GUS, { type: 'AddTag', data: { tag: `${STAFF_SECRET}-tag` } }],
  [GUS, { type: 'RemoveTag', data: { tag: `${STAFF_SECRET}-tag` } }],
  [GUS, { type: 'SetPriority', data: { priority: 'urgent' } }],
  [GUS, { type: 'SetAttributes', data: { attributes: { city: STAFF_SECRET } } }],
  [GUS, { type: 'TransferConversation', data: { to: { agent: `${STAFF_SECRET}-hal` }, reason } }],
  [SUE, { type: 'AssignConversation', data: { agent: 'gus', forced: true, why: reason } }],
  [GUS, { type: 'UnassignConversation', data: { reason } }],
  [GUS, { type: 'SnoozeConversation', data: { until: '2030-01-01T00:00:00Z' } }],
  [VERA, { type: 'PostMessage', data: { text: 'now it is' } }],
  [VERA, { type: 'EditMessage', data: { seq: 2, text: 'now it is plugged in' } }],
  [VERA, { type: 'RedactMessage', data: { seq: 0, reason } }],
  [GUS, { type: 'LeaveConversation', data: {} }],
  [GUS, { type: 'ResolveConversation', data: { outcome: `${STAFF_SECRET}-outcome` } }],
  [VERA, { type: 'RateConversation', data: { score: 5, comment: 'thank you' } }],
  [GUS, { type: 'ReopenConversation', data: { reason } }],
  [GUS, { type: 'ResolveConversation', data: {} }],
  [SUE, { type: 'CloseConversation', data: {} }],
  [SUE, { type: 'RemoveVisitor', data: { reason } }],
];
