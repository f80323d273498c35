/** What the gateway says. `events` frames are built beside, in event-frames.ts, encoded once for many sockets. */
import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../errors.ts';
import type { Fault } from '../faults.ts';

const ref = z.string().optional().describe('That of the frame it answers, where it had one.');
const room = z.string().describe('`conversation:<id>`');
const revision = z.int().min(-1);
const head = revision.describe('The last revision of the room; -1: it has none.');
const log = z.string().describe('The id of the log: keep it with your cursors.');
/** Those of the table that a frame carries: the others are of HTTP alone. */
const errorCode = z.enum(
  Object.keys(ERROR_CODES).filter(code => ERROR_CODES[code as ErrorCode].frames.length > 0) as [ErrorCode],
);
const commandId = z.string().describe('The id of the `send`.');
const fault = {
  code: errorCode.describe('What was wrong, for programs.'),
  message: z.string().describe('What was wrong, for people.'),
  path: z.string().optional().describe('The field that is wrong, dotted.'),
  retryable: z.boolean().describe('Whether the same may succeed later.'),
  retryAfterMs: z.int().min(0).optional().describe('Not before so many milliseconds.'),
};
const reason = z.string().optional().describe('The rule that said no, where `code` is `rejected`.');

export const wireEvent = z
  .object({
    rev: z.int().min(0).describe('Its revision in the room, from 0, never reused.'),
    id: z.string().describe('The id of the event.'),
    type: z.string().describe('What happened. Leave alone what you do not know: there will be more.'),
    at: z.iso.datetime({ precision: 3 }).describe('When, UTC.'),
    actor: z.object({ id: z.string(), role: z.string() }).describe('Who did it.'),
    commandId: z.string().optional().describe('The `id` of the `send` it comes from: how you know your own.'),
    erased: z
      .literal(true)
      .optional()
      .describe('Something personal in `data` was erased for good: `null` stands where it was.'),
    data: z.record(z.string(), z.unknown()).describe('By `type`, in the view of your role.'),
  })
  .meta({ id: 'WireEvent', description: 'An event of a room, as your role may see it.' });

/** Described frame by frame in frame-documents.ts. */
export const serverFrameSchema = z.discriminatedUnion('op', [
  z.object({
    op: z.literal('hello'),
    ref,
    session: z.string().describe('The id of this connection, for the logs of both sides.'),
    user: z.string().describe('`sub` of your token.'),
    role: z.string().describe('That of your token: it says which view you have.'),
    log,
    heartbeatMs: z.int().describe('The server pings after so much silence.'),
    limits: z
      .object({
        frameBytes: z.int().describe('A larger frame of yours is answered `too-large`.'),
        rooms: z.int().describe('Rooms this connection may be subscribed to.'),
        sendsPerSecond: z.int(),
        queueBytes: z.int().describe('What may wait for you before you fall behind.'),
      })
      .describe('Of this connection.'),
  }),
  z.object({
    op: z.literal('refreshed'),
    ref,
    expiresAt: z.iso.datetime({ precision: 3 }).describe('When the new token does.'),
  }),
  z.object({
    op: z.literal('subscribed'),
    ref,
    room,
    log,
    head,
    after: revision.describe('Where the first `events` begins, exclusive; -1: at the first revision.'),
  }),
  z.object({
    op: z.literal('events'),
    room,
    after: revision.describe('The `upTo` of the frame before. If it is not your cursor, reconnect and resume.'),
    upTo: revision.describe('The last revision covered, hidden ones counted: your next cursor.'),
    events: z.array(wireEvent).describe('Those that your role may see, in order; may be empty.'),
  }),
  z.object({ op: z.literal('caught-up'), room, upTo: revision.describe('Your cursor.') }),
  z.object({
    op: z.literal('reset'),
    ref,
    room,
    reason: z.enum(['truncated', 'other-log', 'beyond-head']).describe('Why the log cannot serve your cursor.'),
    from: revision.describe('The first revision that can be read: continue with `after: from - 1`.'),
    head,
    log,
  }),
  z.object({
    op: z.literal('unsubscribed'),
    ref,
    room,
    code: errorCode.optional().describe('Present where you did not ask for it.'),
  }),
  z.object({
    op: z.literal('history-page'),
    ref,
    room,
    from: revision.describe('The first revision covered: ask again with `before: from`.'),
    before: revision.describe('Exclusive.'),
    events: z.array(wireEvent).describe('Those that your role may see, in order.'),
    more: z.boolean().describe('Whether there is anything before `from`.'),
  }),
  z.object({
    op: z.literal('ack'),
    ref,
    id: commandId,
    room,
    first: revision.nullable().describe('Revision of its first event; null where nothing was changed.'),
    last: revision.describe('Revision of its last event, or the current one where nothing was changed.'),
    position: z.string().nullable().describe('Opaque place in the log.'),
    duplicate: z.boolean().describe('It had been taken before: this is the first answer again.'),
  }),
  z.object({ op: z.literal('nack'), ref, id: commandId, room: room.optional(), reason, ...fault }),
  z.object({ op: z.literal('error'), ref, room: room.optional(), reason, ...fault }),
  z.object({
    op: z.literal('typing'),
    room,
    user: z.string().describe('Who types: the `sub` of a token.'),
    role: z.string().describe('And as what.'),
    on: z.boolean().describe('Whether they began or ended.'),
  }),
  z.object({
    op: z.literal('drain'),
    reconnectAfterMs: z.int().min(0).describe('Come back after so many milliseconds; each client is told its own.'),
  }),
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
