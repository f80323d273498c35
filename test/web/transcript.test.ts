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

  it('GW-5: keeps the place of words that were erased, and of edits of them', () => {
    const transcript = new Transcript();
    transcript.append([
      event(0, 'MessagePosted', { seq: 0, text: null, source: { id: 'a', author: null } }),
      event(1, 'MessagePosted', { seq: 1, text: 'kept', source: { id: 'b', author: 'Ben' } }),
      event(2, 'MessageEdited', { seq: 0, text: null }),
      event(3, 'NoteAdded', { seq: 0, text: null }),
      posted(4, 2, ''),
    ]);
    expect(transcript.entries).toMatchObject([
      { kind: 'message', rev: 0, text: null, importedName: null, editedAtRev: 2 },
      { kind: 'message', rev: 1, text: 'kept', importedName: 'Ben' },
      { kind: 'note', rev: 3, text: null },
      { kind: 'message', rev: 4, text: '', importedName: undefined },
    ]);
  });

  it('puts notes and milestones where they happened, older pages before them', () => {
    const transcript = new Transcript();
    const later = [
      event(3, 'ConversationResolved', { resolution: 0 }),
      event(4, 'NoteAdded', { seq: 0, text: 'psst' }),
    ];
    transcript.append(later);
    transcript.prepend([posted(1, 0, 'first'), event(2, 'TagAdded', { tag: 'x' }), ...later]);
    expect(transcript.entries.map(({ kind, rev }) => [kind, rev])).toEqual([
      ['message', 1],
      ['milestone', 3],
      ['note', 4],
    ]);
    expect(transcript.state).toMatchObject({ status: 'resolved', tags: ['x'] });
  });
});
