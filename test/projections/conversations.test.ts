import { describe, expect, it } from 'vitest';
import type { ConversationDocument } from '../../src/projections/conversations/conversation-document.ts';
import { conversationsProjection } from '../../src/projections/conversations/projection.ts';
import { by, happened } from '../support/projected-events.ts';
import type { Happened } from '../support/projected-events.ts';
import { createProjectionSpecification } from '../support/projection-specification.ts';

const { given } = createProjectionSpecification<ConversationDocument>(conversationsProjection, 'conversations');
const ID = 'acme/1';

const ann = by('visitor', 'ann');
const bob = by('agent', 'bob');
const bot = by('bot', 'robo');
const BEGIN = '2026-03-01T10:00:00.000Z';
const minute = (n: number): string => `2026-03-01T10:${String(n).padStart(2, '0')}:00.000Z`;
const started = happened('ConversationStarted', { channel: 'web', visitor: 'ann' }, ann);

const post = (seq: number, actor = ann, text: string | null = `text ${seq}`): Happened =>
  happened('MessagePosted', { seq, text, format: 'plain', attachments: [] }, actor);
const posts = (from: number, to: number, actor = ann): Happened[] =>
  Array.from({ length: to - from }, (_, i) => post(from + i, actor));
const read = (seq: number, actor = bob): Happened =>
  happened('ReceiptRecorded', { reader: actor.id, kind: 'read', seq }, actor);

const none = { from: { kind: 'none' }, since: BEGIN } as const;
const open = { from: 'open', since: BEGIN } as const;
const queued = happened('ConversationQueued', { queue: 'sales', ...none });
const assigned = happened('ConversationAssigned', { agent: 'bob', reservation: 'r', why: 'idle', ...none });
const unassigned = happened('ConversationUnassigned', { from: { kind: 'assigned', agent: 'bob' }, since: BEGIN });
const resolved = happened('ConversationResolved', { resolution: 0, ...open }, bob);

describe('A start', () => {
  it('makes an open conversation in nobody’s hands, in which nothing was said', () => {
    given()
      .when(started)
      .then(ID, {
        ...{ tenant: 'acme', conversation: '1', subjects: ['ann'], channel: 'web', visitor: 'ann' },
        ...{ status: 'open', statusSince: BEGIN, handling: 'none', handlingSince: BEGIN, queue: null, assignee: null },
        ...{ visitorRemoved: false, priority: 'normal', tags: [], attributes: {}, participants: [], notes: 0 },
        ...{ startedAt: BEGIN, closedAt: null, lastActivityAt: BEGIN, lastMessageAt: null, lastMessage: null },
        ...{ lastMessageOrStartAt: BEGIN, messages: 0, unread: { staff: 0, visitor: 0 }, resolutions: 0, rating: null },
        ...{ firstVisitorMessageAt: null, firstResponseAt: null },
      });
  });

  it('brings a topic and attributes, null where they were erased', () => {
    const start = (topic: string | null, plan: string | null) =>
      happened('ConversationStarted', { channel: 'web', topic, attributes: { plan } });
    given()
      .when(start('Help', 'pro'))
      .then(ID, { topic: 'Help', attributes: { plan: 'pro' } });
    given()
      .when(start(null, null))
      .then(ID, { topic: null, attributes: { plan: null } });
    expect(given().when(started).document(ID)).not.toHaveProperty('topic');
  });

  it('without a visitor is sealed under the conversation’s own id', () => {
    given()
      .when(happened('ConversationStarted', { channel: 'mail' }))
      .then(ID, { visitor: null, subjects: ['1'] });
  });

  it('is what there must be first: without one nothing is summed up', () => {
    given().when(post(0), read(0), queued).then(ID, undefined);
  });
});

