import { describe, expect, it } from 'vitest';
import type { ParticipantDocument } from '../../src/projections/conversations/participants.ts';
import { participantId } from '../../src/projections/conversations/participants.ts';
import { conversationsProjection } from '../../src/projections/conversations/projection.ts';
import { by, happened } from '../support/projected-events.ts';
import { createProjectionSpecification } from '../support/projection-specification.ts';

const { given } = createProjectionSpecification<ParticipantDocument>(conversationsProjection, 'participants');
const idOf = (participant: string) => participantId('acme', participant, '1');

const ann = by('visitor', 'ann');
const bob = by('agent', 'bob');
const BEGIN = '2026-03-01T10:00:00.000Z';
const started = happened('ConversationStarted', { channel: 'web', visitor: 'ann' }, ann);
const post = (seq: number, actor = ann, author?: string | null) =>
  happened(
    'MessagePosted',
    {
      ...{ seq, text: 'hello', format: 'plain', attachments: [] },
      ...(author === undefined ? {} : { source: { id: 'l', author } }),
    },
    actor,
  );
const assigned = happened('ConversationAssigned', {
  ...{ agent: 'bob', reservation: 'r', why: 'idle', from: { kind: 'none' }, since: BEGIN },
});

describe('A conversation’s visitor', () => {
  it('takes part from the start on', () => {
    given()
      .when(started)
      .then(idOf('ann'), {
        ...{ tenant: 'acme', participant: 'ann', conversation: '1', subjects: ['ann'], role: 'visitor' },
        ...{ messages: 0, firstAt: BEGIN, lastAt: BEGIN, joined: false, read: null, delivered: null },
      });
  });

  it('takes part also where somebody else starts it', () => {
    const { ids, then } = given().when(happened('ConversationStarted', { channel: 'web', visitor: 'ann' }, bob));
    expect(ids()).toEqual([idOf('ann')]);
    then(idOf('ann'), { role: 'visitor' });
  });

  it('is nobody where there is none', () => {
    expect(
      given()
        .when(happened('ConversationStarted', { channel: 'web' }))
        .ids(),
    ).toEqual([]);
  });
});

describe('Who posts', () => {
  it('has its messages counted, and its last part moved', () => {
    given(started, post(0))
      .when(post(1))
      .then(idOf('ann'), { messages: 2, firstAt: BEGIN, lastAt: '2026-03-01T10:02:00.000Z' });
  });

  it('takes part in the role in which it posted last', () => {
    given(started, post(0, bob))
      .when(post(1, by('supervisor', 'bob')))
      .then(idOf('bob'), { role: 'supervisor' });
  });

  it('has the name that the imported file gave it, by the last of its lines', () => {
    given(started, post(0, bob, 'Bob'))
      .when(post(1, bob, 'Bobby'))
      .then(idOf('bob'), { name: 'Bobby' });
    given(started, post(0, bob, 'Bob'))
      .when(post(1, bob))
      .then(idOf('bob'), { name: 'Bob' });
  });

  it('has no name where nothing was imported, and null for one that was erased', () => {
    expect(given(started).when(post(0, bob)).document(idOf('bob'))).not.toHaveProperty('name');
    given(started)
      .when(post(0, bob, null))
      .then(idOf('bob'), { name: null });
  });
});

describe('Staff', () => {
  const joined = happened('ParticipantJoined', { participant: 'bob' }, bob);

  it('that joins has joined, until it leaves', () => {
    given(started).when(joined).then(idOf('bob'), { joined: true, role: 'agent' });
    given(started, joined)
      .when(happened('ParticipantLeft', { participant: 'bob' }, bob))
      .then(idOf('bob'), { joined: false, lastAt: '2026-03-01T10:02:00.000Z' });
  });

  it('that is assigned takes part as an agent, by whomever it is assigned', () => {
    given(started).when(assigned).then(idOf('bob'), { role: 'agent', joined: false, messages: 0 });
    expect(given(started).when(assigned).ids()).toEqual([idOf('ann'), idOf('bob')]);
  });

  it('that is assigned keeps the role in which it acted', () => {
    given(started, post(0, by('supervisor', 'bob')))
      .when(assigned)
      .then(idOf('bob'), { role: 'supervisor' });
  });
});

describe('A receipt', () => {
  const receipt = (kind: 'read' | 'delivered', seq: number) =>
    happened('ReceiptRecorded', { reader: 'ann', kind, seq }, ann);

  it('moves what its reader has read, or was delivered, each for itself', () => {
    given(started, post(0), receipt('delivered', 0))
      .when(receipt('read', 0))
      .then(idOf('ann'), { read: 0, delivered: 0 });
    given(started, post(0)).when(receipt('delivered', 0)).then(idOf('ann'), { read: null, delivered: 0 });
  });

  it('is no part in the conversation: nothing that lists sort by moves', () => {
    given(started, post(0)).when(receipt('read', 0)).then(idOf('ann'), { lastAt: '2026-03-01T10:01:00.000Z' });
  });

  it('of somebody new makes them known', () => {
    const at = '2026-03-01T10:02:00.000Z';
    given(started, post(0))
      .when(happened('ReceiptRecorded', { reader: 'bob', kind: 'read', seq: 0 }, bob))
      .then(idOf('bob'), { role: 'agent', read: 0, messages: 0, firstAt: at, lastAt: at });
  });
});

describe('Whatever else happens', () => {
  it('is nobody’s part', () => {
    given(started, post(0))
      .when(
        happened('MessageEdited', { seq: 0, text: 'x' }, ann),
        happened('MessageRedacted', { seq: 0 }, by('supervisor', 'sue')),
        happened('TagAdded', { tag: 'vip' }, bob),
        happened('NoteAdded', { seq: 0, text: 'note' }, bob),
      )
      .thenNothing();
  });
});
