/**
 * `verbatim backup`, by the server that has the data folder or from the folder itself, and `verbatim restore`, into a
 * folder that nobody has yet.
 */
import { resolve } from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { LoadedConfig } from '../config/config.ts';
import { lockFolder } from '../data-folder/lock.ts';
import type { FolderLock } from '../data-folder/lock.ts';
import { operatorProof } from '../data-folder/operator-proof.ts';
import { endRestore, expectRestorable, restoreFiles } from '../data-folder/restore.ts';
import { readSecret } from '../data-folder/secrets.ts';
import type { BackupResult } from '../event-store/log-upkeep.ts';
import { createLogger } from '../telemetry/logger.pino.ts';
import { findServer, openFolder } from './data-folder-access.ts';
import { expectEmbeddedLog, expectLogInFolder } from './embedded-log.ts';
import { openEngine } from './engine.ts';
import { CliFailure, EXIT_OK } from './failure.ts';
import { reportProgress } from './upkeep-progress.ts';
import type { ProgressReport } from './upkeep-progress.ts';
import { requestUpkeep } from './upkeep-request.ts';

const resultSchema = z.object({
  log: z.string(),
  position: z.number(),
  files: z.number(),
  bytes: z.number(),
  bytesCopied: z.number(),
});

export async function backUpFolder(
  { config }: Pick<LoadedConfig, 'config'>,
  command: { readonly target: string; readonly url?: string | undefined },
): Promise<number> {
  const target = resolve(command.target);
  const server = await findServer(config, command.url);
  const report = reportProgress('backup');
  try {
    const work = server === undefined ? inFolder(config, target, report) : overHttp(config, server, target, report);
    const { log, position, files, bytes, bytesCopied } = await work;
    report.end();
    process.stdout.write(
      `Log ${log} up to position ${position} is in ${target}: ${files} files, ${bytes} bytes, ${bytesCopied} of them copied now.\n`,
    );
    return EXIT_OK;
  } finally {
    report.end();
  }
}

async function inFolder(
  config: LoadedConfig['config'],
  target: string,
  { onProgress }: ProgressReport,
): Promise<BackupResult> {
  expectEmbeddedLog(config);
  const engine = await openFolder(config, 'backup');
  try {
    return await engine.upkeep.backup(target, { onProgress });
  } finally {
    await engine.close();
  }
}

async function overHttp(
  config: LoadedConfig['config'],
  server: string,
  target: string,
  { onProgress }: ProgressReport,
): Promise<BackupResult> {
  const secret = config.ROOT_SECRET ?? (await readSecret(config.DATA_DIR, 'root-secret'));
  if (secret === undefined)
    throw new CliFailure(
      'no-secret',
      `${config.DATA_DIR} holds no root secret: name the folder of that server, or set ROOT_SECRET.`,
    );
  const proof = operatorProof(Buffer.from(secret), `backup ${target}`, Date.now());
  const authorization = `Operator ${proof}`;
  const request = { server, path: '/v1/backups', authorization, body: { target }, what: 'the backup', onProgress };
  return requestUpkeep(request, resultSchema);
}

export async function restoreFolder({ config }: Pick<LoadedConfig, 'config'>, backup: string): Promise<number> {
  expectLogInFolder(config);
  const { DATA_DIR: directory } = config;
  // First, so that nothing is put into a folder that this is not to go into.
  await expectRestorable(backup, directory);
  const onLost = (): never => {
    throw new CliFailure('data-folder-in-use', `Another process has taken ${directory}.`);
  };
  const lock = await lockFolder(directory, { command: 'restore', onLost });
  const report = reportProgress('restore');
  const { onProgress } = report;
  try {
    const { manifest, log } = await restoreFiles(backup, directory, { newId: uuidv7, onProgress });
    report.end();
    await renew(config, log, { lock, onLost });
    process.stdout.write(
      `${directory} holds what log ${manifest.log} held at ${manifest.createdAt}, up to position ${manifest.position}, ` +
        `as log ${log}: clients that resume are told to begin anew.\n`,
    );
    return EXIT_OK;
  } finally {
    report.end();
    await lock.release();
  }
}

/**
 * Opens what was restored, which also destroys the keys of whom the log says is erased, and gives the log its id. The
 * mark goes while the lock is held: another restore must not find it and take the log's last segment back.
 */
async function renew(
  config: LoadedConfig['config'],
  log: string,
  { lock, onLost }: { readonly lock: FolderLock; readonly onLost: () => never },
): Promise<void> {
  const logger = createLogger({ level: 'warn', forTerminal: process.stderr.isTTY });
  const engine = await openEngine({ config, logger, onLost, command: 'restore', restoredAs: log, lock });
  try {
    await endRestore(config.DATA_DIR);
  } finally {
    await engine.close();
    logger.flushSync();
  }
}
