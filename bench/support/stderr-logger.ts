/** What a benchmark's parts warn of is to be seen: it may be what was measured. */
import type { Logger } from '../../src/telemetry/logger.ts';

const say =
  (level: string) =>
  (message: string, fields: object = {}): void => {
    console.error(level, message, fields);
  };

export const stderrLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: say('warn'),
  error: say('error'),
};