describe('The last message', () => {
  it('is the last post, by whom and when', () => {
    given(started, post(0))
      .when(post(1, bob))
      .then(ID, {
        ...{ messages: 2, lastMessageAt: minute(2), lastMessageOrStartAt: minute(2) },
        lastMessage: { seq: 1, rev: 2, at: minute(2), actor: { id: 'bob', role: 'agent' }, text: 'text 1' },
      });
  });

  it('shows the first 200 units of its text', () => {
    const text = 'x'.repeat(199) + 'yz';
    given(started)
      .when(post(0, ann, text))
      .then(ID, { lastMessage: { text: text.slice(0, 200) } });
    given(started)
      .when(post(0, ann, 'x'.repeat(200)))
      .then(ID, { lastMessage: { text: 'x'.repeat(200) } });
  });

  it('is never cut in the middle of a surrogate pair', () => {
    given(started)
      .when(post(0, ann, `${'x'.repeat(199)}🙂`))
      .then(ID, { lastMessage: { text: 'x'.repeat(199) } });
    const whole = `${'x'.repeat(198)}🙂`;
    given(started)
      .when(post(0, ann, `${whole}x`))
      .then(ID, { lastMessage: { text: whole } });
    given(started)
      .when(post(0, ann, whole))
      .then(ID, { lastMessage: { text: whole } });
  });

  it('shows an edit of it, and stays when it was posted', () => {
    given(started, post(0))
      .when(happened('MessageEdited', { seq: 0, text: 'better' }, ann))
      .then(ID, { lastMessage: { text: 'better', at: minute(1), rev: 1 }, lastMessageAt: minute(1) });
  });

  it('is not touched by an edit or a redaction of another', () => {
    given(started, post(0), post(1))
      .when(happened('MessageEdited', { seq: 0, text: 'x' }, ann), happened('MessageRedacted', { seq: 0 }, ann))
      .then(ID, { lastMessage: { seq: 1, text: 'text 1' } });
  });

  it('shows no text once it is redacted, and says so', () => {
    const redaction = happened('MessageRedacted', { seq: 0 }, ann);
    given(started, post(0))
      .when(redaction)
      .then(ID, { lastMessage: { seq: 0, text: null, redacted: true }, messages: 1 });
    given(started, post(0), redaction)
      .when(happened('MessageEdited', { seq: 0, text: 'x' }, ann))
      .then(ID, { lastMessage: { text: null } });
  });

  it('that was erased has no text, and was not redacted', () => {
    expect(
      given(started)
        .when(post(0, ann, null))
        .document(ID).lastMessage,
    ).toEqual({
      ...{ seq: 0, rev: 1, at: minute(1), actor: { id: 'ann', role: 'visitor' }, text: null },
    });
  });
});

describe('What is unread', () => {
  it('by staff is what visitors posted', () => {
    given(started)
      .when(post(0), post(1))
      .then(ID, { unread: { staff: 2, visitor: 0 }, unreadSeqs: { staff: [0, 1] } });
  });

  it('by the visitor is what anybody else posted, bots too', () => {
    given(started)
      .when(post(0, bob), post(1, bot))
      .then(ID, { unread: { staff: 0, visitor: 2 } });
  });

  it('goes with a receipt of anybody of that side, up to what it names', () => {
    given(started, ...posts(0, 3))
      .when(read(1))
      .then(ID, { unread: { staff: 1 }, unreadSeqs: { staff: [2] } });
    given(started, post(0, bob), post(1, bob))
      .when(read(0, ann))
      .then(ID, { unread: { visitor: 1 } });
  });

  it('stays with a receipt of a bot, one that tells of a delivery, or one that names less', () => {
    const delivered = happened('ReceiptRecorded', { reader: 'bob', kind: 'delivered', seq: 2 }, bob);
    given(started, ...posts(0, 3), read(1))
      .when(read(2, bot), delivered, read(0, by('agent', 'cy')))
      .thenNothing();
  });

  it('goes with a post of that side: who answers has read', () => {
    given(started, ...posts(0, 3))
      .when(post(3, bob))
      .then(ID, { unread: { staff: 0, visitor: 1 } });
    given(started, post(0, bob))
      .when(post(1))
      .then(ID, { unread: { staff: 1, visitor: 0 } });
  });

  it('is counted up to a hundred, and exactly again once a receipt leaves fewer', () => {
    const many = [started, ...posts(0, 150)];
    given(...many)
      .when(post(150))
      .then(ID, { unread: { staff: 100 } });
    given(...many)
      .when(read(40))
      .then(ID, { unread: { staff: 100 } });
    given(...many)
      .when(read(50))
      .then(ID, { unread: { staff: 99 } });
    given(...many)
      .when(read(149))
      .then(ID, { unread: { staff: 0 } });
  });

  it('counts a message also when it is redacted', () => {
    given(started, post(0))
      .when(happened('MessageRedacted', { seq: 0 }, ann))
      .then(ID, { unread: { staff: 1 } });
  });
});

describe('The first response', () => {
  it('is the first post of staff behind the visitor’s first', () => {
    given(started, post(0), post(1, bot))
      .when(post(2, bob), post(3, bob))
      .then(ID, { firstVisitorMessageAt: minute(1), firstResponseAt: minute(3) });
    given(started, post(0))
      .when(post(1, by('supervisor')))
      .then(ID, { firstResponseAt: minute(2) });
  });

  it('is no greeting before the visitor said anything, and no bot', () => {
    given(started, post(0, bob)).when(post(1), post(2, bot)).then(ID, { firstResponseAt: null });
  });
});

describe('In whose hands it is', () => {
  it('a queue is waited in since then', () => {
    given(started)
      .when(queued)
      .then(ID, { handling: 'queued', queue: 'sales', handlingSince: minute(1), assignee: null });
  });

  it('an agent has it since then, and the queue it came from is still named', () => {
    given(started, queued)
      .when(assigned)
      .then(ID, { handling: 'assigned', assignee: 'bob', queue: 'sales', handlingSince: minute(2) });
  });

  it('nobody has it again, and the queue it waited in last is still named', () => {
    given(started, queued, assigned)
      .when(unassigned)
      .then(ID, { handling: 'none', assignee: null, queue: 'sales', handlingSince: minute(3) });
  });

  it('asking for it, or announcing a transfer, hands nothing over', () => {
    given(started, queued)
      .when(
        happened('AssignmentRequested', { agent: 'bob' }, bob),
        happened('ConversationTransferred', { to: { queue: 'billing' }, reason: 'x', ...none }),
      )
      .then(ID, { handling: 'queued', queue: 'sales', handlingSince: minute(1), lastActivityAt: minute(3) });
  });
});

