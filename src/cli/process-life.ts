/** How a server's process ends: at the first signal in order, at a later one or a bug at once, which loses nothing either. */
import type { PinoLogger } from '../telemetry/logger.pino.ts';
import { EXIT_FINDING, EXIT_OK } from './failure.ts';

/** A terminal and npm may both pass on one Ctrl-C; only a later one is meant as a second. */
const SECOND_SIGNAL_AFTER_MS = 1_000;

export interface StopSignal {
  readonly received: Promise<string>;
  forget(): void;
}

/** The first signal resolves; a later one ends the process, which is safe at any instant. */
export function awaitStopSignal(): StopSignal {
  let firstMs: number | undefined;
  let received: (signal: string) => void;
  const promise = new Promise<string>(resolve => {
    received = resolve;
  });
  const take = (signal: string): void => {
    if (firstMs === undefined) {
      firstMs = performance.now();
      received(signal);
    } else if (performance.now() - firstMs >= SECOND_SIGNAL_AFTER_MS) process.exit(EXIT_FINDING);
  };
  process.on('SIGTERM', take).on('SIGINT', take);
  return {
    received: promise,
    forget: () => {
      process.off('SIGTERM', take).off('SIGINT', take);
    },
  };
}

/** What nobody caught is a bug: say it, end, and let the next start replay the log. */
export function endOnBug(logger: PinoLogger): void {
  const end = (error: unknown): void => {
    logger.error('a bug: ending; nothing acknowledged is lost', { error });
    exitNow(logger);
  };
  process.on('uncaughtException', end).on('unhandledRejection', end);
}

export function exitNow(logger: PinoLogger): never {
  logger.flushSync();
  process.exit(EXIT_FINDING);
}

/** Closes what runs, within the grace; ends the process where that does not suffice. Resolves with the exit code. */
export async function stopWithin(
  graceMs: number,
  logger: PinoLogger,
  close: (graceMs: number) => Promise<void>,
): Promise<number> {
  const overdue = setTimeout(() => {
    logger.error('not stopped within the grace; ending now, which loses nothing acknowledged', { graceMs });
    exitNow(logger);
  }, graceMs);
  try {
    await close(graceMs);
  } finally {
    clearTimeout(overdue);
  }
  logger.info('stopped');
  return EXIT_OK;
}
