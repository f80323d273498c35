/**
 * The frames of `verbatim.v1` as a client meets them: what it sends, what it hears, and the one place where text from
 * the socket becomes a typed frame. Unknown fields are ignored and an unknown `op` is no error, so that a server may grow.
 */

export type Role = 'visitor' | 'agent' | 'supervisor' | 'auditor' | 'bot' | 'service';

/** One event of a room. `rev` is its revision: its place in the room, from 0, never reused. */
export interface RoomEvent {
  readonly rev: number;
  readonly id: string;
  readonly type: string;
  readonly at: string;
  readonly actor: { readonly id: string; readonly role: Role };
  /** The id of the `send` that caused it: how a client knows its own. */
  readonly commandId?: string;
  readonly erased?: true;
  readonly data: Readonly<Record<string, unknown>>;
}

export type ClientFrame =
  | { op: 'subscribe'; room: string; after?: number; log?: string; tail?: number }
  | { op: 'unsubscribe'; room: string }
  | { op: 'send'; id: string; room: string; command: string; data: object }
  | { op: 'typing'; room: string; on: boolean }
  /** Every message up to and with `seq`; never acked. */
  | { op: 'read' | 'delivered'; room: string; seq: number; ref?: string }
  | { op: 'history'; room: string; before?: number; limit: number }
  | { op: 'refresh'; token: string };

export type Hello = { op: 'hello'; session: string; user: string; role: Role; log: string; heartbeatMs: number };
export type Subscribed = { op: 'subscribed'; room: string; log: string; head: number; after: number };
/** Covers the revisions (after, upTo]; those the view hides are counted, not sent. */
export type Events = { op: 'events'; room: string; after: number; upTo: number; events: readonly RoomEvent[] };
export type CaughtUp = { op: 'caught-up'; room: string; upTo: number };
export type Reset = { op: 'reset'; room: string; reason: string; from: number; head: number; log: string };
export type Unsubscribed = { op: 'unsubscribed'; room: string; code?: string };
/** Covers [from, before). */
export type HistoryPage = {
  op: 'history-page';
  room: string;
  from: number;
  before: number;
  events: readonly RoomEvent[];
  more: boolean;
};
export type Ack = { op: 'ack'; id: string; room: string; first: number | null; last: number; duplicate: boolean };
export type Nack = {
  op: 'nack';
  id: string;
  code: string;
  reason?: string;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
};
export type ErrorFrame = {
  op: 'error';
  /** Of the frame that it answers, where that had one. */
  ref?: string;
  code: string;
  message: string;
  room?: string;
  retryable: boolean;
};
export type Typing = { op: 'typing'; room: string; on: boolean; user: string; role: Role };
export type Refreshed = { op: 'refreshed'; expiresAt: string };
export type Drain = { op: 'drain'; reconnectAfterMs: number };

export type ServerFrame =
  | Hello
  | Subscribed
  | Events
  | CaughtUp
  | Reset
  | Unsubscribed
  | HistoryPage
  | Ack
  | Nack
  | ErrorFrame
  | Typing
  | Refreshed
  | Drain;

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const text = (frame: Fields, ...names: string[]): boolean => names.every(name => typeof frame[name] === 'string');
const revision = (frame: Fields, ...names: string[]): boolean => names.every(name => Number.isSafeInteger(frame[name]));
const isEvent = (value: unknown): boolean =>
  isObject(value) &&
  revision(value, 'rev') &&
  text(value, 'id', 'type', 'at') &&
  isObject(value.actor) &&
  isObject(value.data);
const events = (frame: Fields): boolean => Array.isArray(frame.events) && frame.events.every(isEvent);

/** What each frame must have for the client to rely on it. */
const SHAPES: Readonly<Record<ServerFrame['op'], (frame: Fields) => boolean>> = {
  hello: frame => text(frame, 'session', 'user', 'role', 'log'),
  subscribed: frame => text(frame, 'room', 'log') && revision(frame, 'head', 'after'),
  events: frame => text(frame, 'room') && revision(frame, 'after', 'upTo') && events(frame),
  'caught-up': frame => text(frame, 'room') && revision(frame, 'upTo'),
  reset: frame => text(frame, 'room', 'reason', 'log') && revision(frame, 'from', 'head'),
  unsubscribed: frame => text(frame, 'room'),
  'history-page': frame => text(frame, 'room') && revision(frame, 'from', 'before') && events(frame),
  ack: frame => text(frame, 'id', 'room') && revision(frame, 'last') && typeof frame.duplicate === 'boolean',
  nack: frame => text(frame, 'id', 'code', 'message'),
  error: frame => text(frame, 'code', 'message'),
  typing: frame => text(frame, 'room', 'user', 'role') && typeof frame.on === 'boolean',
  refreshed: () => true,
  drain: frame => revision(frame, 'reconnectAfterMs'),
};

const isKnown = (op: string): op is ServerFrame['op'] => Object.hasOwn(SHAPES, op);

/**
 * A frame of the server, or undefined for an `op` this client does not know.
 * @throws Error where the text is no JSON object or a known frame lacks what it must have.
 */
export function parseServerFrame(received: string): ServerFrame | undefined {
  const frame: unknown = JSON.parse(received);
  if (!isObject(frame) || typeof frame.op !== 'string') throw new Error('a frame must be a JSON object with an op');
  const { op } = frame;
  if (!isKnown(op)) return undefined;
  if (!SHAPES[op](frame)) throw new Error(`malformed frame: ${op}`);
  return frame as unknown as ServerFrame;
}
