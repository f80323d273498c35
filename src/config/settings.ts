/**
 * THE table of settings: variable, shape, default, unit, meaning, example. `verbatim config`, the CLI's flags, the error
 * texts and docs/operators/configuration.md are all made from it. Each variable may also be given as NAME_FILE (the
 * file's content, trimmed) and, unless it is a secret, as a flag (`--http-port`).
 */
import { isIP } from 'node:net';
import { TOKEN_SECRET_BYTES_MIN } from '../auth/tokens.ts';
import { COMMAND_LIMITS } from '../commands/conversation-commands.ts';
import { DEFAULT_GATEWAY_LIMITS } from '../gateway/limits.ts';
import { choice, integer, optionalText, optionalUrl, origins, secret, text } from './setting.ts';
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

function bound(
  group: About['group'],
  fallback: number,
  unit: string,
  range: readonly [min: number, max: number],
  meaning: About['meaning'],
): Setting<number> {
  return integer({ group, meaning, example: String(fallback), fallback, unit, min: range[0], max: range[1] });
}

export const SETTINGS = {
  DATA_DIR: text({
    group: 'Server',
    fallback: 'data',
    shape: 'a path',
    meaning: 'Folder of the log, its index, the secrets made at first start, and the lock; one process owns it.',
    example: '/var/lib/verbatim',
  }),
  HTTP_PORT: integer({
    group: 'Server',
    fallback: 3_000,
    unit: 'port',
    min: 0,
    max: 65_535,
    meaning: 'Port of HTTP: the page, health and imports. 0: any free one.',
    example: '3000',
  }),
  GATEWAY_PORT: integer({
    group: 'Server',
    fallback: 3_001,
    unit: 'port',
    min: 0,
    max: 65_535,
    meaning: 'Port of the WebSocket gateway. 0: any free one.',
    example: '3001',
  }),
  HOST: optionalText({
    group: 'Server',
    absent: '0.0.0.0 with a configured JWT_SECRET, else 127.0.0.1',
    shape: 'an IP address of this machine',
    accepts: address => isIP(address) !== 0,
    meaning: 'Address both ports listen on. Without a configured JWT_SECRET it must be a loopback address.',
    example: '127.0.0.1',
  }),
  NODE_ENV: text({
    group: 'Server',
    fallback: 'development',
    shape: 'a word',
    meaning: 'In `production` a missing JWT_SECRET is an error.',
    example: 'production',
  }),
  LOG_LEVEL: choice({
    group: 'Server',
    fallback: 'info',
    of: ['debug', 'info', 'warn', 'error', 'silent'],
    meaning: 'The least severe lines of the log (stderr) that are written.',
    example: 'info',
  }),
  SHUTDOWN_GRACE_MS: bound(
    'Server',
    10_000,
    'ms',
    [0, HOUR_MS],
    'From SIGTERM to exit: drain, flush and close within it.',
  ),

  JWT_SECRET: secret({
    group: 'Access',
    charactersMin: TOKEN_SECRET_BYTES_MIN,
    absent: 'made in DATA_DIR/jwt-secret; an error in production',
    meaning: 'Signs and checks tokens (HS256).',
    example: 'the output of `openssl rand -base64 48`',
  }),
  ROOT_SECRET: secret({
    group: 'Access',
    charactersMin: TOKEN_SECRET_BYTES_MIN,
    absent: 'made in DATA_DIR/root-secret',
    meaning: 'Keys digests and derived ids for the life of the log: never change it, and back it up with the log.',
    example: 'the output of `openssl rand -base64 48`',
  }),
  GATEWAY_PUBLIC_URL: optionalUrl({
    group: 'Access',
    absent: 'the host the page was asked for, with GATEWAY_PORT',
    protocols: ['ws:', 'wss:'],
    meaning: 'Where browsers reach the gateway through a proxy; the page and its content security policy name it.',
    example: 'wss://chat.example.com/v1/socket',
  }),
  ALLOWED_ORIGINS: origins({
    group: 'Access',
    meaning: 'Origins of other sites whose pages may frame the page.',
    example: 'https://support.example.com,https://example.com',
  }),

  SEGMENT_BYTES: bound(
    'Storage',
    128 * MIB,
    'bytes',
    [1 * MIB, 1_024 * MIB],
    'A segment file of the log is sealed at this size.',
  ),
  LOG_TAIL_BYTES_MAX: bound(
    'Storage',
    16 * MIB,
    'bytes',
    [1 * MIB, 1_024 * MIB],
    'The end of the log kept in memory for subscribers and readers.',
  ),
  APPEND_QUEUE_BYTES_MAX: bound(
    'Storage',
    32 * MIB,
    'bytes',
    [2 * MIB, 1_024 * MIB],
    'Appends that wait for the disk; more are refused as `unavailable`.',
  ),
  STREAMS_CACHED_MAX: bound('Storage', 100_000, 'streams', [100, 10_000_000], 'Streams whose head is kept in memory.'),
  RECENT_IDS_MAX: bound(
    'Storage',
    20_000,
    'events',
    [0, 10_000_000],
    'Event ids the log remembers, for appends without an exact expected revision.',
  ),
  INDEX_FLUSH_MS: bound(
    'Storage',
    1_000,
    'ms',
    [10, 60_000],
    'How long rows wait in memory before they are written to the index of the log.',
  ),
  INDEX_FLUSH_ROWS_MAX: bound(
    'Storage',
    50_000,
    'rows',
    [256, 1_000_000],
    'Rows that wait before they are written early.',
  ),

  COMMANDS_IN_FLIGHT_MAX: bound(
    'Commands',
    COMMAND_LIMITS.commandsInFlightMax,
    'commands',
    [1, 1_000_000],
    'Commands running or waiting on this node; one more is answered `rate-limited`.',
  ),
  COMMAND_QUEUE_LENGTH_MAX: bound(
    'Commands',
    COMMAND_LIMITS.queueLengthMax,
    'commands',
    [1, 1_000_000],
    'Commands waiting behind the running one of a stream; one more is answered `rate-limited`.',
  ),
  FOLDS_CACHED_MAX: bound(
    'Commands',
    COMMAND_LIMITS.foldsMax,
    'streams',
    [1, 10_000_000],
    'Folded states of streams kept in memory.',
  ),
  FOLDED_EVENTS_CACHED_MAX: bound(
    'Commands',
    COMMAND_LIMITS.foldedEventsMax,
    'events',
    [1, 100_000_000],
    'Events folded into those states, some 400 bytes each.',
  ),
  CONFLICT_RETRIES_MAX: bound(
    'Commands',
    COMMAND_LIMITS.conflictRetriesMax,
    'retries',
    [0, 100],
    'Decisions taken again after another writer was first.',
  ),
  CONFLICT_DELAY_MS: bound(
    'Commands',
    COMMAND_LIMITS.conflictDelayMs,
    'ms',
    [0, 60_000],
    'Bound of the wait before the first such retry; it doubles with each, with full jitter.',
  ),

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
    'At a shutdown clients are told to come back at a random time up to this.',
  ),

  HTTP_BODY_BYTES_MAX: bound('HTTP', 64 * KIB, 'bytes', [1 * KIB, 16 * MIB], 'Body of a request other than an import.'),
  HTTP_IDLE_TIMEOUT_MS: bound(
    'HTTP',
    60_000,
    'ms',
    [1_000, HOUR_MS],
    'A connection on which nothing moves for so long is closed.',
  ),

  IMPORTS_AT_ONCE_MAX: bound(
    'Import',
    2,
    'imports',
    [1, 100],
    'Imports this node runs at once; one more is answered `rate-limited`.',
  ),
  IMPORT_LINE_BYTES_MAX: bound(
    'Import',
    256 * KIB,
    'bytes',
    [1 * KIB, 16 * MIB],
    'A longer line of an import is rejected, and the rest goes on.',
  ),
  IMPORT_LINES_IN_FLIGHT_MAX: bound(
    'Import',
    256,
    'lines',
    [1, 10_000],
    'Lines of one import that are read and not yet answered.',
  ),
} as const satisfies Record<string, Setting<never> | Setting<unknown>>;

export type SettingName = keyof typeof SETTINGS;
export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

/** Planned, and not built: setting one stops the start rather than being ignored. */
export const NOT_SUPPORTED_YET: readonly string[] = ['EVENTSTORE_URL', 'MONGODB_URL', 'REDIS_URL', 'JWKS_URL', 'ROLES'];

export type Config = {
  readonly [Name in SettingName]: (typeof SETTINGS)[Name] extends Setting<infer Value> ? Value : never;
};

/** `--http-port` of HTTP_PORT. */
export function flagOf(name: string): string {
  return `--${name.toLowerCase().replaceAll('_', '-')}`;
}
