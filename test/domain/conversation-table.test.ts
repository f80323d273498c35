/**
 * The table "Conversation" of docs/domain.md, written down once more: who may send what, when, and what comes of it.
 * Every command is tried by every person in every situation; what is not said here is refused.
 */
import { describe, expect, it } from 'vitest';
import { conversationDecider } from '../../src/domain/conversation/decider.ts';
import type { ConversationCommand } from '../../src/domain/conversation/commands.ts';
import type { ConversationEvent, Handling } from '../../src/domain/conversation/events.ts';
import { Rejection } from '../../src/domain/decider.ts';
import type { Actor } from '../../src/domain/decider.ts';
import { conversationCommandSchemas } from '../../src/schemas/conversation-commands.ts';
import { createSpecification } from '../support/decider-specification.ts';

const { fold } = createSpecification(conversationDecider);

const PEOPLE = {
  vera: { id: 'vera', role: 'visitor' },
  stranger: { id: 'stranger', role: 'visitor' },
  /** Has the conversation where it is assigned. */
  gus: { id: 'gus', role: 'agent' },
  colleague: { id: 'colleague', role: 'agent' },
  supervisor: { id: 'supervisor', role: 'supervisor' },
  bot: { id: 'bot', role: 'bot' },
  service: { id: 'service', role: 'service' },
  auditor: { id: 'auditor', role: 'auditor' },
} as const satisfies Record<string, Actor>;
type Person = keyof typeof PEOPLE;

const NONE: Handling = { kind: 'none' };
const since = '1970-01-01T00:00:00.000Z';
const OPEN: readonly ConversationEvent[] = [
  { type: 'ConversationStarted', data: { channel: 'web', visitor: 'vera' } },
  { type: 'MessagePosted', data: { seq: 0, text: 'hello', format: 'plain', attachments: [] } },
];
const ASSIGNED: ConversationEvent = {
  type: 'ConversationAssigned',
  data: { agent: 'gus', reservation: 'r', why: 'first', from: NONE, since },
};
const SNOOZED: ConversationEvent = {
  type: 'ConversationSnoozed',
  data: { until: '2030-01-01T00:00:00.000Z', from: 'open', since },
};
const RESOLVED: ConversationEvent = { type: 'ConversationResolved', data: { resolution: 0, from: 'open', since } };
const REOPENED: ConversationEvent = { type: 'ConversationReopened', data: { from: 'resolved', since } };

const SITUATIONS = {
  'not started': [],
  open: OPEN,
  queued: [...OPEN, { type: 'ConversationQueued', data: { queue: 'sales', from: NONE, since } }],
  assigned: [...OPEN, ASSIGNED],
  snoozed: [...OPEN, SNOOZED],
  'snoozed while assigned': [...OPEN, ASSIGNED, SNOOZED],
  resolved: [...OPEN, RESOLVED],
  reopened: [...OPEN, RESOLVED, REOPENED],
  closed: [...OPEN, RESOLVED, { type: 'ConversationClosed', data: { from: 'resolved', since } }],
  'without its visitor': [...OPEN, { type: 'VisitorRemoved', data: { visitor: 'vera', reason: 'abuse' } }],
} as const satisfies Record<string, readonly ConversationEvent[]>;
type Situation = keyof typeof SITUATIONS;

/** Types of events, or the code of a refusal. */
type Outcome = readonly ConversationEvent['type'][] | string;
/** In the situations that are not named it is as in the open one. */
type Outcomes = { readonly [S in Situation]?: Outcome } & { readonly open: Outcome };

interface TableRow {
  readonly command: ConversationCommand;
  readonly who: readonly Person[];
  readonly outcomes: Outcomes;
  /** Instead of what the outcomes say of a success. */
  readonly unless?: { readonly [P in Person]?: string };
  /** Before everything else. */
  readonly but?: { readonly by: Person; readonly when: Situation; readonly outcome: Outcome };
}

const STAFF = ['gus', 'colleague', 'supervisor'] as const;
const INSIDE = [...STAFF, 'bot', 'service'] as const;
const ALL = ['vera', 'stranger', ...INSIDE] as const;

