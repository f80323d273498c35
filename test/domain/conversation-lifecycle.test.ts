import { describe, expect, it } from 'vitest';
import { conversationDecider } from '../../src/domain/conversation/decider.ts';
import type { ConversationCommand } from '../../src/domain/conversation/commands.ts';
import type { ConversationEvent, Handling, Status } from '../../src/domain/conversation/events.ts';
import type { Role } from '../../src/domain/decider.ts';
import { createSpecification } from '../support/decider-specification.ts';
import type { By, Given } from '../support/decider-specification.ts';

const { given: fold, fold: foldOf } = createSpecification(conversationDecider);

const as = (role: Role, id: string = role): By => ({ actor: { id, role } });
const vera = as('visitor', 'vera');
const gus = as('agent', 'gus');
const supervisor = as('supervisor');
const service = as('service');

/** The event at index i of a history happened i seconds after 1970 began. */
const second = (i: number) => new Date(i * 1_000).toISOString();
const NONE: Handling = { kind: 'none' };
const QUEUED: Handling = { kind: 'queued', queue: 'sales' };
const BY_GUS: Handling = { kind: 'assigned', agent: 'gus' };

const STARTED: ConversationEvent = { type: 'ConversationStarted', data: { channel: 'web', visitor: 'vera' } };
const message = (seq: number): ConversationEvent => ({
  type: 'MessagePosted',
  data: { seq, text: 'hi', format: 'plain', attachments: [] },
});
const queued = (from: Handling, since: string, queue = 'sales'): ConversationEvent => ({
  type: 'ConversationQueued',
  data: { queue, from, since },
});
const assigned = (from: Handling, since: string): ConversationEvent => ({
  type: 'ConversationAssigned',
  data: { agent: 'gus', reservation: 'r', why: 'first', from, since },
});
const snoozed = (since: string): ConversationEvent => ({
  type: 'ConversationSnoozed',
  data: { until: '2030-01-01T00:00:00.000Z', from: 'open', since },
});
const resolved = (resolution: number, from: Status, since: string): ConversationEvent => ({
  type: 'ConversationResolved',
  data: { resolution, from, since },
});
const reopened = (since: string): ConversationEvent => ({
  type: 'ConversationReopened',
  data: { from: 'resolved', since },
});
const rated = (resolution: number): ConversationEvent => ({
  type: 'ConversationRated',
  data: { resolution, score: 4 },
});

const given = (...events: ConversationEvent[]) =>
  fold(
    ...events.map((event): Given<ConversationEvent> => ({ event, by: event.type === 'MessagePosted' ? vera : gus })),
  );

const post: ConversationCommand = { type: 'PostMessage', data: { text: 'hi' } };
const resolve: ConversationCommand = { type: 'ResolveConversation', data: {} };
const rate: ConversationCommand = { type: 'RateConversation', data: { score: 4 } };

describe('Every transition says what it left, and since when that had been', () => {
  it('a queue', () => {
    const command: ConversationCommand = { type: 'QueueConversation', data: { queue: 'sales', reason: 'new' } };
    given(STARTED)
      .when(command, gus)
      .then({ type: 'ConversationQueued', data: { queue: 'sales', reason: 'new', from: NONE, since: second(0) } });
    given(STARTED, queued(NONE, second(0)))
      .when({ type: 'QueueConversation', data: { queue: 'billing' } }, gus)
      .then(queued(QUEUED, second(1), 'billing'));
  });
  it('an assignment', () => {
    const data = { agent: 'gus', reservation: 'r', why: 'first' };
    given(STARTED, message(0), queued(NONE, second(0)))
      .when({ type: 'AssignConversation', data }, service)
      .then(assigned(QUEUED, second(2)));
  });
  it('a snooze, whose end is stored as UTC', () => {
    given(STARTED)
      .when({ type: 'SnoozeConversation', data: { until: '2030-01-01T01:30:00+01:30' } }, gus)
      .then(snoozed(second(0)));
  });
  it('a resolution, which also takes the conversation out of the hands or the queue it is in', () => {
    given(STARTED, assigned(NONE, second(0)), snoozed(second(0)))
      .when(resolve, gus)
      .then(resolved(0, 'snoozed', second(2)), {
        type: 'ConversationUnassigned',
        data: { from: BY_GUS, since: second(1) },
      });
    given(STARTED, queued(NONE, second(0)))
      .when({ type: 'ResolveConversation', data: { outcome: 'spam' } }, gus)
      .then(
        { type: 'ConversationResolved', data: { resolution: 0, outcome: 'spam', from: 'open', since: second(0) } },
        { type: 'ConversationUnassigned', data: { from: QUEUED, since: second(1) } },
      );
  });
  it('a message to what was thought done, or asleep', () => {
    given(STARTED, resolved(0, 'open', second(0)))
      .when(post, vera)
      .then(reopened(second(1)), message(0));
    given(STARTED, snoozed(second(0)))
      .when(post, vera)
      .then({ type: 'ConversationUnsnoozed', data: { from: 'snoozed', since: second(1) } }, message(0));
  });
  it('a reopening and a close', () => {
    const history = [STARTED, message(0), resolved(0, 'open', second(0))];
    given(...history)
      .when({ type: 'ReopenConversation', data: { reason: 'not done' } }, gus)
      .then({ type: 'ConversationReopened', data: { reason: 'not done', from: 'resolved', since: second(2) } });
    given(...history)
      .when({ type: 'CloseConversation', data: {} }, supervisor)
      .then({ type: 'ConversationClosed', data: { from: 'resolved', since: second(2) } });
  });
  it('a priority', () => {
    given(STARTED)
      .when({ type: 'SetPriority', data: { priority: 'urgent' } }, gus)
      .then({ type: 'PrioritySet', data: { priority: 'urgent', from: 'normal' } });
    given(STARTED)
      .when({ type: 'SetPriority', data: { priority: 'normal' } }, gus)
      .then();
  });
});

