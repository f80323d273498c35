/**
 * What each frame is for, in words, with examples: the AsyncAPI document and the reference in docs/protocol.md are made
 * of these and of the schemas. A frame without an entry does not compile; every example is checked against its schema.
 */
import type { ClientFrame } from './client-frames.ts';
import type { ServerFrame } from './server-frames.ts';

type ServerOp = ServerFrame['op'];

export interface FrameDocument<Frame extends { readonly op: string } = { readonly op: string }> {
  /** One line. */
  readonly summary: string;
  readonly description: string;
  /** Ids of the rules that it is part of. */
  readonly rules: readonly string[];
  readonly examples: readonly ({ readonly op: Frame['op'] } & Readonly<Record<string, unknown>>)[];
}

interface ClientFrameDocument extends FrameDocument {
  /** What answers it; `error` may, too, but to a `send`. */
  readonly answers: readonly ServerOp[];
}

const room = 'conversation:42';
const log = '0199a1c2-7d4e-7b60-9f3a-5d2c8e1f4a6b';
const token = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ2ZXJhIn0.c2lnbmF0dXJl';
const commandId = '6f1c2b0e-6f0f-4c53-9a0b-0f6f6d6a9f51';
const posted = {
  ...{ rev: 18, id: '5b7d2c1a-93f4-5e0b-8a61-2f4c9d7e1b30', type: 'MessagePosted', at: '2026-03-01T12:00:00.000Z' },
  ...{ actor: { id: 'vera', role: 'visitor' }, commandId },
  data: { seq: 9, text: 'Hello! Where is my parcel?', format: 'plain', attachments: [] },
};

export const CLIENT_FRAME_DOCUMENTS: { readonly [Op in ClientFrame['op']]: ClientFrameDocument } = {
  auth: {
    summary: 'Say who you are',
    description: 'The first frame, within 10 s, where the upgrade carried no token in a header or a subprotocol.',
    rules: ['GW-1'],
    answers: ['hello'],
    examples: [{ op: 'auth', token }],
  },
  refresh: {
    summary: 'Replace the token without reconnecting',
    description: 'Same `sub`, `tenant` and `role`; access is asked again under the new claims.',
    rules: ['GW-2'],
    answers: ['refreshed'],
    examples: [{ op: 'refresh', token, ref: 'r1' }],
  },
  subscribe: {
    summary: 'Follow a room, from any revision',
    description:
      'One of `after`, `tail` and `live`, or none: from the first revision. Pass `log` with a cursor you kept.',
    rules: ['GW-1', 'GW-2', 'GW-3', 'GW-4', 'GW-11'],
    answers: ['subscribed', 'reset'],
    examples: [
      { op: 'subscribe', room, after: 17, log },
      { op: 'subscribe', room, tail: 50, ref: 's1' },
      { op: 'subscribe', room, live: true },
    ],
  },
  unsubscribe: {
    summary: 'Follow a room no longer',
    description: 'What is on its way may still come before the answer.',
    rules: [],
    answers: ['unsubscribed'],
    examples: [{ op: 'unsubscribe', room }],
  },
  history: {
    summary: 'Ask for older events, to scroll up',
    description: 'Never moves a cursor, and needs no subscription.',
    rules: ['GW-1', 'GW-2'],
    answers: ['history-page'],
    examples: [
      { op: 'history', room, limit: 50 },
      { op: 'history', room, before: 4, limit: 50, ref: 'h1' },
    ],
  },
  send: {
    summary: 'Do something in a room',
    description:
      'A command of the conversation. Send it again under the same `id` until it is answered: it happens once. A `send` ' +
      'is answered `ack` or `nack` alone, never `error`, unless its `id` cannot be read.',
    rules: ['GW-2', 'GW-7', 'GW-8'],
    answers: ['ack', 'nack'],
    examples: [
      { op: 'send', id: commandId, room, command: 'PostMessage', data: { text: 'Hello! Where is my parcel?' } },
      { op: 'send', id: 'start-1', command: 'StartConversation', data: { channel: 'web' } },
      { op: 'send', id: 'resolve-1', room, command: 'ResolveConversation', data: {}, expectedRevision: 18 },
    ],
  },
  typing: {
    summary: 'Tell the others that you type',
    description: 'Passed on to those in the room while it is; never stored. You must be subscribed and may send.',
    rules: ['GW-6'],
    answers: [],
    examples: [{ op: 'typing', room, on: true }],
  },
  read: {
    summary: 'You have read up to a message',
    description: 'Never acked: what comes of it is the event `ReceiptRecorded`, at most one a second.',
    rules: ['GW-5'],
    answers: [],
    examples: [{ op: 'read', room, seq: 9 }],
  },
  delivered: {
    summary: 'You were given up to a message',
    description: 'As `read`.',
    rules: ['GW-5'],
    answers: [],
    examples: [{ op: 'delivered', room, seq: 9 }],
  },
};

