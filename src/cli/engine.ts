/**
 * The composition of everything below the edges: the data folder's lock, the event store in it, the log's identity, the
 * command handler and the importer. `serve` puts a gateway and HTTP before it, `import` reads a file into it.
 */
import { mkdir } from 'node:fs/promises';
import { v7 as uuidv7 } from 'uuid';
import { createExport } from '../audit/export.ts';
import type { ExportConversations } from '../audit/export.ts';
import { createConversationCommands } from '../commands/conversation-commands.ts';
import type { CommandHandler } from '../commands/command-handler.ts';
import { createTenantKeys } from '../commands/derived-ids.ts';
import { createErasure } from '../commands/erasure.ts';
import type { Erasure } from '../commands/erasure.ts';
import { createTenantCommands } from '../commands/tenant-commands.ts';
import { createImporter } from '../commands/import.ts';
import { splitLines } from '../commands/import-lines.ts';
import type { Config } from '../config/settings.ts';
import { backUp } from '../data-folder/backup.ts';
import { lockFolder } from '../data-folder/lock.ts';
import type { FolderLock } from '../data-folder/lock.ts';
import { isOperatorProof } from '../data-folder/operator-proof.ts';
import type { Clock } from '../domain/clock.ts';
import type { ConversationCommand } from '../domain/conversation/commands.ts';
import type { ConversationEvent } from '../domain/conversation/events.ts';
import type { ConversationState } from '../domain/conversation/state.ts';
import type { TenantCommand } from '../domain/tenant/commands.ts';
import type { TenantEvent } from '../domain/tenant/events.ts';
import type { TenantState } from '../domain/tenant/state.ts';
import { RequestError } from '../errors.ts';
import type { EventStore } from '../event-store/event-store.ts';
import type { EmbeddedEventStore } from '../event-store/event-store.embedded.ts';
import { firstIdOf, identifyLog, isIdentified, renewLog, wasIdentifiedAs } from '../event-store/log-identity.ts';
import type { LogStats, LogUpkeep } from '../event-store/log-upkeep.ts';
import { oneAtATime } from '../event-store/upkeep-at-once.ts';
import type { RunImport } from '../http/imports.ts';
import { SEALED_CODEC, createSealedCodec } from '../keyring/codec.sealed.ts';
import { KeyCache } from '../keyring/key-cache.ts';
import type { CopiedKeyring } from '../keyring/keyring.embedded.ts';
import type { Keyring, SubjectId } from '../keyring/keyring.ts';
import { createConversationSerializer, createTenantSerializer } from '../schemas/aggregate-serializers.ts';
import type { EventSerializer } from '../schemas/event-serializer.ts';
import type { Logger } from '../telemetry/logger.ts';
import { expectRestored } from './embedded-log.ts';
import { openEventStore } from './event-store.ts';
import type { OpenedEventStore, StoreWaiting } from './event-store.ts';
import { openKeyring } from './keyring.ts';
import { openRootSecret } from './secrets.ts';

export const systemClock: Clock = { now: () => Date.now() };

/** A command of the command line waits so long for an EventStoreDB that is away. */
const STORE_WAIT_MS = 15_000;

export interface Engine {
  readonly store: EventStore;
  readonly serializer: EventSerializer<ConversationEvent>;
  readonly commands: CommandHandler<ConversationCommand, ConversationState, ConversationEvent>;
  readonly tenants: CommandHandler<TenantCommand, TenantState>;
  readonly tenantSerializer: EventSerializer<TenantEvent>;
  readonly runImport: RunImport;
  readonly exportConversations: ExportConversations;
  readonly eraseSubject: Erasure['eraseSubject'];
  /** Of the log's own files; undefined where they are not in the data folder. */
  readonly logStats: (() => LogStats) | undefined;
  /** Work on the log's own files while it is in use; refused where they are not in the data folder. */
  readonly upkeep: LogUpkeep;
  /** Whether a proof comes from somebody who can read the root secret (data-folder/operator-proof.ts). */
  readonly isOperator: (proof: string, what: string) => boolean;
  /** What projections may do with the keys of persons. */
  readonly keys: Pick<Keyring, 'find' | 'destroy'>;
  /** The log's own id. */
  readonly log: string;
  /** The log was begun by this opening of the folder. */
  readonly isNewLog: boolean;
  readonly lock: FolderLock;
  /** Why the log takes no events now; undefined while it does. */
  readonly trouble: OpenedEventStore['trouble'];
  /** Finishes what was accepted, then lets the folder go. */
  close(): Promise<void>;
}

