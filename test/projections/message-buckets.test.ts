import { describe, expect, it } from 'vitest';
import type { Attachment, ImportSource } from '../../src/domain/conversation/events.ts';
import { BUCKET_MESSAGES, bucketId } from '../../src/projections/messages/message-buckets.ts';
import type { MessageBucket } from '../../src/projections/messages/message-buckets.ts';
import { messagesProjection } from '../../src/projections/messages/projection.ts';
import { by, happened } from '../support/projected-events.ts';
import type { Happened } from '../support/projected-events.ts';
import { createProjectionSpecification } from '../support/projection-specification.ts';

const { given } = createProjectionSpecification<MessageBucket>(messagesProjection, 'message_buckets');
const FIRST = bucketId('acme', '1', 0);
const SECOND = bucketId('acme', '1', 1);

const ann = by('visitor', 'ann');
const bob = by('agent', 'bob');
const sue = by('supervisor', 'sue');
const started = happened('ConversationStarted', { channel: 'web', visitor: 'ann' }, ann);
const photo: Attachment = { id: 'f1', name: 'passport.png', contentType: 'image/png', bytes: 9 };

function posted(
  seq: number,
  text: string | null,
  more: { attachments?: Attachment[]; replyTo?: number; source?: ImportSource } = {},
  actor = ann,
): Happened {
  return happened('MessagePosted', { seq, text, format: 'plain', attachments: [], ...more }, actor);
}

const posts = (from: number, to: number): Happened[] =>
  Array.from({ length: to - from }, (_, i) => posted(from + i, `text ${from + i}`));

describe('A conversation that was just started', () => {
  it('has one bucket, empty, that begins and ends with the start', () => {
    const at = '2026-03-01T10:00:00.000Z';
    given()
      .when(started)
      .then(FIRST, {
        ...{ tenant: 'acme', conversation: '1', bucket: 0, firstSeq: 0, count: 0, messages: [], position: 0 },
        ...{ firstAt: at, lastAt: at, firstRev: 0, lastRev: 0 },
      });
  });

  it('names its visitor as the one whose texts they are', () => {
    given()
      .when(started)
      .then(FIRST, { subjects: ['ann'] });
  });

  it('names itself where it has no visitor', () => {
    given()
      .when(happened('ConversationStarted', { channel: 'web' }))
      .then(FIRST, { subjects: ['1'] });
  });
});

describe('A post', () => {
  it('stands in its bucket as it was said', () => {
    given(started, posted(0, 'hello'))
      .when(posted(1, 'yes?', { replyTo: 0, attachments: [photo] }, bob))
      .then(FIRST, {
        messages: [
          { seq: 0, text: 'hello' },
          {
            ...{ seq: 1, rev: 2, id: 'event-2', at: '2026-03-01T10:02:00.000Z', actor: { id: 'bob', role: 'agent' } },
            ...{ commandId: 'command-2', text: 'yes?', format: 'plain', replyTo: 0, attachments: [photo] },
          },
        ],
      });
  });

  it('has no fields for what was not said with it', () => {
    const [message] = given(started).when(posted(0, 'hello')).document(FIRST).messages;
    const fields = ['seq', 'rev', 'id', 'at', 'actor', 'text', 'format', 'attachments', 'commandId'];
    expect(Object.keys(message ?? {})).toEqual(fields);
  });

  it('is the first and the last of its bucket, not the start', () => {
    const at = '2026-03-01T10:01:00.000Z';
    given(started).when(posted(0, 'hello')).then(FIRST, { count: 1, firstAt: at, lastAt: at, firstRev: 1, lastRev: 1 });
  });

  it('moves the last of its bucket, and leaves the first', () => {
    given(started, posted(0, 'hello'))
      .when(posted(1, 'again'))
      .then(FIRST, {
        ...{ count: 2, firstAt: '2026-03-01T10:01:00.000Z', lastAt: '2026-03-01T10:02:00.000Z' },
        ...{ firstRev: 1, lastRev: 2 },
      });
  });

  it('from an import brings the words of its file, and names their author', () => {
    const source = { id: 'line-7', author: 'Anna B.', replyTo: 'line-6' };
    given(started)
      .when(posted(0, 'hi', { source }, bob))
      .then(FIRST, { subjects: ['ann', 'bob'], messages: [{ seq: 0, source }] });
  });

  it('is the last of a full bucket, and the next one begins another', () => {
    const { ids, then } = given(started, ...posts(0, BUCKET_MESSAGES)).when(posted(BUCKET_MESSAGES, 'one more'));
    expect(ids()).toEqual([FIRST, SECOND]);
    then(FIRST, { count: 100, lastRev: 100 });
    then(SECOND, { bucket: 1, firstSeq: 100, count: 1, firstRev: 101, lastRev: 101, subjects: [] });
  });
});

