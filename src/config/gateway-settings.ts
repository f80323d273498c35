/** The bounds of the gateway as settings. */
import { DEFAULT_GATEWAY_LIMITS } from '../gateway/limits.ts';
import { choice, integer } from './setting.ts';
import type { About, Setting } from './setting.ts';

const KIB = 1_024;
const MIB = 1_048_576;
const HOUR_MS = 3_600_000;

/** A bound of the gateway: its default is the gateway's own, so that it stands in one place. */
function gateway(
  limit: keyof typeof DEFAULT_GATEWAY_LIMITS,
  unit: string,
  range: readonly [min: number, max: number],
  meaning: About['meaning'],
): Setting<number> {
  const fallback = DEFAULT_GATEWAY_LIMITS[limit];
  return integer({
    group: 'Gateway',
    meaning,
    example: String(fallback),
    fallback,
    unit,
    min: range[0],
    max: range[1],
  });
}

/** A part of SETTINGS. */
export const GATEWAY_SETTINGS = {
  SOCKETS: choice({
    group: 'Gateway',
    fallback: 'auto',
    of: ['auto', 'uwebsockets', 'ws'],
    meaning: 'The WebSocket server. `auto`: uWebSockets where it has a binary for this Node and machine, else `ws`.',
    example: 'auto',
  }),
  SOCKETS_MAX: gateway('sockets', 'sockets', [1, 1_000_000], 'Open connections of this node.'),
  FRAME_BYTES_MAX: gateway(
    'frameBytes',
    'bytes',
    [4 * KIB, 1 * MIB],
    'A larger frame of a client is answered `too-large`, unparsed.',
  ),
  MESSAGE_BYTES_MAX: gateway('messageBytes', 'bytes', [64 * KIB, 16 * MIB], 'A larger message ends its connection.'),
  SEND_QUEUE_BYTES_MAX: gateway(
    'queueBytes',
    'bytes',
    [256 * KIB, 64 * MIB],
    'What one connection may have queued; past it the session falls behind and catches up from the log.',
  ),
  SEND_QUEUE_LOW_WATER_BYTES: gateway(
    'lowWaterBytes',
    'bytes',
    [16 * KIB, 32 * MIB],
    'A session that fell behind is sent more once its queue is below this.',
  ),
  SEND_QUEUE_ANSWER_BYTES: gateway(
    'answerBytes',
    'bytes',
    [16 * KIB, 16 * MIB],
    'The part of SEND_QUEUE_BYTES_MAX that events leave free for answers.',
  ),
  ROOMS_PER_SOCKET_MAX: gateway('rooms', 'rooms', [1, 10_000], 'Rooms one connection may be subscribed to.'),
  SENDS_PER_SECOND_MAX: gateway(
    'sendsPerSecond',
    'frames/s',
    [1, 100_000],
    'Commands a second one connection may send.',
  ),
  REQUESTS_PER_SECOND_MAX: gateway(
    'requestsPerSecond',
    'frames/s',
    [1, 100_000],
    'Other frames a second one connection may send.',
  ),
  COMMANDS_PER_SOCKET_MAX: gateway(
    'commandsInFlight',
    'commands',
    [1, 10_000],
    'Commands of one connection that are not answered yet.',
  ),
  FRAMES_WAITING_MAX: gateway(
    'framesWaiting',
    'frames',
    [1, 10_000],
    'Frames of one connection that wait for their turn.',
  ),
  BAD_FRAMES_PER_MINUTE_MAX: gateway(
    'badFramesPerMinute',
    'frames/min',
    [1, 10_000],
    'More bad frames a minute close the connection.',
  ),
  HISTORY_REVISIONS_MAX: gateway('historyRevisions', 'revisions', [1, 10_000], 'Revisions one `history` may ask for.'),
  CATCH_UP_PAGE_EVENTS: gateway(
    'pageEvents',
    'events',
    [1, 10_000],
    'Events of one read of the log while a session catches up.',
  ),
  CATCH_UP_PAGE_BYTES: gateway(
    'pageBytes',
    'bytes',
    [4 * KIB, 16 * MIB],
    'Bytes of one read of the log while a session catches up.',
  ),
  CATCH_UP_READS_MAX: gateway(
    'readsInFlight',
    'reads',
    [1, 1_000],
    'Reads of the log under way at once for sessions that catch up, and for history.',
  ),
  ROOM_TAIL_BYTES_MAX: gateway(
    'tailBytes',
    'bytes',
    [4 * KIB, 64 * MIB],
    'Memory for the last events of one room, from which sessions are resumed without a read of the log.',
  ),
  ROOM_TAILS_BYTES_MAX: gateway(
    'tailsBytes',
    'bytes',
    [0, 16_384 * MIB],
    'Memory for those of all rooms; the room used longest ago goes first.',
  ),
  ROOM_TAIL_KEPT_MS: gateway(
    'tailKeptMs',
    'ms',
    [0, HOUR_MS],
    "A room's last events stay in memory for so long after its last subscriber has left.",
  ),
  HANDSHAKES_MAX: gateway(
    'handshakes',
    'sockets',
    [1, 1_000_000],
    'Connections that have not authenticated yet; more are closed with 4006 and told when to come back.',
  ),
  RESUMES_MAX: gateway(
    'resumes',
    'subscriptions',
    [1, 10_000_000],
    'Subscriptions that have not caught up yet; more are answered `rate-limited`.',
  ),
  AUTHENTICATE_TIMEOUT_MS: gateway(
    'authenticateMs',
    'ms',
    [100, HOUR_MS],
    'A connection must have authenticated within it.',
  ),
  HEARTBEAT_MS: gateway('heartbeatMs', 'ms', [100, HOUR_MS], 'A connection is pinged after so much silence.'),
  HEARTBEAT_SILENCE_MS: gateway('silenceMs', 'ms', [200, HOUR_MS], 'A connection is closed after so much silence.'),
  STALLED_SOCKET_MS: gateway(
    'stalledMs',
    'ms',
    [100, HOUR_MS],
    'A connection of which not a byte drains for so long is closed.',
  ),
  RECONNECT_SPREAD_MS: gateway(
    'reconnectSpreadMs',
    'ms',
    [0, HOUR_MS],
    'At a shutdown, or when there are too many, clients are told to come back at a random time up to this.',
  ),
} as const;
