/**
 * What each command of a conversation is for, in words, with data as one would send it: for the OpenAPI and AsyncAPI
 * documents and the protocol's reference. The examples are checked against the schemas.
 */
import type { ConversationCommandData } from '../domain/conversation/commands.ts';
import type { ConversationCommandType } from './conversation-commands.ts';

export interface CommandDocument<Data extends object = object> {
  /** One line that begins with a verb. */
  readonly summary: string;
  /** What one must know beyond it. */
  readonly description: string;
  readonly example: Data;
}

export const CONVERSATION_COMMAND_DOCUMENTS: {
  readonly [Type in ConversationCommandType]: CommandDocument<ConversationCommandData[Type]>;
} = {
  StartConversation: {
    summary: 'Begin a conversation',
    description:
      'The first command of every conversation. A visitor begins its own; staff, bots and services may name the ' +
      '`visitor` it is for, which never changes.',
    example: { channel: 'web', visitor: 'v-0199a1', topic: 'Order 1042 has not arrived' },
  },
  PostMessage: {
    summary: 'Say something',
    description:
      'A text of 1 to 10,000 UTF-16 units, or attachments. It reopens a conversation that was resolved, and wakes one ' +
      'that was snoozed.',
    example: { text: 'Hello! Where is my parcel?' },
  },
  EditMessage: {
    summary: 'Correct a message of your own',
    description: 'The new text stands in place of the old one; that it was edited, by whom and when, stays known.',
    example: { seq: 0, text: 'Hello! Where is my parcel, order 1042?' },
  },
  RedactMessage: {
    summary: 'Take a message back',
    description: 'Clients show it no more. Its author may, and a supervisor; also once the conversation is closed.',
    example: { seq: 0, reason: 'holds a card number' },
  },
  AddNote: {
    summary: 'Write a note for colleagues',
    description: 'Visitors are never sent it.',
    example: { text: 'Called the carrier: it is at the depot.' },
  },
  JoinConversation: {
    summary: 'Say that you take part',
    description: 'The visitor sees who has joined. Again changes nothing.',
    example: {},
  },
  LeaveConversation: {
    summary: 'Say that you no longer take part',
    description: 'The visitor sees who has left.',
    example: {},
  },
  MarkRead: {
    summary: 'Record that you have read up to a message',
    description: 'Every message up to and with `seq`. One that is not above what is recorded changes nothing.',
    example: { seq: 3 },
  },
  MarkDelivered: {
    summary: 'Record that you were given up to a message',
    description: 'Every message up to and with `seq`. One that is not above what is recorded changes nothing.',
    example: { seq: 3 },
  },
  RemoveVisitor: {
    summary: 'Shut the visitor out, for good',
    description: 'The last thing the visitor sees is its own removal. Nobody can take its place.',
    example: { reason: 'abusive' },
  },
  AddTag: {
    summary: 'Put a tag on it',
    description: 'A key, not a text: it is stored unsealed, so no names. A tag that is there changes nothing.',
    example: { tag: 'delivery' },
  },
  RemoveTag: {
    summary: 'Take a tag off',
    description: 'A tag that is not there changes nothing.',
    example: { tag: 'delivery' },
  },
  SetPriority: {
    summary: 'Say how urgent it is',
    description: 'The event tells the priority it had before as well.',
    example: { priority: 'high' },
  },
  SetAttributes: {
    summary: 'Set facts beside the conversation, or remove them',
    description: 'Those that are not named stay as they are. Values are sealed as personal, names are not.',
    example: { attributes: { orderId: '1042', plan: 'premium' }, remove: ['draft'] },
  },
  QueueConversation: {
    summary: 'Put it into a queue',
    description: 'From there it is assigned to somebody.',
    example: { queue: 'deliveries', reason: 'needs the carrier' },
  },
  RequestAssignment: {
    summary: 'Ask for it to be assigned to you',
    description: 'A request alone: what assigns is the assignment process, or a supervisor.',
    example: { agent: 'agent-ada' },
  },
  AssignConversation: {
    summary: 'Put it into the hands of an agent',
    description:
      'By the assignment process with the `reservation` it holds, or by a supervisor with `forced: true`. Never from ' +
      'one agent to another at once: transfer it, or unassign it first.',
    example: { agent: 'agent-ada', forced: true, why: 'knows the customer' },
  },
  UnassignConversation: {
    summary: 'Take it out of its agent’s hands',
    description: 'It is then in nobody’s, and in no queue.',
    example: { reason: 'end of shift' },
  },
  TransferConversation: {
    summary: 'Hand it on to another queue or agent',
    description: 'It goes into a queue; an agent who is named there is preferred when it is assigned.',
    example: { to: { queue: 'billing' }, reason: 'is about an invoice' },
  },
  SnoozeConversation: {
    summary: 'Lay it aside until a time',
    description: 'A message wakes it. To the visitor it stays open.',
    example: { until: '2030-03-01T09:00:00Z' },
  },
  ResolveConversation: {
    summary: 'Say that it is solved',
    description: 'It leaves its agent’s hands, and its visitor may rate it. A new message reopens it.',
    example: { outcome: 'delivered' },
  },
  ReopenConversation: {
    summary: 'Take it up again',
    description: 'A resolved conversation is open again.',
    example: { reason: 'the parcel was damaged' },
  },
  CloseConversation: {
    summary: 'End a resolved conversation for good',
    description: 'After it come only redactions, receipts and the visitor’s removal.',
    example: {},
  },
  RateConversation: {
    summary: 'Rate how it was solved',
    description: 'By its visitor, once a resolution.',
    example: { score: 5, comment: 'Quick and friendly' },
  },
};
