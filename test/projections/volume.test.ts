import { describe, expect, it } from 'vitest';
import { conversationsProjection } from '../../src/projections/conversations/projection.ts';
import type { VolumeDocument } from '../../src/projections/conversations/volume.ts';
import { volumeId } from '../../src/projections/conversations/volume.ts';
import type { VolumeDimension } from '../../src/projections/conversations/volume-facts.ts';
import { by, happened } from '../support/projected-events.ts';
import type { Happened } from '../support/projected-events.ts';
import { createProjectionSpecification } from '../support/projection-specification.ts';
import { columnsOf, quartersOf } from '../support/volume-columns.ts';

const { given } = createProjectionSpecification<VolumeDocument>(conversationsProjection, 'volume');
const idOf = (dimension: VolumeDimension, value = '', day = '2026-03-01') => volumeId('acme', dimension, value, day);

const BEGIN = '2026-03-01T10:00:00.000Z';
const ann = by('visitor', 'ann');
const bob = by('agent', 'bob');
const started = happened('ConversationStarted', { channel: 'web', visitor: 'ann' }, ann);
const post = (seq: number, actor = ann, at?: string): Happened =>
  happened('MessagePosted', { seq, text: 'hello', format: 'plain', attachments: [] }, actor, at);
const queued = (queue: string) => happened('ConversationQueued', { queue, from: { kind: 'none' }, since: BEGIN });
const tag = (name: string) => happened('TagAdded', { tag: name }, bob);

describe('A message', () => {
  it('is counted in the quarter hour in which it was posted, in UTC', () => {
    const at = (time: string, seq: number) => post(seq, ann, `2026-03-01T${time}Z`);
    const { then } = given(started).when(
      ...[at('10:14:59.999', 0), at('10:15:00.000', 1), at('10:29:59.999', 2), at('23:59:59.999', 3)],
      post(4, ann, '2026-03-02T00:00:00.000Z'),
    );
    then(idOf('all'), {
      ...{ tenant: 'acme', dimension: 'all', value: '', day: '2026-03-01' },
      ...columnsOf({
        40: { started: 1, messages: 1, visitorMessages: 1 },
        41: { messages: 2, visitorMessages: 2 },
        95: { messages: 1, visitorMessages: 1 },
      }),
    });
    then(idOf('all', '', '2026-03-02'), columnsOf({ 0: { messages: 1, visitorMessages: 1 } }));
  });

  it('is counted once for all, and once for who wrote it', () => {
    const { document } = given().when(
      ...[started, post(0), post(1, bob), post(2, by('supervisor')), post(3, by('bot')), post(4, by('service'))],
    );
    expect(quartersOf(document(idOf('all')))).toEqual({
      40: { started: 1, messages: 5, visitorMessages: 1, staffMessages: 2, botMessages: 1, serviceMessages: 1 },
    });
  });

  it('is counted under the channel', () => {
    given(started)
      .when(post(0))
      .then(idOf('channel', 'web'), columnsOf({ 40: { messages: 1, started: 1 } }));
  });

  it('is counted under each tag that its conversation had when it was posted, and under no later one', () => {
    const { then, document } = given(started, tag('late'), tag('vip')).when(
      ...[post(0), happened('TagRemoved', { tag: 'vip' }), post(1), tag('odd')],
    );
    then(idOf('tag', 'late'), columnsOf({ 40: { messages: 2 } }));
    then(idOf('tag', 'odd'), undefined);
    expect(quartersOf(document(idOf('tag', 'vip')))).toEqual({ 40: { messages: 1, visitorMessages: 1 } });
  });

  it('is counted under the queue that its conversation waits in, or waited in last', () => {
    const assigned = happened('ConversationAssigned', {
      ...{ agent: 'bob', reservation: 'r', why: 'x', from: { kind: 'queued', queue: 'sales' }, since: BEGIN },
    });
    const { then, ids } = given(started, post(0), queued('sales'), post(1), assigned).when(
      ...[post(2), queued('billing'), post(3)],
    );
    then(idOf('queue', 'sales'), columnsOf({ 40: { messages: 2 } }));
    then(idOf('queue', 'billing'), columnsOf({ 40: { messages: 1 } }));
    expect(ids()).not.toContain(idOf('queue'));
  });

  it('of staff is counted under its author; of nobody else', () => {
    const { ids, then } = given(started).when(post(0), post(1, bob), post(2, by('bot')));
    expect(ids().filter(id => id.startsWith('acme/agent/'))).toEqual([idOf('agent', 'bob')]);
    then(idOf('agent', 'bob'), columnsOf({ 40: { messages: 1, staffMessages: 1 } }));
  });

  it('edited or redacted is no other message', () => {
    given(started, post(0))
      .when(happened('MessageEdited', { seq: 0, text: 'x' }, ann), happened('MessageRedacted', { seq: 0 }, ann))
      .thenNothing();
  });
});

describe('A conversation', () => {
  it('is counted when it is started, resolved, reopened and closed', () => {
    const from = { since: BEGIN };
    const { document } = given(started, tag('vip'), queued('sales')).when(
      happened('ConversationResolved', { resolution: 0, from: 'open', ...from }, bob),
      happened('ConversationReopened', { from: 'resolved', ...from }, bob),
      happened('ConversationResolved', { resolution: 1, from: 'open', ...from }, bob),
      happened('ConversationClosed', { from: 'resolved', ...from }),
    );
    const ended = { resolved: 2, reopened: 1, closed: 1 };
    expect(quartersOf(document(idOf('all')))).toEqual({ 40: { started: 1, ...ended } });
    expect(quartersOf(document(idOf('channel', 'web')))).toEqual({ 40: { started: 1, ...ended } });
    expect(quartersOf(document(idOf('tag', 'vip')))).toEqual({ 40: ended });
    expect(quartersOf(document(idOf('queue', 'sales')))).toEqual({ 40: ended });
  });

  it('is counted under no agent, whoever resolves it', () => {
    const resolved = happened('ConversationResolved', { resolution: 0, from: 'open', since: BEGIN }, bob);
    expect(given(started).when(resolved).ids()).toEqual([idOf('all'), idOf('channel', 'web')]);
  });

  it('that nobody started is not counted', () => {
    expect(given().when(post(0)).ids()).toEqual([]);
  });
});

describe('Days', () => {
  it('before 1970 have their quarter hours from 0 to 95, too', () => {
    const at = '1969-12-31T23:45:00.000Z';
    const start = happened('ConversationStarted', { channel: 'web' }, ann, at);
    given()
      .when(start)
      .then(idOf('all', '', '1969-12-31'), columnsOf({ 95: { started: 1 } }));
  });

  it('of values that hold a slash, or anything else, have ids of their own', () => {
    const { ids } = given(started, tag('a/b')).when(post(0, by('agent', 'auth0|5/ü')));
    expect(ids()).toContain('acme/tag/a%2Fb/2026-03-01');
    expect(ids()).toContain('acme/agent/auth0%7C5%2F%C3%BC/2026-03-01');
  });
});