const notClosed = (outcome: Outcome): Outcomes => ({ open: outcome, closed: 'conversation-closed' });
const always = (outcome: Outcome): Outcomes => ({ open: outcome });
const onlyOpen = (outcome: Outcome): Outcomes => ({
  open: outcome,
  snoozed: 'not-open',
  'snoozed while assigned': 'not-open',
  resolved: 'not-open',
  closed: 'conversation-closed',
});
const onlyResolved = (outcome: Outcome): Outcomes => ({
  open: 'not-resolved',
  resolved: outcome,
  closed: 'conversation-closed',
});
const onlyAssigned = (outcome: Outcome): Outcomes => ({
  open: 'not-assigned',
  assigned: outcome,
  'snoozed while assigned': outcome,
  closed: 'conversation-closed',
});

const TABLE: readonly TableRow[] = [
  {
    command: { type: 'StartConversation', data: { channel: 'web' } },
    who: ALL,
    outcomes: { open: 'already-started', 'not started': ['ConversationStarted'] },
  },
  {
    command: { type: 'PostMessage', data: { text: 'hi' } },
    who: ALL,
    outcomes: {
      open: ['MessagePosted'],
      snoozed: ['ConversationUnsnoozed', 'MessagePosted'],
      'snoozed while assigned': ['ConversationUnsnoozed', 'MessagePosted'],
      resolved: ['ConversationReopened', 'MessagePosted'],
      closed: 'conversation-closed',
    },
  },
  {
    command: { type: 'EditMessage', data: { seq: 0, text: 'hey' } },
    who: ALL,
    outcomes: notClosed(['MessageEdited']),
    unless: Object.fromEntries(INSIDE.map(person => [person, 'not-the-author'])),
  },
  {
    command: { type: 'RedactMessage', data: { seq: 0 } },
    who: ALL,
    outcomes: always(['MessageRedacted']),
    unless: Object.fromEntries(['gus', 'colleague', 'bot', 'service'].map(person => [person, 'not-the-author'])),
  },
  { command: { type: 'AddNote', data: { text: 'x' } }, who: [...STAFF, 'bot'], outcomes: notClosed(['NoteAdded']) },

  { command: { type: 'JoinConversation', data: {} }, who: STAFF, outcomes: notClosed(['ParticipantJoined']) },
  { command: { type: 'LeaveConversation', data: {} }, who: STAFF, outcomes: notClosed([]) },
  { command: { type: 'MarkRead', data: { seq: 0 } }, who: ALL, outcomes: always(['ReceiptRecorded']) },
  { command: { type: 'MarkDelivered', data: { seq: 0 } }, who: ALL, outcomes: always(['ReceiptRecorded']) },
  {
    command: { type: 'RemoveVisitor', data: { reason: 'abuse' } },
    who: ['supervisor', 'service'],
    outcomes: { open: ['VisitorRemoved'], 'without its visitor': [] },
  },

  { command: { type: 'AddTag', data: { tag: 'vip' } }, who: INSIDE, outcomes: notClosed(['TagAdded']) },
  { command: { type: 'RemoveTag', data: { tag: 'vip' } }, who: INSIDE, outcomes: notClosed([]) },
  { command: { type: 'SetPriority', data: { priority: 'high' } }, who: INSIDE, outcomes: notClosed(['PrioritySet']) },
  {
    command: { type: 'SetAttributes', data: { attributes: { plan: 'gold' } } },
    who: INSIDE,
    outcomes: notClosed(['AttributesSet']),
  },

  {
    command: { type: 'QueueConversation', data: { queue: 'sales' } },
    who: INSIDE,
    outcomes: { ...onlyOpen(['ConversationQueued']), queued: [], assigned: 'already-assigned' },
  },
  {
    command: { type: 'RequestAssignment', data: {} },
    who: ['gus', 'colleague'],
    outcomes: onlyOpen(['AssignmentRequested']),
    but: { by: 'gus', when: 'assigned', outcome: [] },
  },
  {
    command: { type: 'AssignConversation', data: { agent: 'gus', reservation: 'r', why: 'idle longest' } },
    who: ['service'],
    outcomes: { ...onlyOpen(['ConversationAssigned']), assigned: [] },
  },
  {
    command: { type: 'AssignConversation', data: { agent: 'hal', reservation: 'r', why: 'idle longest' } },
    who: ['service'],
    outcomes: { ...onlyOpen(['ConversationAssigned']), assigned: 'already-assigned' },
  },
  {
    command: { type: 'AssignConversation', data: { agent: 'hal', forced: true, why: 'I say so' } },
    who: ['supervisor'],
    outcomes: { ...onlyOpen(['ConversationAssigned']), assigned: 'already-assigned' },
  },
  {
    command: { type: 'UnassignConversation', data: {} },
    who: [...STAFF, 'service'],
    outcomes: onlyAssigned(['ConversationUnassigned']),
    unless: { colleague: 'not-the-assignee' },
  },
  {
    command: { type: 'TransferConversation', data: { to: { queue: 'billing' }, reason: 'an invoice' } },
    who: [...STAFF, 'service'],
    outcomes: onlyAssigned(['ConversationTransferred', 'ConversationQueued']),
    unless: { colleague: 'not-the-assignee' },
  },
  {
    command: { type: 'TransferConversation', data: { to: { agent: 'hal' }, reason: 'knows it' } },
    who: [...STAFF, 'service'],
    outcomes: onlyAssigned(['ConversationTransferred', 'ConversationQueued']),
    unless: { colleague: 'not-the-assignee' },
  },

  {
    command: { type: 'SnoozeConversation', data: { until: '2030-01-01T00:00:00Z' } },
    who: STAFF,
    outcomes: onlyOpen(['ConversationSnoozed']),
  },
  {
    command: { type: 'ResolveConversation', data: {} },
    who: INSIDE,
    outcomes: {
      open: ['ConversationResolved'],
      queued: ['ConversationResolved', 'ConversationUnassigned'],
      assigned: ['ConversationResolved', 'ConversationUnassigned'],
      'snoozed while assigned': ['ConversationResolved', 'ConversationUnassigned'],
      resolved: 'not-open',
      closed: 'conversation-closed',
    },
  },
  {
    command: { type: 'ReopenConversation', data: { reason: 'not done' } },
    who: STAFF,
    outcomes: onlyResolved(['ConversationReopened']),
  },
  {
    command: { type: 'CloseConversation', data: {} },
    who: ['supervisor', 'service'],
    outcomes: onlyResolved(['ConversationClosed']),
  },
  {
    command: { type: 'RateConversation', data: { score: 5 } },
    who: ['vera', 'stranger'],
    outcomes: { ...onlyResolved(['ConversationRated']), reopened: ['ConversationRated'] },
  },
];