export const SERVER_FRAME_DOCUMENTS: { readonly [Op in ServerOp]: FrameDocument } = {
  hello: {
    summary: 'You are in',
    description: 'The first frame after authentication, and the time to subscribe.',
    rules: ['GW-9'],
    examples: [
      {
        ...{ op: 'hello', session: '0199a1c2-8000-7000-8000-000000000001', user: 'vera', role: 'visitor', log },
        heartbeatMs: 25_000,
        limits: { frameBytes: 65_536, rooms: 200, sendsPerSecond: 50, queueBytes: 1_048_576 },
      },
    ],
  },
  refreshed: {
    summary: 'The new token is taken',
    description: 'Refresh again before `expiresAt`, or the connection closes with 4005.',
    rules: [],
    examples: [{ op: 'refreshed', ref: 'r1', expiresAt: '2026-03-01T13:00:00.000Z' }],
  },
  subscribed: {
    summary: 'The subscription has begun',
    description: 'Where you gave a cursor, `after` is it. Events follow.',
    rules: ['GW-3'],
    examples: [
      { op: 'subscribed', room, log, head: 18, after: 17 },
      { op: 'subscribed', room: 'conversation:not-started', log, head: -1, after: -1 },
    ],
  },
  events: {
    summary: 'What happened in a room',
    description:
      'Covers the revisions above `after` up to and with `upTo`. Frames of a room tile: the `after` of each is the `upTo` ' +
      'of the last. Backlog and live have this one shape, and the backlog comes strictly first. At most 64 KB, unless one ' +
      'event is larger.',
    rules: ['GW-3', 'GW-5', 'GW-8', 'GW-9', 'GW-10'],
    examples: [
      { op: 'events', room, after: 17, upTo: 18, events: [posted] },
      { op: 'events', room, after: 18, upTo: 20, events: [] },
    ],
  },
  'caught-up': {
    summary: 'You have everything there is',
    description: 'Once after `subscribed`, and again after every time you fell behind.',
    rules: ['GW-3', 'GW-9'],
    examples: [{ op: 'caught-up', room, upTo: 20 }],
  },
  reset: {
    summary: 'The log cannot serve your cursor',
    description: 'The subscription has ended; nothing was skipped. Subscribe again as the reason says.',
    rules: ['GW-4'],
    examples: [
      { op: 'reset', room, reason: 'truncated', from: 100, head: 120, log },
      { op: 'reset', room, reason: 'other-log', from: 0, head: 20, log },
    ],
  },
  unsubscribed: {
    summary: 'The subscription has ended',
    description: 'As you asked, or, with a `code`, because you may no longer see the room.',
    rules: ['GW-2'],
    examples: [
      { op: 'unsubscribed', room },
      { op: 'unsubscribed', room, code: 'forbidden' },
    ],
  },
  'history-page': {
    summary: 'Older events',
    description: 'Covers the revisions from `from` up to and without `before`.',
    rules: ['GW-1', 'GW-2'],
    examples: [{ op: 'history-page', ref: 'h1', room, from: 18, before: 19, more: true, events: [posted] }],
  },
  ack: {
    summary: 'The command was done, and is durable',
    description: 'Never before its events would survive a power cut. They reach you as `events`, before or after.',
    rules: ['GW-7', 'GW-8'],
    examples: [
      { op: 'ack', id: commandId, room, first: 18, last: 18, position: '4711', duplicate: false },
      { op: 'ack', id: commandId, room, first: 18, last: 18, position: '4711', duplicate: true },
    ],
  },
  nack: {
    summary: 'The command was not done',
    description: 'Where it is `retryable`, send the same again under the same `id`.',
    rules: ['GW-7'],
    examples: [
      {
        ...{ op: 'nack', id: 'edit-1', room, code: 'rejected', reason: 'not-the-author' },
        ...{ message: 'Message 9 was written by another.', retryable: false },
      },
      {
        ...{ op: 'nack', id: 'post-51', room, code: 'rate-limited', message: 'At most 50 sends a second.' },
        ...{ retryable: true, retryAfterMs: 20 },
      },
    ],
  },
  error: {
    summary: 'Another frame was refused',
    description: 'Where it has a `room`, it is about that room; the connection goes on.',
    rules: ['GW-2', 'GW-11'],
    examples: [
      {
        ...{ op: 'error', ref: 's1', room: 'conversation:43', code: 'forbidden' },
        ...{ message: 'Not a room of this user.', path: 'room', retryable: false },
      },
    ],
  },
  typing: {
    summary: 'Somebody in the room types',
    description: 'Ephemeral: it moves no cursor, and is the first to be left out when you are slow.',
    rules: ['GW-6'],
    examples: [{ op: 'typing', room, user: 'ada', role: 'agent', on: true }],
  },
  drain: {
    summary: 'The node is about to stop',
    description: 'Commands in flight are still answered, then it closes with 4001.',
    rules: ['GW-12'],
    examples: [{ op: 'drain', reconnectAfterMs: 1_830 }],
  },
};