export interface EngineOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** What owns the folder: `serve`, `import`. */
  readonly command: string;
  /** The folder was taken by another process: nothing may be written any more. */
  readonly onLost: () => void;
  /** What stands between the store and everything that appends to it: a measure. */
  readonly observeStore?: (store: EventStore) => EventStore;
  /** The id that the log of a restored folder gets; without it a folder whose restore has not ended is refused. */
  readonly restoredAs?: string;
  /** Default: a store that is away is waited for as long as a command of the command line may take to say so. */
  readonly waiting?: StoreWaiting;
  /** The folder's lock where it is held already; from now on it is the engine's, which releases it whatever comes. */
  readonly lock?: FolderLock;
}

/** @throws FolderLockedError, CorruptLogError, ForeignCodecError, KeyringMissingError, KeyringOfAnotherLogError, CliFailure, UnavailableError */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { config, logger, observeStore, restoredAs, waiting = { waitMs: STORE_WAIT_MS } } = options;
  const lock = options.lock ?? (await takeFolder(options));
  let store: EventStore | undefined;
  let keyring: Keyring | undefined;
  try {
    // A restore holds the lock until its mark is gone, so a mark seen under the lock is of one that did not end.
    if (restoredAs === undefined) expectRestored(config.DATA_DIR);
    const opened = await openEventStore(config, logger, waiting);
    const { embedded, trouble } = opened;
    ({ store } = opened);
    const identity = { codec: { name: SEALED_CODEC }, newId: uuidv7, clock: systemClock };
    const begun = await isIdentified(store);
    if (begun) await identifyLog(store, identity);
    const isOurs = (log: string): Promise<boolean> => wasIdentifiedAs(opened.store, log);
    const openedKeyring = await openKeyring(config, { mayBegin: !begun, isOurs }, logger, waiting);
    keyring = openedKeyring.keyring;
    // Before the log has begun: a log that has begun is never without.
    const rootSecret = await openRootSecret(config, begun);
    if (restoredAs !== undefined) await renewLog(store, restoredAs, identity);
    // After the keyring is there: a log that has begun is never without.
    const { log } = await identifyLog(store, identity);
    await openedKeyring.bind(await firstIdOf(store, log));
    const engine = compose(config, observeStore?.(store) ?? store, rootSecret, {
      log,
      lock,
      keyring: new KeyCache(keyring, { keysMax: config.KEYS_CACHED_MAX }),
      upkeep: embedded === undefined ? NO_UPKEEP : createUpkeep(config, embedded, openedKeyring.embedded, log),
      logStats: embedded && (() => embedded.stats()),
      logger,
      isNewLog: !begun,
      trouble,
    });
    const finished = await engine.finishErasures();
    if (finished > 0) logger.warn('erasures that were cut off are finished', { subjects: finished });
    return engine;
  } catch (error) {
    await keyring?.close();
    await store?.close();
    await lock.release();
    throw error;
  }
}

async function takeFolder({ config, logger, command, onLost }: EngineOptions): Promise<FolderLock> {
  await mkdir(config.DATA_DIR, { recursive: true, mode: 0o700 });
  return lockFolder(config.DATA_DIR, {
    command,
    onLost,
    onWait: (owner, ms) => {
      const seconds = Math.ceil(ms / 1_000);
      logger.warn(`the folder's last owner may still run elsewhere; watching for its heartbeat for ${seconds} s`, {
        pid: owner?.pid,
        host: owner?.host,
      });
    },
  });
}

