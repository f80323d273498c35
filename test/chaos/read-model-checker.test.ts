import { describe, expect, it } from 'vitest';
import type { WireEvent } from '../support/wire-client.ts';
import { checkReadModels } from './read-model-checker.ts';
import type { Answers } from './read-model-checker.ts';
import { expectedMessages, expectedParticipants, expectedSummary, expectedVolume } from './read-model-expectations.ts';

type Json = Record<string, unknown>;

const VERA = { id: 'vera', role: 'visitor' };
const GUS = { id: 'gus', role: 'agent' };
const SUE = { id: 'sue', role: 'supervisor' };
const DAY = '2026-03-01';

const HISTORY = history([
  [VERA, 'ConversationStarted', { channel: 'web', visitor: 'vera', attributes: { plan: 'free', city: 'Bonn' } }],
  [VERA, 'MessagePosted', post(0, 'it does not work')],
  [VERA, 'MessagePosted', post(1, 'at all')],
  [GUS, 'ConversationQueued', { queue: 'desk', from: { kind: 'none' }, since: '' }],
  [SUE, 'ConversationAssigned', { agent: 'gus', forced: true, why: 'free', from: { kind: 'none' }, since: '' }],
  [GUS, 'ParticipantJoined', { participant: 'gus' }],
  [GUS, 'ReceiptRecorded', { reader: 'gus', kind: 'read', seq: 0 }],
  [GUS, 'TagAdded', { tag: 'power' }],
  [GUS, 'AttributesSet', { attributes: { city: 'Kiel' }, removed: ['plan'] }],
  [GUS, 'MessagePosted', post(2, 'is it plugged in?')],
  [VERA, 'MessagePosted', post(3, 'no')],
  [VERA, 'MessageEdited', { seq: 3, text: 'now it is' }],
  [SUE, 'MessageRedacted', { seq: 1, reason: 'rude' }],
  [GUS, 'ConversationResolved', { resolution: 0, from: 'open', since: '' }],
  [VERA, 'ConversationRated', { resolution: 0, score: 4 }],
]);

function history(events: readonly (readonly [WireEvent['actor'], string, Json])[]): WireEvent[] {
  return events.map(([actor, type, data], rev) => {
    const second = String(rev).padStart(2, '0');
    return { rev, id: `event-${rev}`, type, at: `${DAY}T12:00:${second}.000Z`, actor, data };
  });
}

function post(seq: number, text: string): Json {
  return { seq, text, format: 'plain', attachments: [] };
}

const HISTORIES = new Map([
  ['a', HISTORY],
  ['b', HISTORY.slice(0, 3)],
]);

/** What queries would answer if nothing was wrong: a copy of its own each time, to plant faults in. */
function rightAnswers(): {
  listed: Json[];
  conversations: Map<string, { messages: Json[]; participants: Json[] }>;
  volume: Map<string, Record<string, number>>;
} {
  const copies = [...HISTORIES].map(([conversation, events]) => ({
    conversation,
    summary: { ...expectedSummary(conversation, events) },
    messages: expectedMessages(events),
    participants: expectedParticipants(conversation, events),
  }));
  return {
    listed: copies.map(({ summary }) => summary),
    conversations: new Map(copies.map(({ conversation, ...shown }) => [conversation, shown])),
    volume: new Map([[DAY, expectedVolume([...HISTORIES.values()].flat())]]),
  };
}

type Right = ReturnType<typeof rightAnswers>;

function found(plant: (answers: Right) => void): string[] {
  const answers = rightAnswers();
  plant(answers);
  return checkReadModels(HISTORIES, answers satisfies Answers);
}

function messagesOf(answers: Right, conversation: string): Json[] {
  return answers.conversations.get(conversation)?.messages ?? [];
}

