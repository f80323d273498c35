/** The log port. Fields carry ids, counts and durations; never a message's text, a name or a token. */

export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  /** An error goes under `error`: its name, message, stack and cause are written. */
  error(message: string, fields?: LogFields): void;
}

export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

function nothing(): void {
  // A log that nobody reads.
}
