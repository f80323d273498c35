/**
 * Who sees what of each event, written down once more from docs/domain.md: the fields of the visitor view, and which
 * fields are of a person. Every event is shown to every role.
 */
import { describe, expect, it } from 'vitest';
import type { ConversationEvent, ConversationEventType, Handling } from '../../src/domain/conversation/events.ts';
import { view, viewOf } from '../../src/domain/conversation/view.ts';
import type { Role } from '../../src/domain/decider.ts';
import { conversationEventSchemas } from '../../src/schemas/conversation-events.ts';
import { personalFields } from '../../src/schemas/personal.ts';

interface ViewRow {
  /** With every field it can have. */
  readonly event: ConversationEvent;
  readonly visitorSees: readonly string[] | 'nothing';
  /** Fields sealed under the visitor's key; `author`: under the author's own. */
  readonly personal?: readonly string[];
}

const from: Handling = { kind: 'assigned', agent: 'gus' };
const since = '2026-01-01T00:00:00.000Z';

const TABLE: readonly ViewRow[] = [
  {
    event: {
      type: 'ConversationStarted',
      data: { channel: 'web', visitor: 'vera', topic: 'a topic', attributes: { plan: 'gold' } },
    },
    visitorSees: ['channel', 'visitor', 'topic'],
    personal: ['topic', 'attributes.*'],
  },
  {
    event: {
      type: 'MessagePosted',
      data: {
        seq: 1,
        text: 'hi',
        format: 'plain',
        replyTo: 0,
        attachments: [{ id: 'a', name: 'a.png', contentType: 'image/png', bytes: 1 }],
        source: { id: 'l', author: 'Ann', replyTo: 'k' },
      },
    },
    visitorSees: ['seq', 'text', 'format', 'replyTo', 'attachments'],
    personal: ['text', 'attachments.*.name', 'source.author: author'],
  },
  { event: { type: 'MessageEdited', data: { seq: 1, text: 'ho' } }, visitorSees: ['seq', 'text'], personal: ['text'] },
  {
    event: { type: 'MessageRedacted', data: { seq: 1, reason: 'a slip' } },
    visitorSees: ['seq'],
    personal: ['reason'],
  },
  { event: { type: 'NoteAdded', data: { seq: 0, text: 'rude' } }, visitorSees: 'nothing', personal: ['text'] },

  { event: { type: 'ParticipantJoined', data: { participant: 'gus' } }, visitorSees: ['participant'] },
  { event: { type: 'ParticipantLeft', data: { participant: 'gus' } }, visitorSees: ['participant'] },
  {
    event: { type: 'ReceiptRecorded', data: { reader: 'gus', kind: 'read', seq: 1, from: 0 } },
    visitorSees: ['reader', 'kind', 'seq', 'from'],
  },
  {
    event: { type: 'VisitorRemoved', data: { visitor: 'vera', reason: 'abuse' } },
    visitorSees: ['visitor'],
    personal: ['reason'],
  },

  { event: { type: 'TagAdded', data: { tag: 'vip' } }, visitorSees: 'nothing' },
  { event: { type: 'TagRemoved', data: { tag: 'vip' } }, visitorSees: 'nothing' },
  { event: { type: 'PrioritySet', data: { priority: 'low', from: 'normal' } }, visitorSees: 'nothing' },
  {
    event: { type: 'AttributesSet', data: { attributes: { plan: 'gold' }, removed: ['city'] } },
    visitorSees: 'nothing',
    personal: ['attributes.*'],
  },

  {
    event: {
      type: 'ConversationQueued',
      data: { queue: 'sales', preference: 'gus', reason: 'theirs', from, since },
    },
    visitorSees: [],
    personal: ['reason'],
  },
  { event: { type: 'AssignmentRequested', data: { agent: 'gus' } }, visitorSees: 'nothing' },
  {
    event: {
      type: 'ConversationAssigned',
      data: { agent: 'gus', reservation: 'r', forced: true, why: 'best match', from: { kind: 'none' }, since },
    },
    visitorSees: ['agent'],
    personal: ['why'],
  },
  {
    event: { type: 'ConversationUnassigned', data: { reason: 'lunch', from, since } },
    visitorSees: 'nothing',
    personal: ['reason'],
  },
  {
    event: { type: 'ConversationTransferred', data: { to: { queue: 'sales' }, reason: 'theirs', from, since } },
    visitorSees: 'nothing',
    personal: ['reason'],
  },

  { event: { type: 'ConversationSnoozed', data: { until: since, from: 'open', since } }, visitorSees: 'nothing' },
  { event: { type: 'ConversationUnsnoozed', data: { from: 'snoozed', since } }, visitorSees: 'nothing' },
  {
    event: { type: 'ConversationResolved', data: { resolution: 0, outcome: 'solved', from: 'open', since } },
    visitorSees: ['resolution'],
  },
  {
    event: { type: 'ConversationReopened', data: { reason: 'not done', from: 'resolved', since } },
    visitorSees: [],
    personal: ['reason'],
  },
  { event: { type: 'ConversationClosed', data: { from: 'resolved', since } }, visitorSees: [] },
  {
    event: { type: 'ConversationRated', data: { resolution: 0, score: 5, comment: 'fine' } },
    visitorSees: ['resolution', 'score', 'comment'],
    personal: ['comment'],
  },
];

function shown(event: ConversationEvent, role: Role): object | undefined {
  const recorded = {
    event,
    id: 'e',
    stream: 'conversation-acme.42',
    revision: 7n,
    position: 70n,
    at: 0,
    actor: { id: 'a', role: 'agent' },
    origin: 'live',
    commandId: 'c',
    commandDigest: 'd',
  } as const;
  return view(recorded, viewOf(role))?.data;
}

function picked(data: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(data).filter(([name]) => names.includes(name)));
}

const ROLES = ['visitor', 'agent', 'supervisor', 'auditor', 'bot', 'service'] as const satisfies readonly Role[];

describe('The views of a conversation', () => {
  it('are told for every event', () => {
    const types = TABLE.map(({ event }) => event.type).sort();
    expect(types).toEqual(Object.keys(conversationEventSchemas).sort());
  });

  describe.each(TABLE)('$event.type', ({ event, visitorSees, personal = [] }) => {
    const schema = conversationEventSchemas[event.type satisfies ConversationEventType].current;

    it('has every field that is stored', () => {
      expect(Object.keys(event.data).sort()).toEqual(Object.keys(schema.shape).sort());
      expect(schema.parse(event.data)).toEqual(event.data);
    });

    it.each(ROLES)('GW-2: to a %s', role => {
      const data = shown(event, role);
      if (role !== 'visitor') expect(data).toStrictEqual(event.data);
      else if (visitorSees === 'nothing') expect(data).toBeUndefined();
      else expect(data).toStrictEqual(picked(event.data, visitorSees));
    });

    it('is sealed where it is about a person', () => {
      const marked = personalFields(schema).map(({ path, subject }) =>
        subject === 'visitor' ? path.join('.') : `${path.join('.')}: ${subject}`,
      );
      expect(marked).toEqual(personal);
    });
  });
});
