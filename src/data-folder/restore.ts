/**
 * A data folder made from a backup. It bears a mark, with the id that its log will have, until it is whole: a crash
 * leaves what the next run goes on with, and no server starts on it before.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { copySynced, DamagedBackupError, readManifest, writeSynced } from './backup-manifest.ts';
import type { BackupFile, BackupManifest } from './backup-manifest.ts';
import { syncPath } from './sync.ts';
import type { UpkeepOptions } from '../event-store/log-upkeep.ts';

const MARK = 'restoring.json';
/** A folder whose owners all left before they put anything into it is as good as empty. */
const LOCKS = 'lock';
const READ_BYTES = 1_048_576;

const markSchema = z.object({ createdAt: z.string(), from: z.string(), log: z.string() });

/** The folder holds something already, or what another restore has begun. */
export class RestoreTargetError extends Error {
  override readonly name = 'RestoreTargetError';
}

/** Whether a restore into this folder was begun and not ended. */
export function isBeingRestored(directory: string): boolean {
  return existsSync(join(directory, MARK));
}

export interface Restored {
  readonly manifest: BackupManifest;
  /** The id that the log is to get. */
  readonly log: string;
}

/**
 * Whether the backup may go into the folder, which is not touched.
 *
 * @throws DamagedBackupError, RestoreTargetError
 */
export async function expectRestorable(backup: string, directory: string): Promise<BackupManifest> {
  const manifest = await readManifest(backup);
  if (!manifest)
    throw new DamagedBackupError(`${backup} has no manifest: it is no backup, or one that was never finished.`);
  const names = await readdir(directory).catch((error: unknown): string[] => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  if (!names.includes(MARK) && names.some(name => name !== `${MARK}.part` && name !== LOCKS))
    throw new RestoreTargetError(`${directory} is not empty: a backup is restored into an empty folder, or a new one.`);
  return manifest;
}

/**
 * The folder is the caller's alone meanwhile (lock.ts). Copies the backup into it, every byte checked against the manifest, on disk when this resolves. The mark stays.
 *
 * @throws DamagedBackupError, RestoreTargetError
 */
export async function restoreFiles(
  backup: string,
  directory: string,
  { newId, onProgress, signal }: UpkeepOptions & { readonly newId: () => string },
): Promise<Restored> {
  const manifest = await expectRestorable(backup, directory);
  const log = await begin(manifest, directory, newId);
  const total = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  const onBytes = (bytes: number): void => onProgress?.({ done: (done += bytes), total });
  for (const file of manifest.files) {
    const target = join(directory, file.path);
    if (existsSync(target) && (await isAs(file, target))) {
      onBytes(file.bytes);
      continue;
    }
    const from = join(backup, file.stored);
    const copied = await copySynced(from, target, { signal, onBytes }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new DamagedBackupError(`${from} is in the manifest, and not there.`);
    });
    if (copied.sha256 === file.sha256 && copied.bytes === file.bytes) continue;
    await rm(target);
    throw new DamagedBackupError(`${from} is not as the manifest says: the backup is damaged.`);
  }
  return { manifest, log };
}

/** The restored log has its new id: the folder is one like any other. */
export async function endRestore(directory: string): Promise<void> {
  await rm(join(directory, MARK), { force: true });
  await syncPath(directory);
}

/** Gives the id that the log will have: a run that goes on has the one before's. */
async function begin(manifest: BackupManifest, directory: string, newId: () => string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, MARK);
  const { createdAt, log: from } = manifest;
  if (isBeingRestored(directory)) {
    const mark = markSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    if (mark.createdAt === createdAt && mark.from === from) return mark.log;
    throw new RestoreTargetError(
      `${directory} holds what the restore of another backup has begun: name an empty folder.`,
    );
  }
  const log = newId();
  await writeSynced(file, JSON.stringify({ createdAt, from, log }));
  return log;
}

async function isAs({ bytes, sha256 }: BackupFile, path: string): Promise<boolean> {
  const hash = createHash('sha256');
  const handle = await open(path, 'r');
  try {
    if ((await handle.stat()).size !== bytes) return false;
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
    }
    return hash.digest('hex') === sha256;
  } finally {
    await handle.close();
  }
}
