import { describe, expect, it } from 'vitest';
import { parseClientFrame } from '../../src/gateway/client-frames.ts';
import { serverFrameSchema } from '../../src/gateway/server-frames.ts';
import { parseServerFrame } from '../../web/protocol/frames.ts';
import type { ClientFrame } from '../../web/protocol/frames.ts';

const room = 'conversation:42';
const event = {
  rev: 3,
  id: 'e3',
  type: 'MessagePosted',
  at: '2026-11-23T00:00:00.000Z',
  actor: { id: 'ann', role: 'visitor' },
  commandId: 'c',
  data: { seq: 2, text: 'hello' },
};
const fault = { code: 'rate-limited', message: 'later', retryable: true, retryAfterMs: 5 };

/** One of each, as the gateway's own schema has it. */
const SERVER_FRAMES: readonly object[] = [
  {
    op: 'hello',
    session: 's',
    user: 'ann',
    role: 'visitor',
    log: 'l',
    heartbeatMs: 25_000,
    limits: { frameBytes: 1, rooms: 1, sendsPerSecond: 1, queueBytes: 1 },
  },
  { op: 'refreshed', expiresAt: '2026-11-23T00:00:00.000Z' },
  { op: 'subscribed', room, log: 'l', head: -1, after: -1 },
  { op: 'events', room, after: 2, upTo: 3, events: [event] },
  { op: 'caught-up', room, upTo: 3 },
  { op: 'reset', room, reason: 'truncated', from: 2, head: 3, log: 'l' },
  { op: 'unsubscribed', room, code: 'forbidden' },
  { op: 'history-page', room, from: 3, before: 4, events: [event], more: true },
  { op: 'ack', id: 'c', room, first: null, last: 3, position: '9', duplicate: false },
  { op: 'nack', id: 'c', room, reason: 'not-started', ...fault },
  { op: 'error', room, ...fault },
  { op: 'typing', room, user: 'bob', role: 'agent', on: true },
  { op: 'drain', reconnectAfterMs: 5 },
];

const CLIENT_FRAMES: readonly ClientFrame[] = [
  { op: 'subscribe', room },
  { op: 'subscribe', room, after: 17, log: 'l' },
  { op: 'subscribe', room, tail: 40 },
  { op: 'unsubscribe', room },
  { op: 'send', id: 'c', room, command: 'PostMessage', data: { text: 'hello' } },
  { op: 'typing', room, on: true },
  { op: 'read', room, seq: 3, ref: 'receipt' },
  { op: 'delivered', room, seq: 3 },
  { op: 'history', room, before: 5, limit: 40 },
  { op: 'refresh', token: 't' },
];

describe('the frames of the page and those of the gateway', () => {
  it('cover every kind the gateway can say', () => {
    const kinds = serverFrameSchema.options.map(({ shape }) => shape.op.value);
    expect(SERVER_FRAMES.map(frame => (frame as { op: string }).op).sort()).toEqual([...kinds].sort());
  });

  it.each(SERVER_FRAMES)('agree on what the gateway says: $op', frame => {
    expect(serverFrameSchema.parse(frame)).toEqual(frame);
    expect(parseServerFrame(JSON.stringify(frame))).toEqual(frame);
  });

  it.each(CLIENT_FRAMES)('agree on what the page says: $op', frame => {
    expect(parseClientFrame(JSON.stringify(frame))).toMatchObject({ kind: 'frame', frame: { op: frame.op } });
  });
});
