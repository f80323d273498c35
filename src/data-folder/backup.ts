/**
 * A backup of a data folder that is in use: the log up to a durable position first, then the keyring (which so has every
 * key that the log needs), then the secrets, the manifest last. Into the same target again it copies what has changed,
 * and afterwards removes what only the backup before needed.
 */
import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { copySynced, MANIFEST, readManifest, writeManifest, writeSynced } from './backup-manifest.ts';
import type { BackupFile, CopyOptions } from './backup-manifest.ts';
import type { BackupResult, UpkeepOptions } from '../event-store/log-upkeep.ts';
import { SECRET_NAMES } from './secrets.ts';

/** In a folder that a backup was begun in: it may be gone on with. */
const MARK = 'verbatim-backup';
/** What a log's segment says of itself before its records. */
const SEGMENT_HEADER_BYTES = 64;
/** Reads, and writes of so much again. */
const BYTES_PER_SECOND_MAX = 96 * 1_048_576;

/** A folder that a backup may not go into. */
export class BackupTargetError extends Error {
  override readonly name = 'BackupTargetError';
}

/** The log's files: those before the last are complete, of the last only `bytes` count. */
export interface LogFiles {
  readonly position: number;
  readonly files: readonly { readonly name: string; readonly file: string; readonly bytes?: number }[];
}

export interface BackupSource {
  /** The data folder. */
  readonly directory: string;
  readonly log: string;
  readonly logFiles: () => LogFiles;
  /** Writes a copy of the keyring, as it is now, into a file. */
  readonly copyKeyring: (file: string) => Promise<void>;
  readonly clock: { now(): number };
}

/** @throws BackupTargetError, and the system's errors; what was there before stays a backup */
export async function backUp(source: BackupSource, target: string, options: UpkeepOptions = {}): Promise<BackupResult> {
  const previous = await openTarget(source, target);
  const run = source.clock.now().toString(36);
  const { position, files } = source.logFiles();
  const known = new Map((previous?.files ?? []).map(file => [file.path, file]));
  const sizes = await Promise.all(files.map(async ({ file, bytes }) => bytes ?? (await stat(file)).size));
  const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
  const stored: BackupFile[] = [];
  let [done, bytesCopied] = [0, 0];
  const copy = async (path: string, from: string, more: CopyOptions = {}): Promise<void> => {
    const name = `${path}.${run}`;
    const copied = await copySynced(from, join(target, name), { ...more, signal: options.signal });
    bytesCopied += copied.bytes;
    stored.push({ path, stored: name, ...copied });
  };
  for (const [i, { name, file, bytes }] of files.entries()) {
    const path = `log/segments/${name}`;
    const before = known.get(path);
    if (before !== undefined && before.bytes === sizes[i] && (await isSameSegment(file, target, before))) {
      stored.push(before);
      done += before.bytes;
    } else {
      const onBytes = (count: number): void => options.onProgress?.({ done: (done += count), total });
      await copy(path, file, { bytes, onBytes, bytesPerSecondMax: BYTES_PER_SECOND_MAX });
    }
    options.onProgress?.({ done, total });
  }
  // In a folder that nobody else may look into: whoever writes the copy gives it the mode that files have by default.
  const draft = join(target, 'keyring', `draft.${run}`);
  try {
    await mkdir(dirname(draft), { recursive: true, mode: 0o700 });
    await source.copyKeyring(draft);
    await copy('keyring/keys.1.mdb', draft);
  } finally {
    await rm(draft, { force: true });
  }
  for (const name of SECRET_NAMES) {
    const file = join(source.directory, name);
    if ((await sizeOf(file)) !== undefined) await copy(name, file);
  }
  const createdAt = new Date(source.clock.now()).toISOString();
  await writeManifest(target, { log: source.log, position, createdAt, files: stored });
  await removeOthers(target, new Set(stored.map(file => file.stored)));
  const bytes = stored.reduce((sum, file) => sum + file.bytes, 0);
  return { log: source.log, position, files: stored.length, bytes, bytesCopied };
}

async function openTarget({ directory, log }: BackupSource, target: string): ReturnType<typeof readManifest> {
  const [from, to] = [resolve(directory), resolve(target)];
  if (`${to}${sep}`.startsWith(`${from}${sep}`) || `${from}${sep}`.startsWith(`${to}${sep}`))
    throw new BackupTargetError(`${target} and the data folder are inside one another: name a folder elsewhere.`);
  await mkdir(target, { recursive: true, mode: 0o700 });
  const names = await readdir(target);
  const mark = join(target, MARK);
  if (names.length > 0 && !names.includes(MARK))
    throw new BackupTargetError(`${target} holds other things than a backup: name an empty folder, or a new one.`);
  const begun = names.includes(MARK) ? (await readFile(mark, 'utf8')).trim() : undefined;
  if (begun !== undefined && begun !== log)
    throw new BackupTargetError(`${target} holds a backup of another log (${begun}): name a folder for this one.`);
  if (begun === undefined) await writeSynced(mark, `${log}\n`);
  return readManifest(target);
}

/**
 * Whether what is stored is the segment that has as many bytes now. As it was written a segment only grows, and each
 * compacted form is shorter than the one before; but compacted it may have just the bytes that it had while it was
 * written. Its header tells: the format, and where the records end.
 */
async function isSameSegment(file: string, target: string, { stored, bytes }: BackupFile): Promise<boolean> {
  const copy = join(target, stored);
  return (await sizeOf(copy)) === bytes && (await headerOf(copy)).equals(await headerOf(file));
}

async function headerOf(file: string): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
    const { bytesRead } = await handle.read(header, 0, SEGMENT_HEADER_BYTES, 0);
    return header.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Undefined where there is no such file. */
async function sizeOf(file: string): Promise<number | undefined> {
  return stat(file).then(
    ({ size }) => size,
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    },
  );
}

/** What no manifest speaks of: left by a run that was cut off, or of the backup before. Old keys are among it. */
async function removeOthers(target: string, kept: ReadonlySet<string>): Promise<void> {
  for (const entry of await readdir(target, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(join(target, '/').length).split(sep).join('/');
    if (name !== MANIFEST && name !== MARK && !kept.has(name)) await rm(path, { force: true });
  }
}