describe('A transfer', () => {
  const transfer = (to: { queue: string } | { agent: string }): ConversationCommand => ({
    type: 'TransferConversation',
    data: { to, reason: 'theirs' },
  });
  const left = { from: BY_GUS, since: second(2) };
  const history = [STARTED, queued(NONE, second(0)), assigned(QUEUED, second(1))];

  it('to a queue leaves it to wait there', () => {
    given(...history)
      .when(transfer({ queue: 'billing' }), gus)
      .then(
        { type: 'ConversationTransferred', data: { to: { queue: 'billing' }, reason: 'theirs', ...left } },
        { type: 'ConversationQueued', data: { queue: 'billing', ...left } },
      );
  });
  it('to an agent leaves it in the queue it came from, with a preference', () => {
    given(...history)
      .when(transfer({ agent: 'hal' }), supervisor)
      .then(
        { type: 'ConversationTransferred', data: { to: { agent: 'hal' }, reason: 'theirs', ...left } },
        { type: 'ConversationQueued', data: { queue: 'sales', preference: 'hal', ...left } },
      );
  });
  it('to an agent of what never was in a queue leaves it in the default one', () => {
    const { state } = foldOf([STARTED, assigned(NONE, second(0))].map(event => ({ event, by: gus })));
    const context = { actor: gus.actor, at: 9_000, origin: 'live' } as const;
    const [, queuedAgain] = conversationDecider.decide(transfer({ agent: 'hal' }), state, context);
    expect(queuedAgain).toMatchObject({ data: { queue: 'default', preference: 'hal' } });
  });
  it('to who has it already is refused', () => {
    given(...history)
      .when(transfer({ agent: 'gus' }), gus)
      .rejects('already-assigned');
  });
});

describe('A rating', () => {
  it('is given once a resolution', () => {
    const history = [STARTED, resolved(0, 'open', second(0))];
    given(...history)
      .when({ type: 'RateConversation', data: { score: 4 } }, vera)
      .then(rated(0));
    given(...history, rated(0))
      .when(rate, vera)
      .rejects('already-rated');
    given(...history, rated(0), reopened(second(1)))
      .when(rate, vera)
      .rejects('already-rated');
    given(...history, rated(0), reopened(second(1)), resolved(1, 'open', second(3)))
      .when({ type: 'RateConversation', data: { score: 1, comment: 'worse' } }, vera)
      .then({ type: 'ConversationRated', data: { resolution: 1, score: 1, comment: 'worse' } });
  });
  it('is not given before the first resolution', () => {
    given(STARTED).when(rate, vera).rejects('not-resolved');
  });
});