/** An EventStoreDB has tools of its own for what is its own. */
const NO_UPKEEP: LogUpkeep = { scavenge: refuseUpkeep, backup: refuseUpkeep };

function refuseUpkeep(): Promise<never> {
  return Promise.reject(
    new RequestError('not-found', 'The log of this server is on an EventStoreDB, not in its data folder.'),
  );
}

/** A copy of the log alone could not be read. */
function refuseBackup(): Promise<never> {
  return Promise.reject(
    new RequestError('not-found', 'The keyring of this log is on MongoDB: back up both with the tools of their own.'),
  );
}

function createUpkeep(
  config: Config,
  store: EmbeddedEventStore,
  keyring: CopiedKeyring | undefined,
  log: string,
): LogUpkeep {
  const source = {
    ...{ directory: config.DATA_DIR, log, clock: systemClock },
    logFiles: () => store.files(),
    copyKeyring: (file: string) => (keyring === undefined ? refuseBackup() : keyring.copyTo(file)),
  };
  return oneAtATime({
    scavenge: options => store.scavenge(options),
    backup: (target, options) => (keyring === undefined ? refuseBackup() : backUp(source, target, options)),
  });
}

function compose(
  config: Config,
  store: EventStore,
  rootSecret: Uint8Array,
  {
    log,
    lock,
    keyring,
    upkeep,
    logStats,
    logger,
    isNewLog,
    trouble,
  }: {
    readonly trouble: OpenedEventStore['trouble'];
    readonly log: string;
    readonly lock: FolderLock;
    readonly keyring: Keyring;
    readonly upkeep: LogUpkeep;
    readonly logStats: Engine['logStats'];
    readonly isNewLog: boolean;
    readonly logger: Logger;
  },
): Engine & { finishErasures(): Promise<number> } {
  const codec = createSealedCodec({ keyring });
  const serializer = createConversationSerializer({ codec });
  const keys = createTenantKeys({ rootSecret });
  const limits = {
    queueLengthMax: config.COMMAND_QUEUE_LENGTH_MAX,
    commandsInFlightMax: config.COMMANDS_IN_FLIGHT_MAX,
    commandsInFlightBytesMax: config.COMMANDS_IN_FLIGHT_BYTES_MAX,
    foldsMax: config.FOLDS_CACHED_MAX,
    foldedEventsMax: config.FOLDED_EVENTS_CACHED_MAX,
    conflictRetriesMax: config.CONFLICT_RETRIES_MAX,
    conflictDelayMs: config.CONFLICT_DELAY_MS,
  };
  const isErased = async (subjects: readonly SubjectId[]) => (await keyring.find(subjects)).includes('erased');
  const shared = { store, keys, limits, isErased, clock: systemClock };
  const commands = createConversationCommands({ ...shared, serializer });
  const tenantSerializer = createTenantSerializer({ codec });
  const tenants = createTenantCommands({ ...shared, serializer: tenantSerializer });
  const importer = createImporter({
    ...{ commands, keys },
    onError: (error, lineId) => {
      logger.error('a line could not be imported', { error, line: lineId });
    },
  });
  const erasure = createErasure({ tenants, keyring });
  return {
    ...{ store, serializer, commands, tenants, tenantSerializer, log, lock, upkeep, logStats, isNewLog, trouble },
    keys: keyring,
    isOperator: (proof, what) => isOperatorProof(rootSecret, proof, what, systemClock.now()),
    eraseSubject: request => erasure.eraseSubject(request),
    finishErasures: () => erasure.finish(),
    exportConversations: createExport({ store, opener: serializer }),
    runImport: (bytes, { tenant, by }) =>
      importer.run(splitLines(bytes, config.IMPORT_LINE_BYTES_MAX), {
        ...{ tenant, by },
        windowLines: config.IMPORT_LINES_IN_FLIGHT_MAX,
      }),
    close: async () => {
      try {
        await store.close();
        await keyring.close();
      } finally {
        await lock.release();
      }
    },
  };
}
