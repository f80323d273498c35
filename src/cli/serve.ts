/** `verbatim serve`: starts the server, says where it is, and stops it in order at SIGTERM or SIGINT. */
import { resolve } from 'node:path';
import type { LoadedConfig } from '../config/config.ts';
import type { Config } from '../config/settings.ts';
import { createLogger } from '../telemetry/logger.pino.ts';
import type { PinoLogger } from '../telemetry/logger.pino.ts';
import { EXIT_FINDING, EXIT_OK } from './failure.ts';
import { startServer } from './server.ts';
import type { RunningServer } from './server.ts';

/** A terminal and npm may both pass on one Ctrl-C; only a later one is meant as a second. */
const SECOND_SIGNAL_AFTER_MS = 1_000;

/** Resolves with the exit code once the server has stopped. */
export async function serve({ config, warnings }: LoadedConfig): Promise<number> {
  const logger = createLogger({ level: config.LOG_LEVEL, forTerminal: process.stderr.isTTY });
  endOnBug(logger);
  const stopSignal = awaitStopSignal();
  for (const warning of warnings) logger.warn(warning);
  const onLost = (): void => {
    logger.error('another process has taken the data folder; this one ends at once and writes nothing more');
    exitNow(logger);
  };
  try {
    const server = await Promise.race([startServer({ config, logger, onLost }), stopSignal.received]);
    if (typeof server === 'string') {
      logger.info('stopped while starting', { signal: server });
      logger.flushSync();
      process.exit(EXIT_OK);
    }
    const directory = resolve(config.DATA_DIR);
    logger.info('started', { http: server.httpUrl, gateway: server.gatewayUrl, data: directory, log: server.log });
    process.stdout.write(greeting(server, directory, config));
    const signal = await stopSignal.received;
    logger.info('stopping', { signal, graceMs: config.SHUTDOWN_GRACE_MS });
    return await stop(server, config.SHUTDOWN_GRACE_MS, logger);
  } finally {
    stopSignal.forget();
    logger.flushSync();
  }
}

async function stop(server: RunningServer, graceMs: number, logger: PinoLogger): Promise<number> {
  const overdue = setTimeout(() => {
    logger.error('not stopped within the grace; ending now, which loses nothing acknowledged', { graceMs });
    exitNow(logger);
  }, graceMs);
  try {
    await server.close(graceMs);
  } finally {
    clearTimeout(overdue);
  }
  logger.info('stopped');
  return EXIT_OK;
}

/** The first signal resolves; a later one ends the process, which is safe at any instant. */
function awaitStopSignal(): { readonly received: Promise<string>; forget(): void } {
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
function endOnBug(logger: PinoLogger): void {
  const end = (error: unknown): void => {
    logger.error('a bug: ending; nothing acknowledged is lost', { error });
    exitNow(logger);
  };
  process.on('uncaughtException', end).on('unhandledRejection', end);
}

function exitNow(logger: PinoLogger): never {
  logger.flushSync();
  process.exit(EXIT_FINDING);
}

/** What a newcomer needs next: where it is, where its data is, and two commands to try where there is a secret to sign with. */
function greeting(server: RunningServer, directory: string, { DATA_DIR, JWKS_URL }: Config): string {
  const at = DATA_DIR === 'data' ? '' : ` --data-dir ${DATA_DIR}`;
  const lines = [
    'Verbatim is running.',
    '',
    `  Page     ${server.httpUrl}/`,
    `  Gateway  ${server.gatewayUrl}`,
    `  Data     ${directory}`,
    '',
  ];
  if (server.selfMadeSecret)
    lines.push('  The secret was made in the data folder, so only this machine is listened to.', '');
  if (JWKS_URL === undefined)
    lines.push(
      'Try:',
      `  npx verbatim token --role agent --sub ada${at}`,
      `  npx verbatim import examples/ubuntu-support-sample.ndjson${at}`,
      '',
    );
  lines.push('Stop it with Ctrl-C.');
  return `${lines.join('\n')}\n`;
}
