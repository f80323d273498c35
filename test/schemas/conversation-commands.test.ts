import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { RequestError } from '../../src/errors.ts';
import { parseConversationCommand } from '../../src/schemas/conversation-commands.ts';
import { personal, personalFields } from '../../src/schemas/personal.ts';

function refusal(type: string, data: unknown): unknown {
  try {
    parseConversationCommand(type, data);
    return undefined;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return `${error.code} ${error.path ?? ''}`;
  }
}

describe('A command from a wire', () => {
  it('is taken without what it does not know, and without defaults', () => {
    const data = { text: 'hi', colour: 'red', source: { id: 'x', author: 'y' } };
    expect(parseConversationCommand('PostMessage', data)).toEqual({ type: 'PostMessage', data: { text: 'hi' } });
  });
  it('is refused with the path of what is wrong', () => {
    expect(refusal('DropTable', {})).toBe('bad-request command');
    expect(refusal('constructor', {})).toBe('bad-request command');
    expect(refusal('PostMessage', undefined)).toBe('bad-request data');
    expect(refusal('PostMessage', [])).toBe('bad-request data');
    expect(refusal('PostMessage', { text: 7 })).toBe('bad-request data.text');
    expect(refusal('PostMessage', { text: 'half a pair: \ud83d' })).toBe('bad-request data.text');
    expect(refusal('PostMessage', { text: '', attachments: [{ id: 'a' }] })).toBe(
      'bad-request data.attachments.0.name',
    );
    expect(refusal('EditMessage', { seq: -1, text: 'x' })).toBe('bad-request data.seq');
    expect(refusal('EditMessage', { seq: 1.5, text: 'x' })).toBe('bad-request data.seq');
    expect(refusal('EditMessage', { seq: 2 ** 53, text: 'x' })).toBe('bad-request data.seq');
    expect(refusal('StartConversation', { channel: 'web', visitor: '' })).toBe('bad-request data.visitor');
    expect(refusal('StartConversation', { channel: 'web', attributes: { a: 1 } })).toBe(
      'bad-request data.attributes.a',
    );
  });
  it('leaves the length of a text to the rule that has a code for it', () => {
    expect(refusal('PostMessage', { text: 'x'.repeat(20_000) })).toBeUndefined();
  });
});

describe('A personal field', () => {
  it('is found where it was marked, and not where its schema is used otherwise', () => {
    const name = z.string();
    const schema = z.object({
      open: name,
      owner: personal(name, { subject: 'author' }).optional(),
      lines: z.array(z.object({ text: personal(name, { subject: 'visitor' }) })).readonly(),
      tags: z.record(z.string(), personal(name, { subject: 'visitor' })).optional(),
    });
    expect(personalFields(schema)).toEqual([
      { path: ['owner'], subject: 'author' },
      { path: ['lines', '*', 'text'], subject: 'visitor' },
      { path: ['tags', '*'], subject: 'visitor' },
    ]);
  });
});

const post = (contentType: string) =>
  parseConversationCommand('PostMessage', {
    text: '',
    attachments: [{ id: 'a', name: 'a.png', contentType, bytes: 1 }],
  });

// It is stored unsealed, because it is no text of anybody.
describe('the media type of an attachment', () => {
  it.each([
    'image/png',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'image/svg+xml',
    'text/plain;charset=utf-8',
    'text/plain; charset=UTF-8',
    'audio/webm;codecs=opus',
  ])('may be %s', contentType => {
    expect(post(contentType)).toMatchObject({ data: { attachments: [{ contentType }] } });
  });

  it.each([
    'Ann Smith, 12 High Street',
    'text/plain; name="Ann Smith.txt"',
    'image/',
    '',
    '\ud800/x',
    `a/${'x'.repeat(126)}`,
    'image/png\n',
  ])('is not %j', contentType => {
    expect(() => post(contentType)).toThrow(/contentType/);
  });
});
