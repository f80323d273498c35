/** What the gateway says. `events` frames are built beside, in event-frames.ts, encoded once for many sockets. */
import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../errors.ts';
import type { Fault } from '../faults.ts';

const ref = z.string().optional();
const room = z.string();
const revision = z.int().min(-1);
const errorCode = z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]);
const fault = {
  code: errorCode,
  message: z.string(),
  /** The field that is wrong, dotted. */
  path: z.string().optional(),
  retryable: z.boolean(),
  retryAfterMs: z.int().min(0).optional(),
};

export const wireEvent = z.object({
  rev: z.int().min(0),
  id: z.string(),
  type: z.string(),
  at: z.iso.datetime({ precision: 3 }),
  actor: z.object({ id: z.string(), role: z.string() }),
  commandId: z.string().optional(),
  /** Something personal in `data` was erased: `null` stands where it was. */
  erased: z.literal(true).optional(),
  data: z.record(z.string(), z.unknown()),
});

export const serverFrameSchema = z.discriminatedUnion('op', [
  z.object({
    op: z.literal('hello'),
    ref,
    session: z.string(),
    user: z.string(),
    role: z.string(),
    log: z.string(),
    heartbeatMs: z.int(),
    limits: z.object({ frameBytes: z.int(), rooms: z.int(), sendsPerSecond: z.int(), queueBytes: z.int() }),
  }),
  z.object({ op: z.literal('refreshed'), ref, expiresAt: z.iso.datetime({ precision: 3 }) }),
  z.object({ op: z.literal('subscribed'), ref, room, log: z.string(), head: revision, after: revision }),
  z.object({ op: z.literal('events'), room, after: revision, upTo: revision, events: z.array(wireEvent) }),
  z.object({ op: z.literal('caught-up'), room, upTo: revision }),
  z.object({
    op: z.literal('reset'),
    ref,
    room,
    reason: z.enum(['truncated', 'other-log', 'beyond-head']),
    /** The first revision that can be read: continue with `after: from - 1`. */
    from: revision,
    head: revision,
    log: z.string(),
  }),
  z.object({ op: z.literal('unsubscribed'), ref, room, code: errorCode.optional() }),
  z.object({
    op: z.literal('history-page'),
    ref,
    room,
    from: revision,
    before: revision,
    events: z.array(wireEvent),
    more: z.boolean(),
  }),
  z.object({
    op: z.literal('ack'),
    ref,
    id: z.string(),
    room,
    /** Null where the command changed nothing. */
    first: revision.nullable(),
    last: revision,
    position: z.string().nullable(),
    duplicate: z.boolean(),
  }),
  z.object({
    op: z.literal('nack'),
    ref,
    id: z.string(),
    room: room.optional(),
    reason: z.string().optional(),
    ...fault,
  }),
  z.object({ op: z.literal('error'), ref, room: room.optional(), reason: z.string().optional(), ...fault }),
  z.object({ op: z.literal('typing'), room, user: z.string(), role: z.string(), on: z.boolean() }),
  z.object({ op: z.literal('drain'), reconnectAfterMs: z.int().min(0) }),
]);

export type ServerFrame = z.infer<typeof serverFrameSchema>;

/** JSON numbers hold revisions up to 2^53 - 1; a stream that long is a bug of ours before it is a client's trouble. */
export function wireRevision(revision: bigint): number {
  if (revision > 9_007_199_254_740_991n)
    throw new RangeError(`Revision ${String(revision)} does not fit a JSON number.`);
  return Number(revision);
}

/** Only what is given becomes a field. */
export function errorFrame(
  fault: Fault,
  more: { readonly ref?: string | undefined; readonly room?: string | undefined } = {},
): ServerFrame {
  const { code, message, path, reason, retryAfterMs, retryable = ERROR_CODES[code].retryable } = fault;
  return { op: 'error', ref: more.ref, code, reason, message, path, room: more.room, retryable, retryAfterMs };
}

export function nackFrame(
  fault: Fault,
  send: { readonly id: string; readonly room?: string | undefined; readonly ref?: string | undefined },
): ServerFrame {
  const { code, message, path, reason, retryAfterMs, retryable = ERROR_CODES[code].retryable } = fault;
  return {
    op: 'nack',
    ref: send.ref,
    id: send.id,
    room: send.room,
    code,
    reason,
    message,
    path,
    retryable,
    retryAfterMs,
  };
}