describe('An edit', () => {
  const edit = happened('MessageEdited', { seq: 1, text: 'better' }, bob);

  it('replaces the text, and says when, by whom and at which revision', () => {
    const { document } = given(started, ...posts(0, 3)).when(edit);
    const messages = document(FIRST).messages;
    expect(messages.map(({ text }) => text)).toEqual(['text 0', 'better', 'text 2']);
    expect(messages[1]).toMatchObject({
      ...{ rev: 2, at: '2026-03-01T10:02:00.000Z' },
      edited: { rev: 4, at: '2026-03-01T10:04:00.000Z', by: { id: 'bob', role: 'agent' } },
    });
  });

  it('moves nothing else of the bucket than the position', () => {
    const before = given(started)
      .when(...posts(0, 3))
      .document(FIRST);
    const after = given(started, ...posts(0, 3))
      .when(edit)
      .document(FIRST);
    expect({ ...after, position: 0, messages: [] }).toEqual({ ...before, position: 0, messages: [] });
    expect([before.position, after.position]).toEqual([30, 40]);
  });

  it('reaches its message in a bucket that was full long ago', () => {
    const { then, document } = given(started, ...posts(0, 120)).when(edit);
    then(FIRST, { position: 1210 });
    expect(document(SECOND).position).toBe(1200);
  });

  it('of a message that is not there changes nothing', () => {
    given(started)
      .when(happened('MessageEdited', { seq: 3, text: 'x' }))
      .thenNothing();
    given(started)
      .when(happened('MessageEdited', { seq: 300, text: 'x' }))
      .thenNothing();
  });

  it('of an erased text reads null, as the text does', () => {
    given(started, posted(0, null))
      .when(happened('MessageEdited', { seq: 0, text: null }, ann))
      .then(FIRST, { messages: [{ seq: 0, text: null }] });
  });
});

describe('A redaction', () => {
  const source = { id: 'line-7', author: 'Anna B.' };
  const said = posted(0, 'my passport', { attachments: [photo], source });

  it('takes the text, the names of attachments and the author out of the file', () => {
    const { document } = given(started, said, happened('MessageEdited', { seq: 0, text: 'my old passport' }, ann)).when(
      happened('MessageRedacted', { seq: 0, reason: 'private' }, sue),
    );
    const bucket = document(FIRST);
    expect(bucket.messages).toMatchObject([
      {
        ...{ seq: 0, text: null, attachments: [{ ...photo, name: null }], source: { id: 'line-7', author: null } },
        redacted: { rev: 3, at: '2026-03-01T10:03:00.000Z', by: { id: 'sue', role: 'supervisor' }, reason: 'private' },
      },
    ]);
    expect(JSON.stringify(bucket)).not.toMatch(/passport|Anna/);
  });

  it('without a reason has none', () => {
    const [message] = given(started, said)
      .when(happened('MessageRedacted', { seq: 0 }, ann))
      .document(FIRST).messages;
    expect(Object.keys(message?.redacted ?? {})).toEqual(['rev', 'at', 'by']);
  });

  it('is for good: what would come after it changes nothing', () => {
    given(started, said, happened('MessageRedacted', { seq: 0 }, ann))
      .when(happened('MessageEdited', { seq: 0, text: 'my passport' }, ann))
      .thenNothing();
  });

  it('leaves the message counted', () => {
    given(started, said)
      .when(happened('MessageRedacted', { seq: 0 }, ann))
      .then(FIRST, { count: 1, lastRev: 1 });
  });
});

describe('Whatever else happens', () => {
  it('touches no bucket', () => {
    given(started, posted(0, 'hello'))
      .when(
        happened('TagAdded', { tag: 'vip' }),
        happened('NoteAdded', { seq: 0, text: 'note' }, bob),
        happened('ReceiptRecorded', { reader: 'bob', kind: 'read', seq: 0 }, bob),
        happened('ConversationClosed', { from: 'resolved', since: '2026-03-01T10:00:00.000Z' }),
      )
      .thenNothing();
  });
});
