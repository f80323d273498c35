/** What a thread logs, on its way to the thread that writes logs. */
import { inspect } from 'node:util';
import type { LogFields, Logger } from '../../telemetry/logger.ts';
import { carriedError, carryError, isNotCloneable } from './calls.ts';
import type { CarriedError } from './calls.ts';

export interface LogLine {
  readonly level: keyof Logger;
  readonly message: string;
  readonly fields: LogFields;
  readonly error: CarriedError | undefined;
}

/** Of a field that is told in words: characters, and elements of a list. */
const WORDS_MAX = { maxStringLength: 1_000, maxArrayLength: 20, breakLength: Infinity } as const;

/** Nobody waits for a line. One whose fields cannot be cloned is sent again with those fields in words: a log that leaves lines out hides what went wrong. */
export function loggerOver(send: (line: LogLine) => Promise<unknown>): Logger {
  const write =
    (level: keyof Logger) =>
    (message: string, { error, ...fields }: LogFields = {}): void => {
      const line = { level, message, fields, error: error === undefined ? undefined : carryError(error) };
      send(line)
        .catch((failure: unknown) => (isNotCloneable(failure) ? send({ ...line, fields: inWords(fields) }) : undefined))
        // The thread that writes is gone, and ends this one too.
        .catch(() => undefined);
    };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

export function writeLine(logger: Logger, { level, message, fields, error }: LogLine): void {
  logger[level](message, error === undefined ? fields : { ...fields, error: carriedError(error) });
}

function inWords(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, isPlain(value) ? value : inspect(value, WORDS_MAX)]),
  );
}

function isPlain(value: unknown): boolean {
  return value === null || ['string', 'number', 'boolean', 'bigint', 'undefined'].includes(typeof value);
}
