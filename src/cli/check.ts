/** `verbatim check`: reads a log from end to end, changes nothing, and names the first fault. */
import { join } from 'node:path';
import type { LoadedConfig } from '../config/config.ts';
import type { Config } from '../config/settings.ts';
import { lockFolder, readLockOwner } from '../data-folder/lock.ts';
import type { FolderLock } from '../data-folder/lock.ts';
import type { RecordedEvent } from '../event-store/event-store.ts';
import { checkEmbeddedLog } from '../event-store/log-check.embedded.ts';
import type { LogCheckOptions } from '../event-store/log-check.embedded.ts';
import { createSealedCodec } from '../keyring/codec.sealed.ts';
import { openEmbeddedKeysToRead } from '../keyring/keyring.embedded.ts';
import { createConversationSerializer, createTenantSerializer } from '../schemas/aggregate-serializers.ts';
import { expectEmbeddedLog } from './embedded-log.ts';
import { CliFailure, EXIT_OK } from './failure.ts';
import { reportProgress } from './upkeep-progress.ts';

type Look = NonNullable<LogCheckOptions['look']>;

export async function checkLog(
  { config }: Pick<LoadedConfig, 'config'>,
  { sealed }: { readonly sealed: boolean },
): Promise<number> {
  const directory = join(config.DATA_DIR, 'log');
  expectEmbeddedLog(config);
  const inUse = (await readLockOwner(config.DATA_DIR)) !== undefined;
  if (inUse && sealed)
    throw new CliFailure(
      'data-folder-in-use',
      `${config.DATA_DIR} is in use: stop the server to check what is sealed.`,
    );
  const lock = inUse ? undefined : await tryLock(config);
  const report = reportProgress('check');
  try {
    const boxes = sealed ? await openBoxes(config) : undefined;
    const look = boxes ? { look: boxes.look } : {};
    const found = await checkEmbeddedLog({ directory, inUse, ...look, onProgress: report.onProgress }).finally(() =>
      boxes?.close(),
    );
    report.end();
    const { events, stubs, streams, segments, bytes, index } = found;
    const dropped = stubs === 0 ? '' : ` and ${stubs} stubs of dropped ones`;
    const indexed = index === 'whole' ? 'the index agrees with it' : 'there is no index, and the next start builds it';
    process.stdout.write(
      `The log is whole: ${events} events${dropped} in ${streams} streams, ${segments} segments of ${bytes} bytes; ${indexed}` +
        `${sealed ? '; every sealed field opens or is erased' : ''}.\n`,
    );
    return EXIT_OK;
  } finally {
    report.end();
    await lock?.release();
  }
}

/** So that nobody begins to write meanwhile; where nothing can be written at all, nobody will. */
async function tryLock(config: Config): Promise<FolderLock | undefined> {
  try {
    return await lockFolder(config.DATA_DIR, { command: 'check', onLost: () => undefined });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM' || code === 'ENOSPC') return undefined;
    throw error;
  }
}

async function openBoxes(config: Config): Promise<{ look: Look; close: () => Promise<void> }> {
  const keys = await openEmbeddedKeysToRead(join(config.DATA_DIR, 'keyring'));
  const obtain = () => Promise.reject(new Error('A check seals nothing.'));
  const codec = createSealedCodec({ keyring: { find: subjects => keys.find(subjects), obtain } });
  const openers: Readonly<Record<string, { open(batch: readonly RecordedEvent[]): Promise<unknown> }>> = {
    conversation: createConversationSerializer({ codec }),
    tenant: createTenantSerializer({ codec }),
  };
  const look: Look = async events => {
    for (const [category, opener] of Object.entries(openers)) {
      const batch = events.filter(({ stream }) => stream.startsWith(`${category}-`));
      const opened = await opener.open(batch).catch((error: unknown) => error as Error);
      if (!(opened instanceof Error)) continue;
      for (const event of batch) {
        const what = await opener.open([event]).then(
          () => undefined,
          (error: unknown) => (error as Error).message,
        );
        if (what !== undefined) return { event, what };
      }
    }
    return undefined;
  };
  return { look, close: () => keys.close() };
}
