import { describe, expect, it } from 'vitest';
import { Transcript } from '../../web/chat/transcript.ts';
import type { RoomEvent } from '../../web/protocol/frames.ts';

const event = (rev: number, type: string, data: Record<string, unknown>, commandId?: string): RoomEvent => ({
  rev,
  id: `e${rev}`,
  type,
  at: '2026-11-23T00:00:00.000Z',
  actor: { id: 'ann', role: 'visitor' },
  data,
  ...(commandId === undefined ? {} : { commandId }),
});
const posted = (rev: number, seq: number, text: string): RoomEvent => event(rev, 'MessagePosted', { seq, text });

describe('a transcript', () => {
  it('GW-5: folds posts, edits and redactions', () => {
    const transcript = new Transcript();
    transcript.append([
      event(0, 'ConversationStarted', { channel: 'web' }, 'start'),
      posted(1, 0, 'first'),
      posted(2, 1, 'second'),
      event(3, 'MessageEdited', { seq: 0, text: 'first, edited' }),
      event(4, 'MessageRedacted', { seq: 1 }),
    ]);
    expect(transcript.messages).toMatchObject([
      { seq: 0, rev: 1, text: 'first, edited', editedAtRev: 3 },
      { seq: 1, rev: 2, text: '', redactedAtRev: 4 },
    ]);
    expect(transcript.has('start')).toBe(true);
  });

  it('GW-5: applies an edit whose post came later, with an older page', () => {
    const transcript = new Transcript();
    transcript.append([event(5, 'MessageEdited', { seq: 0, text: 'new' }), posted(6, 3, 'last')]);
    expect(transcript.messages).toHaveLength(1);
    transcript.prepend([posted(1, 0, 'old'), posted(2, 1, 'b'), event(5, 'MessageEdited', { seq: 0, text: 'new' })]);
    expect(transcript.messages.map(({ seq, text }) => [seq, text])).toEqual([
      [0, 'new'],
      [1, 'b'],
      [3, 'last'],
    ]);
    expect(transcript.firstRev).toBe(1);
  });

  it('takes events it does not know for nothing', () => {
    const transcript = new Transcript();
    transcript.append([event(0, 'TagAdded', { tag: 'x', seq: 0 }), event(1, 'ReceiptRecorded', { seq: 0 })]);
    expect(transcript.messages).toEqual([]);
    expect(transcript.empty).toBe(false);
  });
});
