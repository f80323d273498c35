/** `verbatim migrate --from X --to Y`: copies a log from a data folder to an EventStoreDB, or back, and proves the copy. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SingleBar } from 'cli-progress';
import { v7 as uuidv7 } from 'uuid';
import type { LoadedConfig } from '../config/config.ts';
import type { Config } from '../config/settings.ts';
import { lockFolder } from '../data-folder/lock.ts';
import type { EventStore, RecordedEvent } from '../event-store/event-store.ts';
import { LOG_IDENTITY_STREAM, renewLog } from '../event-store/log-identity.ts';
import { migrateLog } from '../event-store/migration/migration.ts';
import type { MigrationProgress, MigrationResult } from '../event-store/migration/migration.ts';
import { SEALED_CODEC } from '../keyring/codec.sealed.ts';
import { createLogger } from '../telemetry/logger.pino.ts';
import type { PinoLogger } from '../telemetry/logger.pino.ts';
import { expectRestored } from './embedded-log.ts';
import { systemClock } from './engine.ts';
import { openEventStore } from './event-store.ts';
import { CliFailure, EXIT_FINDING, EXIT_OK, EXIT_USAGE } from './failure.ts';

export interface MigrateCommand {
  /** A data folder, a connection string, or EVENTSTORE_URL for the one that is set. */
  readonly from: string;
  readonly to: string;
}

const STORE_WAIT_MS = 15_000;
const PLAIN_PROGRESS_EVERY_MS = 2_000;

interface OpenedEnd {
  readonly store: EventStore;
  readonly name: string;
  close(): Promise<void>;
}

export async function migrate({ config }: Pick<LoadedConfig, 'config'>, command: MigrateCommand): Promise<number> {
  const logger = createLogger({ level: 'error', forTerminal: process.stderr.isTTY });
  const [from, to] = [resolveEnd(config, command.from), resolveEnd(config, command.to)];
  if (from === to) throw new CliFailure('usage', '--from and --to name the same log.', EXIT_USAGE);
  const opened: OpenedEnd[] = [];
  try {
    const source = await openEnd(config, from, 'source', logger);
    opened.push(source);
    const target = await openEnd(config, to, 'target', logger);
    opened.push(target);
    const progress = createProgress(process.stderr);
    let result: MigrationResult;
    try {
      const identity = { codec: { name: SEALED_CODEC }, clock: systemClock };
      result = await migrateLog(source.store, target.store, {
        renew: store => renewLog(store, uuidv7(), identity),
        isRenewal: ({ stream }: RecordedEvent) => stream === LOG_IDENTITY_STREAM,
        onProgress: progress.update,
      });
    } finally {
      progress.stop();
    }
    process.stderr.write(summary(result, source, target));
    return EXIT_OK;
  } finally {
    for (const end of opened.reverse()) await end.close();
    logger.flushSync();
  }
}

function resolveEnd(config: Config, end: string): string {
  if (end !== 'EVENTSTORE_URL') return end;
  if (config.EVENTSTORE_URL === undefined)
    throw new CliFailure('usage', 'EVENTSTORE_URL is named, and not set.', EXIT_USAGE);
  return config.EVENTSTORE_URL;
}

async function openEnd(config: Config, end: string, role: 'source' | 'target', logger: PinoLogger): Promise<OpenedEnd> {
  if (/^esdb(\+discover)?:/.test(end)) {
    const { store } = await openEventStore({ ...config, EVENTSTORE_URL: end }, logger, { waitMs: STORE_WAIT_MS });
    return { store, name: 'EventStoreDB', close: () => store.close() };
  }
  if (role === 'source' && !existsSync(join(end, 'log')))
    throw new CliFailure('usage', `${end} is no data folder: there is no log in it.`, EXIT_USAGE);
  await mkdir(end, { recursive: true, mode: 0o700 });
  const lock = await lockFolder(end, { command: 'migrate', onLost: () => process.exit(EXIT_FINDING) });
  try {
    expectRestored(end);
    const settings = { ...config, DATA_DIR: end, EVENTSTORE_URL: undefined };
    const { store } = await openEventStore(settings, logger, { waitMs: STORE_WAIT_MS });
    return {
      store,
      name: end,
      close: async () => {
        await store.close();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

function summary({ events, already, fillers, wasDone }: MigrationResult, source: OpenedEnd, target: OpenedEnd): string {
  const count = events.toLocaleString('en-US');
  if (wasDone) return `${count} events of ${source.name} are in ${target.name} already; it was done before.\n`;
  const resumed = already > 0 ? ` (${already.toLocaleString('en-US')} of them there before)` : '';
  const filled = fillers > 0 ? ` ${fillers.toLocaleString('en-US')} fillers stand for scavenged events.` : '';
  const keyring =
    target.name === 'EventStoreDB' || existsSync(join(target.name, 'keyring'))
      ? ''
      : `The keyring and the secrets are not in ${target.name} yet: copy keyring, root-secret and jwt-secret there.\n`;
  return (
    `${count} events copied from ${source.name} to ${target.name}${resumed}, and every one compared.${filled}\n` +
    `The copy has an id of its own: clients are told that it is another log.\n${keyring}`
  );
}

interface Progress {
  readonly update: (progress: MigrationProgress) => void;
  readonly stop: () => void;
}

function createProgress(stream: NodeJS.WriteStream): Progress {
  if (stream.isTTY) {
    const format = '{phase} {bar} {percentage}% | {events} events | {duration_formatted}';
    const bar = new SingleBar({ stream, format, hideCursor: null, fps: 10 });
    bar.start(1_000, 0, { phase: 'opening', events: '0' });
    return {
      update: ({ phase, events, part }) => {
        bar.update(Math.floor(part * 1_000), { phase: phase.padEnd(9), events: events.toLocaleString('en-US') });
      },
      stop: () => bar.stop(),
    };
  }
  let toldMs = performance.now();
  return {
    update: ({ phase, events, part }) => {
      if (performance.now() - toldMs < PLAIN_PROGRESS_EVERY_MS) return;
      toldMs = performance.now();
      stream.write(`${phase}: ${events.toLocaleString('en-US')} events, ${Math.floor(part * 100)} %\n`);
    },
    stop: () => undefined,
  };
}
