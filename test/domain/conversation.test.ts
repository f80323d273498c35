import { describe, it } from 'vitest';
import { conversationDecider } from '../../src/domain/conversation/decider.ts';
import type { ConversationCommand } from '../../src/domain/conversation/commands.ts';
import type { ConversationEvent, ImportSource } from '../../src/domain/conversation/events.ts';
import type { Role } from '../../src/domain/decider.ts';
import { createSpecification } from '../support/decider-specification.ts';
import type { By } from '../support/decider-specification.ts';

const { given } = createSpecification(conversationDecider);

const as = (role: Role, id: string = role): By => ({ actor: { id, role } });
const visitor = as('visitor');
const stranger = as('visitor', 'stranger');
const agent = as('agent');
const supervisor = as('supervisor');
const importing = (by: By): By => ({ ...by, origin: 'import' });
const EVERY_WRITER = [visitor, agent, supervisor, as('bot'), as('service')];

const start = (visitor?: string): ConversationCommand => ({
  type: 'StartConversation',
  data: { channel: 'web', visitor },
});
const post = (text: string, more: { replyTo?: number; source?: ImportSource } = {}): ConversationCommand => ({
  type: 'PostMessage',
  data: { text, ...more },
});
const edit = (seq: number, text: string): ConversationCommand => ({ type: 'EditMessage', data: { seq, text } });
const redact = (seq: number, reason?: string): ConversationCommand => ({
  type: 'RedactMessage',
  data: { seq, reason },
});

const started = (by: By, visitor?: string) => ({
  event: { type: 'ConversationStarted', data: { channel: 'web', visitor } } satisfies ConversationEvent,
  by,
});
const posted = (by: By, seq: number, more: { source?: ImportSource } = {}) => ({
  event: {
    type: 'MessagePosted',
    data: { seq, text: `message ${seq}`, format: 'plain', attachments: [], ...more },
  } satisfies ConversationEvent,
  by,
});
const redacted = (by: By, seq: number) => ({
  event: { type: 'MessageRedacted', data: { seq } } satisfies ConversationEvent,
  by,
});
const message = (seq: number, text: string, more: object = {}): ConversationEvent => ({
  type: 'MessagePosted',
  data: { seq, text, format: 'plain', attachments: [], ...more },
});

describe('A conversation that has not been started', () => {
  it('is started by a visitor, who becomes its visitor', () => {
    const event: ConversationEvent = { type: 'ConversationStarted', data: { channel: 'web', visitor: 'visitor' } };
    given().when(start(), visitor).then(event);
    given().when(start('visitor'), visitor).then(event);
  });
  it('is not started by a visitor in the name of another', () => {
    given().when(start('somebody'), visitor).rejects('forbidden');
  });
  it('is started by staff, bots and services, for a visitor or for none', () => {
    for (const by of EVERY_WRITER.slice(1)) {
      given().when(start('ann'), by).then(started(by, 'ann').event);
      given().when(start(), by).then(started(by).event);
    }
  });
  it('is not started by an auditor', () => {
    given().when(start(), as('auditor')).rejects('forbidden');
  });
  it('takes no message, edit or redaction, from nobody and from no import', () => {
    for (const by of [...EVERY_WRITER, importing(agent)])
      for (const command of [post('hi'), edit(0, 'hi'), redact(0)]) given().when(command, by).rejects('not-started');
  });
});