describe('A receipt', () => {
  const history = [STARTED, message(0), message(1), message(2)];
  const mark = (type: 'MarkRead' | 'MarkDelivered', seq: number): ConversationCommand => ({ type, data: { seq } });
  const receipt = (kind: 'read' | 'delivered', seq: number, from?: number): ConversationEvent => ({
    type: 'ReceiptRecorded',
    data: { reader: 'gus', kind, seq, ...(from === undefined ? {} : { from }) },
  });

  it('is recorded where it goes beyond the one before, of its reader and kind', () => {
    given(...history)
      .when(mark('MarkRead', 1), gus)
      .then(receipt('read', 1));
    const after = given(...history, receipt('read', 1));
    after.when(mark('MarkRead', 2), gus).then(receipt('read', 2, 1));
    after.when(mark('MarkRead', 1), gus).then();
    after.when(mark('MarkRead', 0), gus).then();
    after.when(mark('MarkDelivered', 0), gus).then(receipt('delivered', 0));
    after
      .when(mark('MarkRead', 0), vera)
      .then({ type: 'ReceiptRecorded', data: { reader: 'vera', kind: 'read', seq: 0 } });
  });
  it('of a message that is not there is refused', () => {
    given(...history)
      .when(mark('MarkRead', 3), gus)
      .rejects('unknown-message');
  });
  it('is no event that a caller can expect', () => {
    const folded = foldOf([...history, receipt('read', 1), receipt('read', 2, 1)].map(event => ({ event, by: gus })));
    expect(folded).toMatchObject({ revision: 5n, expectableFrom: 3n });
  });
});

describe('Tags, attributes, notes and those who take part', () => {
  it('change once', () => {
    const tag = { tag: 'vip' };
    given(STARTED, { type: 'TagAdded', data: tag }).when({ type: 'AddTag', data: tag }, gus).then();
    given(STARTED, { type: 'TagAdded', data: tag })
      .when({ type: 'RemoveTag', data: tag }, gus)
      .then({ type: 'TagRemoved', data: tag });
    const joined: ConversationEvent = { type: 'ParticipantJoined', data: { participant: 'gus' } };
    given(STARTED, joined).when({ type: 'JoinConversation', data: {} }, gus).then();
    given(STARTED, joined)
      .when({ type: 'LeaveConversation', data: {} }, gus)
      .then({ type: 'ParticipantLeft', data: { participant: 'gus' } });
  });
  it('are bounded', () => {
    const tags = Array.from({ length: 50 }, (_, i): ConversationEvent => ({
      type: 'TagAdded',
      data: { tag: `t${i}` },
    }));
    given(STARTED, ...tags)
      .when({ type: 'AddTag', data: { tag: 'vip' } }, gus)
      .rejects('too-many-tags');
    const names = (from: number, count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`a${from + i}`, 'x']));
    const full: ConversationEvent = { type: 'AttributesSet', data: { attributes: names(0, 50), removed: [] } };
    given(STARTED, full)
      .when({ type: 'SetAttributes', data: { attributes: { one: 'more' } } }, gus)
      .rejects('too-many-attributes');
    given(STARTED, full)
      .when({ type: 'SetAttributes', data: { attributes: { one: 'more', a1: 'y' }, remove: ['a0', 'a1', 'no'] } }, gus)
      .then({ type: 'AttributesSet', data: { attributes: { one: 'more', a1: 'y' }, removed: ['a0'] } });
    given()
      .when({ type: 'StartConversation', data: { channel: 'web', attributes: names(0, 51) } }, gus)
      .rejects('too-many-attributes');
  });
  it('are not set to nothing', () => {
    given(STARTED)
      .when({ type: 'SetAttributes', data: { attributes: {}, remove: ['unknown'] } }, gus)
      .then();
  });
  it('number notes from 0, apart from messages', () => {
    const note = (seq: number): ConversationEvent => ({ type: 'NoteAdded', data: { seq, text: 'x' } });
    const add: ConversationCommand = { type: 'AddNote', data: { text: 'x' } };
    given(STARTED, message(0)).when(add, gus).then(note(0));
    given(STARTED, note(0), message(0)).when(add, as('bot')).then(note(1));
    given(STARTED)
      .when({ type: 'AddNote', data: { text: '' } }, gus)
      .rejects('text-empty');
    given(STARTED)
      .when({ type: 'AddNote', data: { text: 'x'.repeat(10_001) } }, gus)
      .rejects('text-too-long');
  });
});

describe('A snooze and a removal', () => {
  it('end in the future', () => {
    given(STARTED)
      .when({ type: 'SnoozeConversation', data: { until: second(1) } }, gus)
      .rejects('until-past');
  });
  it('need a visitor to remove', () => {
    given({ type: 'ConversationStarted', data: { channel: 'web' } })
      .when({ type: 'RemoveVisitor', data: { reason: 'abuse' } }, supervisor)
      .rejects('no-visitor');
  });
});
