import { describe, expect, it } from 'vitest';
import { milestoneWords } from '../../web/chat/milestones.ts';
import { NOTHING_YET, awaitsRating, evolve, reachOf } from '../../web/chat/room-state.ts';
import type { RoomState } from '../../web/chat/room-state.ts';
import type { RoomEvent } from '../../web/protocol/frames.ts';

const event = (type: string, data: Record<string, unknown> = {}): RoomEvent => ({
  rev: 0,
  id: 'e',
  type,
  at: '2026-11-23T00:00:00.000Z',
  actor: { id: 'page-agent', role: 'agent' },
  data,
});
const folded = (...events: RoomEvent[]): RoomState => events.reduce(evolve, NOTHING_YET);
const resolved = (resolution: number): RoomEvent => event('ConversationResolved', { resolution });
const receipt = (reader: string, kind: string, seq: number): RoomEvent =>
  event('ReceiptRecorded', { reader, kind, seq });

describe('what a conversation has come to', () => {
  it('follows its status', () => {
    expect(folded().status).toBe('open');
    expect(folded(event('ConversationSnoozed')).status).toBe('snoozed');
    expect(folded(event('ConversationSnoozed'), event('ConversationUnsnoozed')).status).toBe('open');
    expect(folded(resolved(0)).status).toBe('resolved');
    expect(folded(resolved(0), event('ConversationReopened')).status).toBe('open');
    expect(folded(resolved(0), event('ConversationClosed')).status).toBe('closed');
  });

  it('waits for one rating of each resolution, while it stands', () => {
    const rated = event('ConversationRated', { resolution: 0, score: 4 });
    expect(awaitsRating(folded())).toBe(false);
    expect(awaitsRating(folded(resolved(0)))).toBe(true);
    expect(awaitsRating(folded(resolved(0), rated))).toBe(false);
    expect(awaitsRating(folded(resolved(0), rated, event('ConversationReopened'), resolved(1)))).toBe(true);
    expect(awaitsRating(folded(resolved(0), event('ConversationReopened')))).toBe(false);
  });

  it('keeps each tag once, and the priority', () => {
    const [a, b] = [event('TagAdded', { tag: 'a' }), event('TagAdded', { tag: 'b' })];
    expect(folded(a, b, a).tags).toEqual(['b', 'a']);
    expect(folded(a, b, event('TagRemoved', { tag: 'a' })).tags).toEqual(['b']);
    expect(folded(event('PrioritySet', { priority: 'high', from: 'normal' })).priority).toBe('high');
  });

  it('GW-5: knows how far a message has come with others, never with its own author', () => {
    const state = folded(receipt('bob', 'delivered', 3), receipt('bob', 'read', 1), receipt('ann', 'read', 9));
    expect([0, 1, 2, 3, 4].map(seq => reachOf(state, seq, 'ann'))).toEqual([
      'read',
      'read',
      'delivered',
      'delivered',
      undefined,
    ]);
    expect(reachOf(folded(receipt('bob', 'read', 5), receipt('bob', 'read', 2)), 5, 'ann')).toBe('read');
    expect(reachOf(folded(receipt('__proto__', 'read', 5)), 5, 'ann')).toBe('read');
    expect(reachOf(folded(receipt('bob', 'heard', 5)), 5, 'ann')).toBeUndefined();
  });
});

describe('a line between messages', () => {
  it('says no more than its view of the event', () => {
    expect(milestoneWords(event('ConversationQueued', { queue: 'billing' }))).toBe('Queued in billing');
    expect(milestoneWords(event('ConversationQueued'))).toBe('Waiting for an agent');
    expect(milestoneWords(event('ConversationAssigned', { agent: 'page-agent' }))).toBe('Assigned to Bob');
    expect(milestoneWords(event('ConversationRated', { score: 5, comment: null }))).toBe(
      'Bob rated it 5 of 5, in words since erased',
    );
    expect(milestoneWords(event('ConversationRated', { score: 5 }))).toBe('Bob rated it 5 of 5');
  });
});