describe('The status', () => {
  it('follows snoozes, resolutions, reopenings and the close, and says since when', () => {
    const snoozed = happened('ConversationSnoozed', { until: minute(50), ...open }, bob);
    const unsnoozed = happened('ConversationUnsnoozed', { from: 'snoozed', since: minute(1) }, ann);
    const reopened = happened('ConversationReopened', { from: 'resolved', since: minute(1) }, ann);
    const closed = happened('ConversationClosed', { from: 'resolved', since: minute(1) });
    given(started)
      .when(snoozed)
      .then(ID, { status: 'snoozed', statusSince: minute(1) });
    given(started, snoozed)
      .when(unsnoozed)
      .then(ID, { status: 'open', statusSince: minute(2) });
    given(started).when(resolved).then(ID, { status: 'resolved', resolutions: 1, closedAt: null });
    given(started, resolved)
      .when(reopened)
      .then(ID, { status: 'open', statusSince: minute(2), resolutions: 1 });
    given(started, resolved)
      .when(closed)
      .then(ID, { status: 'closed', statusSince: minute(2), closedAt: minute(2) });
  });

  it('a rating is kept beside it, with which resolution it is of', () => {
    const rated = (comment?: string | null) =>
      happened('ConversationRated', { resolution: 0, score: 4, ...(comment === undefined ? {} : { comment }) }, ann);
    given(started, resolved)
      .when(rated('fine'))
      .then(ID, { rating: { resolution: 0, score: 4, comment: 'fine', at: minute(2) } });
    given(started, resolved)
      .when(rated(null))
      .then(ID, { rating: { comment: null } });
    expect(given(started, resolved).when(rated()).document(ID).rating).not.toHaveProperty('comment');
  });
});

describe('What staff says about it', () => {
  const tag = (name: string) => happened('TagAdded', { tag: name }, bob);

  it('tags are sorted, and go when they are removed', () => {
    given(started)
      .when(tag('vip'), tag('late'), tag('odd'))
      .then(ID, { tags: ['late', 'odd', 'vip'] });
    given(started, tag('vip'), tag('late'))
      .when(happened('TagRemoved', { tag: 'vip' }))
      .then(ID, { tags: ['late'] });
  });

  it('the priority is the last one set', () => {
    given(started)
      .when(happened('PrioritySet', { priority: 'urgent', from: 'normal' }))
      .then(ID, { priority: 'urgent' });
  });

  it('attributes are set and removed, the others stay', () => {
    const set = (attributes: Record<string, string | null>, removed: string[] = []) =>
      happened('AttributesSet', { attributes, removed }, bob);
    const { document } = given(started, set({ plan: 'pro', city: 'Rome' })).when(
      set({ plan: 'free', age: null }, ['city']),
    );
    expect(document(ID).attributes).toEqual({ plan: 'free', age: null });
  });

  it('notes are counted, and not shown', () => {
    const { document } = given(started).when(happened('NoteAdded', { seq: 0, text: 'a note of staff' }, bob));
    expect(document(ID).notes).toBe(1);
    expect(JSON.stringify(document(ID))).not.toContain('a note of staff');
  });

  it('participants are those who joined and did not leave', () => {
    const join = (id: string) => happened('ParticipantJoined', { participant: id }, by('agent', id));
    const leave = happened('ParticipantLeft', { participant: 'cy' }, by('agent', 'cy'));
    given(started)
      .when(join('cy'), join('bob'))
      .then(ID, { participants: ['cy', 'bob'] });
    given(started, join('cy'), join('bob'))
      .when(leave)
      .then(ID, { participants: ['bob'] });
    given(started, join('cy'), join('bob'), leave)
      .when(join('cy'))
      .then(ID, { participants: ['bob', 'cy'] });
  });

  it('the visitor’s removal is kept, and why is not', () => {
    const { document } = given(started).when(happened('VisitorRemoved', { visitor: 'ann', reason: 'because' }));
    expect(document(ID)).toMatchObject({ visitorRemoved: true, visitor: 'ann' });
    expect(JSON.stringify(document(ID))).not.toContain('because');
  });
});

describe('Activity', () => {
  it('is every event but receipts', () => {
    given(started, post(0))
      .when(happened('NoteAdded', { seq: 0, text: 'x' }, bob))
      .then(ID, { lastActivityAt: minute(2), lastMessageAt: minute(1), position: 20 });
    given(started, post(0))
      .when(read(0))
      .then(ID, { lastActivityAt: minute(1), position: 20 });
  });

  it('a receipt that changes nothing leaves the document as it was', () => {
    given(started, post(0, bob)).when(read(0)).thenNothing();
  });
});
