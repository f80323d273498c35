/**
 * What a backup says of itself, written last: without it there is no backup. A stored file is never written twice: what
 * changes is stored under another name, so that the backup before stays whole until the next one's manifest stands.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { syncPath } from './sync.ts';

export const MANIFEST = 'manifest.json';
const FORMAT = 1;
const COPY_BYTES = 1_048_576;

/** Below the folder, with `/`, and nowhere else. */
const relativePath = z.string().regex(/^(?!.*(^|\/)\.\.?(\/|$))[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/);

const fileSchema = z.object({
  /** Where it stands in a data folder. */
  path: relativePath,
  /** Where it stands in the backup. */
  stored: relativePath,
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type BackupFile = z.infer<typeof fileSchema>;

const manifestSchema = z.object({
  format: z.literal(FORMAT),
  /** The log's id when the backup was taken. */
  log: z.string(),
  /** Everything before it is in the backup. */
  position: z.int().min(0),
  /** ISO 8601 UTC. */
  createdAt: z.string(),
  files: z.array(fileSchema),
});
export type BackupManifest = z.infer<typeof manifestSchema>;

/** The folder is no backup, or not as its manifest says. */
export class DamagedBackupError extends Error {
  override readonly name = 'DamagedBackupError';
}

/** Undefined where there is none. @throws DamagedBackupError */
export async function readManifest(backup: string): Promise<BackupManifest | undefined> {
  const file = join(backup, MANIFEST);
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch {
    throw new DamagedBackupError(
      `${file} is no manifest of format ${FORMAT}: the backup is damaged, or a newer program's.`,
    );
  }
}

export async function writeManifest(backup: string, manifest: Omit<BackupManifest, 'format'>): Promise<void> {
  await writeSynced(join(backup, MANIFEST), `${JSON.stringify({ format: FORMAT, ...manifest }, undefined, 1)}\n`);
}

/** Whole and on disk before it has its name. */
export async function writeSynced(file: string, text: string): Promise<void> {
  const handle = await open(`${file}.part`, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.part`, file);
  await syncPath(dirname(file));
}

export interface CopyOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told of each piece. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Bytes from the start; absent: the whole file. */
  readonly bytes?: number | undefined;
  readonly bytesPerSecondMax?: number | undefined;
}

/** Copies a file, whole and on disk before it has its name, and gives its length and SHA-256. */
export async function copySynced(
  from: string,
  to: string,
  options: CopyOptions = {},
): Promise<Pick<BackupFile, 'bytes' | 'sha256'>> {
  const { signal, onBytes, bytesPerSecondMax = Infinity } = options;
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  const source = await open(from, 'r');
  try {
    const bytes = options.bytes ?? (await source.stat()).size;
    const target = await open(`${to}.part`, 'w', 0o600);
    const hash = createHash('sha256');
    try {
      const buffer = Buffer.allocUnsafeSlow(COPY_BYTES);
      for (let at = 0; at < bytes;) {
        signal?.throwIfAborted();
        const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, bytes - at), at);
        if (bytesRead === 0) throw new DamagedBackupError(`${from} ends at byte ${at}, and ${bytes} were expected.`);
        const piece = buffer.subarray(0, bytesRead);
        hash.update(piece);
        await target.writeFile(piece);
        at += bytesRead;
        onBytes?.(bytesRead);
        // Little at a time: appends to the log wait for the same disk.
        if (bytesPerSecondMax !== Infinity) {
          await target.datasync();
          await delay((bytesRead / bytesPerSecondMax) * 1_000);
        }
      }
      await target.sync();
    } finally {
      await target.close();
    }
    await rename(`${to}.part`, to);
    await syncPath(dirname(to));
    return { bytes, sha256: hash.digest('hex') };
  } finally {
    await source.close();
  }
}
