import { describe, expect, it } from 'vitest';
import { access } from '../../src/domain/conversation/access.ts';
import { view, viewOf } from '../../src/domain/conversation/view.ts';
import type { View } from '../../src/domain/conversation/view.ts';
import type { ConversationEvent } from '../../src/domain/conversation/events.ts';
import type { Role } from '../../src/domain/decider.ts';

const ROOM = 'conversation:42';
const notStarted = { status: 'not-started', visitor: undefined, visitorRemoved: false } as const;
const started = (visitor?: string) => ({ status: 'open', visitor, visitorRemoved: false }) as const;
const claims = (role: Role, rooms: string[] = []) => ({ sub: 'me', role, rooms });
const none = { see: false, send: false };
const full = { see: true, send: true };

describe('GW-2: access to a conversation', () => {
  it('a visitor sees a room without a start only where its claim names it', () => {
    expect(access(claims('visitor', [ROOM]), notStarted, ROOM)).toEqual(full);
    expect(access(claims('visitor', ['conversation:4']), notStarted, ROOM)).toEqual(none);
  });
  it('a visitor sees a started conversation only as its visitor, whatever its claim names', () => {
    expect(access(claims('visitor'), started('me'), ROOM)).toEqual(full);
    expect(access(claims('visitor', [ROOM]), started('another'), ROOM)).toEqual(none);
    expect(access(claims('visitor', [ROOM]), started(), ROOM)).toEqual(none);
  });
  it('staff, bots and services see and send everywhere, an auditor only sees', () => {
    for (const state of [notStarted, started('another')]) {
      for (const role of ['agent', 'supervisor', 'bot', 'service'] as const)
        expect(access(claims(role), state, ROOM)).toEqual(full);
      expect(access(claims('auditor'), state, ROOM)).toEqual({ see: true, send: false });
    }
  });
});

describe('The view of an event', () => {
  const recorded = (event: ConversationEvent) => ({
    event,
    id: 'e1',
    stream: 'conversation-acme.42',
    revision: 7n,
    position: 70n,
    at: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    actor: { id: 'a1', role: 'agent' as const },
    origin: 'import' as const,
    commandId: 'c1',
    commandDigest: 'secret',
  });
  const dataOf = (event: ConversationEvent, shown: View) => view(recorded(event), shown)?.data;

  it('is the visitor view for visitors alone', () => {
    expect(viewOf('visitor')).toBe('visitor');
    for (const role of ['agent', 'supervisor', 'auditor', 'bot', 'service'] as const)
      expect(viewOf(role)).toBe('staff');
  });
  it('has the wire form, and neither digest nor position nor origin', () => {
    const wire = view(recorded({ type: 'MessageEdited', data: { seq: 1, text: 'x' } }), 'visitor');
    expect(JSON.parse(JSON.stringify(wire))).toEqual({
      rev: 7,
      id: 'e1',
      type: 'MessageEdited',
      at: '2026-01-02T03:04:05.006Z',
      actor: { id: 'a1', role: 'agent' },
      commandId: 'c1',
      data: { seq: 1, text: 'x' },
    });
  });
  it('shows attributes, sources and reasons to staff alone', () => {
    const start = { channel: 'web', visitor: 'v', topic: 't', attributes: { plan: 'free' } };
    expect(dataOf({ type: 'ConversationStarted', data: start }, 'staff')).toEqual(start);
    expect(dataOf({ type: 'ConversationStarted', data: start }, 'visitor')).toEqual({
      channel: 'web',
      visitor: 'v',
      topic: 't',
    });
    const message = { seq: 0, text: 'hi', format: 'plain', attachments: [], replyTo: 3 } as const;
    const posted = { ...message, source: { id: 'l1', author: 'Ann' } };
    expect(dataOf({ type: 'MessagePosted', data: posted }, 'staff')).toEqual(posted);
    expect(dataOf({ type: 'MessagePosted', data: posted }, 'visitor')).toEqual(message);
    expect(dataOf({ type: 'MessageRedacted', data: { seq: 0, reason: 'r' } }, 'staff')).toEqual({
      seq: 0,
      reason: 'r',
    });
    expect(dataOf({ type: 'MessageRedacted', data: { seq: 0, reason: 'r' } }, 'visitor')).toEqual({ seq: 0 });
  });
  it('shows neither fields nor events that it does not name', () => {
    const newer = { type: 'SomethingNewer', data: { seq: 0, text: 'between us' } } as unknown as ConversationEvent;
    expect(view(recorded(newer), 'visitor')).toBeUndefined();
    expect(view(recorded(newer), 'staff')).toBeUndefined();
    const grown = { type: 'MessageEdited', data: { seq: 0, text: 'x', secret: 's' } } as ConversationEvent;
    expect(dataOf(grown, 'visitor')).toEqual({ seq: 0, text: 'x' });
  });
});
