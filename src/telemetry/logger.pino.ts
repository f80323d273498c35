/**
 * The log on stderr, so that stdout stays clean: one JSON object a line, or shorter lines where stderr is a terminal.
 * Writing never waits for the reader: past LOG_BUFFER_BYTES_MAX lines are dropped and counted, and the next line that
 * passes says how many. Fields that could carry a text or a token are cut out even though none should.
 */
import { destination, pino, stdSerializers } from 'pino';
import type { LogFields, Logger } from './logger.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

const LOG_BUFFER_BYTES_MAX = 4_194_304;
const SECRET_FIELDS = ['token', 'authorization', 'secret', 'text', 'password', 'cookie', 'body'];

export interface PinoLogger extends Logger {
  /** Writes what is buffered, waiting for it; the last call before the process ends. */
  flushSync(): void;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Lines for eyes instead of JSON. */
  readonly forTerminal: boolean;
  /** Where lines go instead of stderr, in tests. */
  readonly write?: (line: string) => void;
}

export function createLogger(options: LoggerOptions): PinoLogger {
  const stderr = options.write ? undefined : destination({ dest: 2, sync: false, maxLength: LOG_BUFFER_BYTES_MAX });
  let dropped = 0;
  stderr?.on('drop', () => {
    dropped += 1;
  });
  // A log that cannot be written (a closed pipe) must not end the process it tells of.
  stderr?.on('error', () => undefined);
  const sink = options.write ?? ((line: string) => void stderr?.write(line));
  const stream = { write: options.forTerminal ? (line: string) => sink(forEyes(line)) : sink };
  const log = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: label => ({ level: label }) },
      messageKey: 'message',
      serializers: { error: stdSerializers.errWithCause },
      redact: { paths: SECRET_FIELDS.flatMap(field => [field, `*.${field}`]), censor: '[cut]' },
    },
    stream,
  );
  const write = (level: Exclude<LogLevel, 'silent'>) => (message: string, fields?: LogFields) => {
    if (dropped > 0) {
      const lines = dropped;
      dropped = 0;
      log.warn({ lines }, 'log lines were dropped, since nobody read them');
    }
    log[level](fields ?? {}, message);
  };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    flushSync: () => {
      try {
        stderr?.flushSync();
      } catch {
        // The reader is gone; there is nobody left to tell.
      }
    },
  };
}

/** `12:00:00.000 warn  what happened  key=value`. */
function forEyes(line: string): string {
  const { level, time, message, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields).map(([key, value]) => `  ${key}=${inline(key, value)}`);
  return `${String(time).slice(11, 23)} ${String(level).padEnd(5)} ${String(message)}${rest.join('')}\n`;
}

function inline(key: string, value: unknown): string {
  if (key === 'error' && typeof value === 'object' && value !== null && 'stack' in value) return String(value.stack);
  return typeof value === 'string' ? value : JSON.stringify(value);
}
