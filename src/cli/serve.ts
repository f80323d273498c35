/** `verbatim serve`: starts the server, says where it is, and stops it in order at SIGTERM or SIGINT. */
import { resolve } from 'node:path';
import type { LoadedConfig } from '../config/config.ts';
import type { Config } from '../config/settings.ts';
import { createLogger } from '../telemetry/logger.pino.ts';
import { EXIT_OK } from './failure.ts';
import { awaitStopSignal, endOnBug, exitNow, stopWithin } from './process-life.ts';
import { startServer } from './server.ts';
import type { RunningServer } from './server.ts';

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
    return await stopWithin(config.SHUTDOWN_GRACE_MS, logger, graceMs => server.close(graceMs));
  } finally {
    stopSignal.forget();
    logger.flushSync();
  }
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
    ...(server.eventStoreUrl === undefined ? [] : [`  Log      ${server.eventStoreUrl}`]),
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