function expected(row: TableRow, person: Person, situation: Situation): Outcome {
  const { command, who, outcomes, unless, but } = row;
  if (but?.by === person && but.when === situation) return but.outcome;
  if (!who.includes(person)) return 'forbidden';
  const starts = command.type === 'StartConversation';
  if (situation === 'not started' && !starts) return 'not-started';
  const mayBeOwn = person === 'vera' && situation !== 'without its visitor';
  if (PEOPLE[person].role === 'visitor' && !mayBeOwn && !starts) return 'forbidden';
  const outcome = outcomes[situation] ?? outcomes.open;
  return typeof outcome === 'string' ? outcome : (unless?.[person] ?? outcome);
}

/** The message is vera's, everything else was done by somebody who is not in the table. */
function decided(command: ConversationCommand, person: Person, situation: Situation): Outcome {
  const actors: Partial<Record<ConversationEvent['type'], Actor>> = { MessagePosted: PEOPLE.vera };
  const history = SITUATIONS[situation].map(event => ({
    event,
    by: { actor: actors[event.type] ?? ({ id: 'somebody', role: 'service' } as const) },
  }));
  try {
    const context = { actor: PEOPLE[person], origin: 'live', at: history.length * 1_000 } as const;
    return conversationDecider.decide(command, fold(history).state, context).map(({ type }) => type);
  } catch (error) {
    if (error instanceof Rejection) return error.code;
    throw error;
  }
}

const people = Object.keys(PEOPLE) as Person[];
const situations = Object.keys(SITUATIONS) as Situation[];

describe('The table of conversations', () => {
  it('has every command', () => {
    const commands = new Set<string>(TABLE.map(({ command }) => command.type));
    expect([...commands].sort()).toEqual(Object.keys(conversationCommandSchemas).sort());
  });

  it('has data that the wire takes', () => {
    for (const { command } of TABLE)
      expect(conversationCommandSchemas[command.type].parse(command.data)).toEqual(command.data);
  });

  describe.each(TABLE)('$command.type $command.data', row => {
    const cases = people.flatMap(person => situations.map(situation => ({ person, situation })));
    it.each(cases)('by $person, $situation', ({ person, situation }) => {
      expect(decided(row.command, person, situation)).toEqual(expected(row, person, situation));
    });
  });
});