describe('A started conversation', () => {
  const open = started(visitor, 'visitor');

  it('is not started again', () => {
    given(open).when(start(), visitor).rejects('already-started');
  });
  it('takes messages of its visitor, staff, bots and services, numbered from 0', () => {
    for (const by of EVERY_WRITER) {
      given(open).when(post('hi'), by).then(message(0, 'hi'));
      given(open, posted(agent, 0)).when(post('hi'), by).then(message(1, 'hi'));
    }
  });
  it('takes nothing of another visitor or of an auditor', () => {
    for (const by of [stranger, as('auditor')])
      for (const command of [post('hi'), edit(0, 'hi'), redact(0)])
        given(open, posted(by, 0)).when(command, by).rejects('forbidden');
  });
  it('takes nothing of any visitor where it has none', () => {
    given(started(agent)).when(post('hi'), visitor).rejects('forbidden');
  });
  it('takes a text of 10,000 UTF-16 units and no more', () => {
    given(open)
      .when(post('x'.repeat(10_000)), visitor)
      .then(message(0, 'x'.repeat(10_000)));
    given(open)
      .when(post('😀'.repeat(5_001)), visitor)
      .rejects('text-too-long');
  });
  it('takes an empty text only with attachments', () => {
    const attachments = [{ id: 'a', name: 'a.png', contentType: 'image/png', bytes: 1 }];
    given(open).when(post(''), visitor).rejects('text-empty');
    given(open)
      .when({ type: 'PostMessage', data: { text: '', attachments } }, visitor)
      .then({ type: 'MessagePosted', data: { seq: 0, text: '', format: 'plain', attachments } });
  });
  it('takes a reply to a message it has, and to no other', () => {
    given(open, posted(visitor, 0))
      .when(post('yes', { replyTo: 0 }), agent)
      .then(message(1, 'yes', { replyTo: 0 }));
    given(open, posted(visitor, 0))
      .when(post('yes', { replyTo: 1 }), agent)
      .rejects('unknown-message');
  });
  it('takes the source of a message from an import alone', () => {
    given(open)
      .when(post('hi', { source: { id: 'l1', author: 'ann' } }), agent)
      .rejects('forbidden');
  });
});

describe('A message', () => {
  const history = [started(visitor, 'visitor'), posted(visitor, 0), posted(agent, 1)] as const;
  const both = given(...history);

  it('is edited by its author, to the same text too, for the state holds no texts', () => {
    both.when(edit(0, 'better'), visitor).then({ type: 'MessageEdited', data: { seq: 0, text: 'better' } });
    both.when(edit(1, 'message 1'), agent).then({ type: 'MessageEdited', data: { seq: 1, text: 'message 1' } });
  });
  it('is edited by nobody else, not by a supervisor either', () => {
    for (const by of [visitor, supervisor, as('agent', 'colleague')])
      both.when(edit(1, 'better'), by).rejects('not-the-author');
  });
  it('is not edited to nothing or to too much', () => {
    both.when(edit(0, ''), visitor).rejects('text-empty');
    both.when(edit(0, 'x'.repeat(10_001)), visitor).rejects('text-too-long');
  });
  it('is redacted by its author or a supervisor, and by nobody else', () => {
    both.when(redact(0, 'a slip'), visitor).then({ type: 'MessageRedacted', data: { seq: 0, reason: 'a slip' } });
    both.when(redact(0), supervisor).then({ type: 'MessageRedacted', data: { seq: 0 } });
    for (const by of [agent, as('service'), as('bot')]) both.when(redact(0), by).rejects('not-the-author');
  });
  it('that does not exist is neither edited nor redacted', () => {
    both.when(edit(2, 'x'), agent).rejects('unknown-message');
    both.when(redact(2), supervisor).rejects('unknown-message');
  });
  it('once redacted is neither edited nor redacted', () => {
    const after = given(...history, redacted(supervisor, 0));
    after.when(edit(0, 'x'), visitor).rejects('already-redacted');
    after.when(redact(0), visitor).rejects('already-redacted');
    after.when(redact(0), supervisor).rejects('already-redacted');
  });
});

describe('An import', () => {
  const ann = importing(as('visitor', 'ann'));
  const source = (id: string, replyTo?: string): ImportSource => ({ id, author: 'Ann', replyTo });

  it('starts a conversation for the visitor who wrote first, or for none', () => {
    given().when(start(), ann).then(started(ann, 'ann').event);
    given()
      .when(start(), importing(as('bot')))
      .then(started(as('bot')).event);
  });
  it('posts for visitors whom no conversation knows', () => {
    given(started(agent))
      .when(post('hi', { source: source('l1') }), ann)
      .then(message(0, 'hi', { source: source('l1') }));
  });
  it('posts empty texts as they were', () => {
    given(started(ann, 'ann'))
      .when(post('', { source: source('l1') }), ann)
      .then(message(0, '', { source: source('l1') }));
  });
  it('replies where the line it answers is of the same conversation, and keeps the words of the file anyway', () => {
    const history = [started(ann, 'ann'), posted(ann, 0), posted(ann, 1, { source: source('l1') })] as const;
    given(...history)
      .when(post('yes', { source: source('l2', 'l1') }), ann)
      .then(message(2, 'yes', { replyTo: 1, source: source('l2', 'l1') }));
    given(...history)
      .when(post('yes', { source: source('l2', 'elsewhere') }), ann)
      .then(message(2, 'yes', { source: source('l2', 'elsewhere') }));
  });
});
