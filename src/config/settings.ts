/**
 * THE table of settings: variable, shape, default, unit, meaning, example. `verbatim config`, the CLI's flags, the error
 * texts and docs/operators/configuration.md are all made from it. Each variable may also be given as NAME_FILE (the
 * file's content, trimmed) and, unless it is a secret, as a flag (`--http-port`).
 */
import { isIP } from 'node:net';
import { isKeySetUrl } from '../auth/key-sets.ts';
import { TOKEN_SECRET_BYTES_MIN } from '../auth/tokens.ts';
import { COMMAND_LIMITS } from '../commands/command-handler.ts';
import { EVENT_STORE_SETTINGS } from './event-store-settings.ts';
import { GATEWAY_SETTINGS } from './gateway-settings.ts';
import { MONGODB_SETTINGS } from './mongodb-settings.ts';
import { NODE_SETTINGS } from './node-settings.ts';
import { READ_SIDE_SETTINGS } from './read-side-settings.ts';
import { choice, integer, networks, optionalText, optionalUrl, origins, secret, text } from './setting.ts';
import type { About, Setting } from './setting.ts';

const KIB = 1_024;
const MIB = 1_048_576;
const HOUR_MS = 3_600_000;

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
    meaning: 'Port of HTTP: the API, its documentation, the page, health and metrics. 0: any free one.',
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
    absent: '0.0.0.0 with a configured JWT_SECRET or JWKS_URL, else 127.0.0.1',
    shape: 'an IP address of this machine',
    accepts: address => isIP(address) !== 0,
    meaning: 'Address both ports listen on. Without a configured JWT_SECRET or JWKS_URL it must be a loopback address.',
    example: '127.0.0.1',
  }),
  NODE_ENV: text({
    group: 'Server',
    fallback: 'development',
    shape: 'a word',
    meaning: 'In `production` it is an error where neither JWT_SECRET nor JWKS_URL is set.',
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
  JWKS_URL: optionalText({
    group: 'Access',
    absent: 'tokens are checked with JWT_SECRET',
    shape: 'an https URL, or an http one of a loopback address',
    accepts: isKeySetUrl,
    meaning:
      'Where the keys stand that tokens are signed with by somebody else (RS, PS, ES, EdDSA). Read again when a token names a new key. Not together with JWT_SECRET.',
    example: 'https://login.example.com/.well-known/jwks.json',
  }),
  JWT_ISSUER: optionalText({
    group: 'Access',
    absent: 'any',
    shape: 'the `iss` of tokens',
    accepts: value => value.length <= 1_000,
    meaning: 'Tokens of another issuer are refused.',
    example: 'https://login.example.com/',
  }),
  JWT_AUDIENCE: optionalText({
    group: 'Access',
    absent: 'any',
    shape: 'an `aud` of tokens',
    accepts: value => value.length <= 1_000,
    meaning: 'Tokens for another audience are refused. Set it where the issuer signs for others too.',
    example: 'verbatim',
  }),
  TOKENS_REMEMBERED_MAX: integer({
    group: 'Access',
    meaning:
      'Valid tokens whose check is remembered, by their hash, some 500 bytes each; 0: each is checked each time.',
    example: '20000',
    fallback: 20_000,
    unit: 'tokens',
    min: 0,
    max: 10_000_000,
  }),
  METRICS_TOKEN: secret({
    group: 'Access',
    charactersMin: 16,
    absent: 'only this machine reads /metrics',
    meaning: 'Whoever names it as bearer token reads /metrics.',
    example: 'the output of `openssl rand -base64 24`',
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

  STRANGER_REQUESTS_PER_SECOND_MAX: bound(
    'Access',
    50,
    'requests/s',
    [1, 1_000_000],
    'HTTP requests without valid credentials, and connections without a valid token, a second from one address (of IPv6: from one /64). This machine is not counted.',
  ),
  TRUSTED_PROXIES: networks({
    group: 'Access',
    meaning:
      'Proxies in front, whose X-Forwarded-For is believed: without it all who come through one count as one address.',
    example: '127.0.0.1,10.0.0.0/8',
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
    'Appends that wait for the disk, or for EventStoreDB; more are refused as `unavailable`.',
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
  INDEX_PENDING_ROWS_MAX: bound(
    'Storage',
    1_000_000,
    'events',
    [1_000, 100_000_000],
    'Events that may wait for an index that cannot be written; past it commands are refused as unavailable.',
  ),

  COMMANDS_IN_FLIGHT_MAX: bound(
    'Commands',
    COMMAND_LIMITS.commandsInFlightMax,
    'commands',
    [1, 1_000_000],
    'Commands running or waiting on this node; one more is answered `rate-limited`.',
  ),
  COMMANDS_IN_FLIGHT_BYTES_MAX: bound(
    'Commands',
    COMMAND_LIMITS.commandsInFlightBytesMax,
    'bytes',
    [1 * MIB, 16_384 * MIB],
    'What the data of those commands may take in memory; one more is answered `rate-limited`.',
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
  KEYS_CACHED_MAX: bound(
    'Commands',
    50_000,
    'keys',
    [1, 10_000_000],
    'Keys of persons kept in memory, some 300 bytes each.',
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

  ...GATEWAY_SETTINGS,

  HTTP_BODY_BYTES_MAX: bound('HTTP', 64 * KIB, 'bytes', [1 * KIB, 16 * MIB], 'Body of a request other than an import.'),
  HTTP_REQUESTS_PER_SECOND_MAX: bound(
    'HTTP',
    100,
    'requests/s',
    [1, 1_000_000],
    'Requests a second that one user or API key may make to this node.',
  ),
  HTTP_TENANT_REQUESTS_PER_SECOND_MAX: bound(
    'HTTP',
    1_000,
    'requests/s',
    [1, 1_000_000],
    'Requests a second that all of one tenant may make to this node.',
  ),
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

  ...READ_SIDE_SETTINGS,
  ...EVENT_STORE_SETTINGS,
  ...MONGODB_SETTINGS,
  ...NODE_SETTINGS,
} as const satisfies Record<string, Setting<never> | Setting<unknown>>;

export type SettingName = keyof typeof SETTINGS;
export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

/** Planned, and not built: setting one stops the start rather than being ignored. */
export const NOT_SUPPORTED_YET: readonly string[] = ['REDIS_URL', 'ROLES'];

export type Config = {
  readonly [Name in SettingName]: (typeof SETTINGS)[Name] extends Setting<infer Value> ? Value : never;
};

/** `--http-port` of HTTP_PORT. */
export function flagOf(name: string): string {
  return `--${name.toLowerCase().replaceAll('_', '-')}`;
}