describe('what the checker of read models expects', () => {
  it('is for a summary what a reader of the events would write down', () => {
    expect(expectedSummary('a', HISTORY)).toEqual({
      ...{ conversation: 'a', channel: 'web', visitor: 'vera', visitorRemoved: false, participants: ['gus'] },
      ...{ startedAt: `${DAY}T12:00:00.000Z`, closedAt: null, lastMessageAt: `${DAY}T12:00:10.000Z` },
      lastMessage: { seq: 3, rev: 10, at: `${DAY}T12:00:10.000Z`, actor: VERA, text: 'now it is' },
      ...{ messages: 4, rating: { resolution: 0, score: 4, at: `${DAY}T12:00:14.000Z` } },
      ...{ status: 'resolved', handling: { kind: 'assigned', agent: 'gus' }, unread: { staff: 1, visitor: 0 } },
      staff: {
        ...{ statusSince: `${DAY}T12:00:13.000Z`, handlingSince: `${DAY}T12:00:04.000Z`, queue: 'desk' },
        ...{ lastActivityAt: `${DAY}T12:00:14.000Z`, priority: 'normal', tags: ['power'] },
        ...{ attributes: { city: 'Kiel' }, notes: 0, resolutions: 1 },
        ...{ firstVisitorMessageAt: `${DAY}T12:00:01.000Z`, firstResponseAt: `${DAY}T12:00:09.000Z` },
      },
    });
  });

  it('is for messages their last text, and none where it was redacted', () => {
    expect(expectedMessages(HISTORY).map(({ text }) => text)).toEqual([
      'it does not work',
      null,
      'is it plugged in?',
      'now it is',
    ]);
  });

  it('is for the volume what was counted, by who posted', () => {
    expect(expectedVolume(HISTORY)).toMatchObject({ messages: 4, visitorMessages: 3, staffMessages: 1, resolved: 1 });
  });
});

describe('the checker of read models', () => {
  it('says nothing of answers that are right', () => {
    expect(found(() => undefined)).toEqual([]);
  });

  it.each<readonly [what: string, says: RegExp, plant: (answers: Right) => void]>([
    ['a lost message', /^a: 3 messages are shown, 4 were posted/, answers => void messagesOf(answers, 'a').pop()],
    [
      'a message that is there twice',
      /^b: 3 messages are shown, 2/,
      answers => void messagesOf(answers, 'b').push(messagesOf(answers, 'b')[1] ?? {}),
    ],
    ['two swapped messages', /^a: message 0 differs in seq/, answers => void messagesOf(answers, 'a').reverse()],
    [
      'an edit that was forgotten',
      /^a: message 3 differs in text/,
      answers => void Object.assign(messagesOf(answers, 'a')[3] ?? {}, { text: 'no' }),
    ],
    [
      'a redacted text that still reads',
      /^a: message 1 differs in text/,
      answers => void Object.assign(messagesOf(answers, 'a')[1] ?? {}, { text: 'at all' }),
    ],
    ['a conversation that is not listed', /^b: is listed 0 times/, answers => void answers.listed.pop()],
    [
      'a conversation that is listed twice',
      /^a: is listed 2 times/,
      answers => void answers.listed.push(answers.listed[0] ?? {}),
    ],
    [
      'a conversation that never was',
      /^c: is listed and has no history/,
      answers => void answers.listed.push({ conversation: 'c' }),
    ],
    [
      'a wrong status',
      /^a: the summary differs in status$/,
      answers => void Object.assign(answers.listed[0] ?? {}, { status: 'open' }),
    ],
    [
      'a wrong number of unread messages',
      /^b: the summary differs in unread$/,
      answers => void Object.assign(answers.listed[1] ?? {}, { unread: { staff: 1, visitor: 0 } }),
    ],
    [
      'a document that stands still',
      /^a: the summary differs in stale$/,
      answers => void Object.assign(answers.listed[0] ?? {}, { stale: true }),
    ],
    [
      'a transcript that is missing whole',
      /^b: 0 messages are shown/,
      answers => void answers.conversations.delete('b'),
    ],
    [
      'a participant who is forgotten',
      /^a: 1 participants are shown, 2/,
      answers => void answers.conversations.get('a')?.participants.pop(),
    ],
    [
      'a participant whose receipt is forgotten',
      /^a: participant gus differs in read$/,
      answers => void Object.assign(answers.conversations.get('a')?.participants[1] ?? {}, { read: null }),
    ],
    [
      'an event that was counted twice',
      /^volume of 2026-03-01 differs in messages$/,
      answers => void Object.assign(answers.volume.get(DAY) ?? {}, { messages: 7 }),
    ],
    [
      'a day that was not counted',
      /^volume of 2026-03-01 differs/,
      answers => {
        answers.volume.clear();
      },
    ],
  ])('finds %s', (_what, says, plant) => {
    expect(found(plant)[0]).toMatch(says);
  });
});
