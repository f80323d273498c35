/** `verbatim node`: serves the log of a data folder in EventStoreDB's protocol, and nothing else. */
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { LoadedConfig } from '../config/config.ts';
import type { Config } from '../config/settings.ts';
import { lockFolder } from '../data-folder/lock.ts';
import type { EventStore } from '../event-store/event-store.ts';
import { startNode } from '../event-store/node/node.ts';
import type { RunningNode } from '../event-store/node/node.ts';
import { createLogger } from '../telemetry/logger.pino.ts';
import type { Logger } from '../telemetry/logger.ts';
import { expectRestored, openEmbeddedLog } from './embedded-log.ts';
import { EXIT_OK } from './failure.ts';
import { listeningFailure } from './listening.ts';
import { awaitStopSignal, endOnBug, exitNow, stopWithin } from './process-life.ts';

/** EventStoreDB's own. */
export const DEFAULT_NODE_PORT = 2_113;
const DEFAULT_HOST = '127.0.0.1';

/** Resolves with the exit code once the node has stopped. */
export async function serveNode({ config, warnings }: LoadedConfig): Promise<number> {
  const logger = createLogger({ level: config.LOG_LEVEL, forTerminal: process.stderr.isTTY });
  endOnBug(logger);
  const stopSignal = awaitStopSignal();
  for (const warning of warnings) logger.warn(warning);
  const onLost = (): void => {
    logger.error('another process has taken the data folder; this one ends at once and writes nothing more');
    exitNow(logger);
  };
  try {
    const node = await Promise.race([openNode(config, logger, onLost), stopSignal.received]);
    if (typeof node === 'string') {
      logger.info('stopped while starting', { signal: node });
      logger.flushSync();
      process.exit(EXIT_OK);
    }
    const address = connectionString(config, node.port);
    const directory = resolve(config.DATA_DIR);
    logger.info('started', { eventStore: address, data: directory });
    process.stdout.write(`The log of ${directory} is served at ${address}\n`);
    const signal = await stopSignal.received;
    logger.info('stopping', { signal, graceMs: config.SHUTDOWN_GRACE_MS });
    return await stopWithin(config.SHUTDOWN_GRACE_MS, logger, graceMs => node.close(graceMs));
  } finally {
    stopSignal.forget();
    logger.flushSync();
  }
}

async function openNode(config: Config, logger: Logger, onLost: () => void): Promise<RunningNode> {
  await mkdir(config.DATA_DIR, { recursive: true, mode: 0o700 });
  const lock = await lockFolder(config.DATA_DIR, { command: 'node', onLost });
  let store: EventStore | undefined;
  try {
    expectRestored(config.DATA_DIR);
    store = await openEmbeddedLog(config, logger);
    const opened = store;
    const node = await listenNode(config, config.EVENTSTORE_PORT ?? DEFAULT_NODE_PORT, store, logger);
    return {
      port: node.port,
      close: async graceMs => {
        try {
          await node.close(graceMs === undefined ? undefined : graceMs / 2);
          await opened.close();
        } finally {
          await lock.release();
        }
      },
    };
  } catch (error) {
    await store?.close();
    await lock.release();
    throw error;
  }
}

/** The port that `serve` and `node` serve a store on. @throws CliFailure where it cannot listen */
export async function listenNode(
  config: Config,
  port: number,
  store: EventStore,
  logger: Logger,
): Promise<RunningNode> {
  const { EVENTSTORE_HOST: host = DEFAULT_HOST, EVENTSTORE_USER: username, EVENTSTORE_PASSWORD: password } = config;
  const { EVENTSTORE_TLS_CERTIFICATE: certificate, EVENTSTORE_TLS_KEY: key } = config;
  try {
    return await startNode({
      ...{ store, host, port },
      credentials: password === undefined ? undefined : { username, password },
      tls: certificate === undefined || key === undefined ? undefined : { certificate, key },
      onError: error => {
        logger.error('a call to the log ended in an error of ours', { error });
      },
    });
  } catch (error) {
    throw listeningFailure(error, { port: 'EVENTSTORE_PORT', host: 'EVENTSTORE_HOST' }, host, port);
  }
}

/** As a client on this machine writes it. */
export function connectionString(config: Config, port: number): string {
  const host = config.EVENTSTORE_HOST ?? DEFAULT_HOST;
  const dialled = host === '0.0.0.0' ? '127.0.0.1' : host.includes(':') ? `[${host === '::' ? '::1' : host}]` : host;
  return `esdb://${dialled}:${port}?tls=${String(config.EVENTSTORE_TLS_CERTIFICATE !== undefined)}`;
}
