/**
 * One process owns a data folder. Node has no flock, so ownership is a chain of numbered files, `lock/1.json`,
 * `lock/2.json`, …, of which the highest counts. Invariants:
 * 1. The highest file is never deleted, only superseded: its owner is found gone (or has written `released`), and the
 *    next number is created exclusively. Of two starters one gets EEXIST and looks again.
 * 2. Who has created a number owns the folder only if it is the highest afterwards, so that a starter which looked long
 *    ago, at numbers since cleared away, finds that it lost.
 * Whether an owner is gone is told by its pid and start time. Where that cannot be told (another container, another
 * machine on a network folder, a torn file) it is gone when its heartbeat has been silent for LOCK_SILENCE_MS.
 */
import { mkdir, open, readFile, readdir, rename, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { currentProcess, livenessOf } from './process-identity.ts';
import type { ProcessIdentity } from './process-identity.ts';

const LOCK_HEARTBEAT_MS = 3_000;
const LOCK_SILENCE_MS = 15_000;
/** A holder that runs beats within so many, whatever the clock says. */
const BEATS_WATCHED_MIN = 2;
const LOCK_POLL_MS = 100;
/** A record that is only just being written settles sooner, and is not worth a line. */
const LOCK_NOTICE_AFTER_MS = 500;
/** Each attempt lost means that another starter has won meanwhile, and is then found running. */
const LOCK_ATTEMPTS_MAX = 50;

const recordSchema = z.object({
  pid: z.int().positive(),
  host: z.string(),
  /** What runs: `serve`, `import`. */
  command: z.string(),
  /** ISO 8601 UTC. */
  started: z.string(),
  /** Where it answers HTTP; absent until it does. */
  url: z.string().optional(),
  bootId: z.string().optional(),
  pidNamespace: z.string().optional(),
  startTicks: z.string().optional(),
  released: z.boolean().optional(),
});
export type LockOwner = z.infer<typeof recordSchema>;

export interface FolderLock {
  /** Tells others where the owner answers. */
  update(info: { readonly url: string }): Promise<void>;
  release(): Promise<void>;
}

export interface LockOptions {
  readonly command: string;
  /** Another process has taken the folder although this one runs (it was suspended, and taken for dead): stop at once. */
  readonly onLost: () => void;
  /** Told once when a holder must be watched for a heartbeat, which takes up to `ms`. */
  readonly onWait?: (owner: LockOwner | undefined, ms: number) => void;
  readonly silenceMs?: number;
  readonly heartbeatMs?: number;
  /** For tests. */
  readonly self?: ProcessIdentity;
}

/** The folder belongs to another running process. */
export class FolderLockedError extends Error {
  override readonly name = 'FolderLockedError';
  readonly owner: LockOwner | undefined;
  constructor(directory: string, owner: LockOwner | undefined) {
    const who = owner === undefined ? 'a process that left no name' : describeOwner(owner);
    super(`${directory} is in use by ${who}: stop it, or name another folder with DATA_DIR or --data-dir.`);
    this.owner = owner;
  }
}

export function describeOwner(owner: LockOwner): string {
  const where = owner.url === undefined ? '' : ` at ${owner.url}`;
  return `\`verbatim ${owner.command}\`${where} (pid ${owner.pid} on ${owner.host}, since ${owner.started})`;
}

/** @throws FolderLockedError */
export async function lockFolder(directory: string, options: LockOptions): Promise<FolderLock> {
  const locks = join(directory, 'lock');
  await mkdir(locks, { recursive: true, mode: 0o700 });
  const self = options.self ?? (await currentProcess());
  const record: LockOwner = { ...self, command: options.command, started: new Date().toISOString() };
  for (let attempt = 0; attempt < LOCK_ATTEMPTS_MAX; attempt += 1) {
    const highest = await highestNumber(locks);
    if (highest > 0) {
      const holder = await watchHolder(locks, highest, self, options);
      if (holder.held) throw new FolderLockedError(directory, holder.owner);
    }
    const number = highest + 1;
    if (!(await createRecord(locks, number, record))) continue;
    if ((await highestNumber(locks)) === number) {
      await clearBelow(locks, number);
      return holdLock(locks, number, record, options);
    }
    await unlink(lockFile(locks, number)).catch(ignoreMissing);
  }
  throw new FolderLockedError(directory, undefined);
}

/** The running owner of a folder; undefined where nobody has it. Looks, and waits for nothing. */
export async function readLockOwner(directory: string): Promise<LockOwner | undefined> {
  const locks = join(directory, 'lock');
  const highest = await highestNumber(locks);
  if (highest === 0) return undefined;
  const owner = await readRecord(lockFile(locks, highest));
  if (owner === undefined || owner.released === true) return undefined;
  return (await livenessOf(owner, await currentProcess())) === 'gone' ? undefined : owner;
}

function lockFile(locks: string, number: number): string {
  return join(locks, `${number}.json`);
}

function numberOf(name: string): number {
  const match = /^(\d{1,15})\.json$/.exec(name);
  return match ? Number(match[1]) : 0;
}

async function highestNumber(locks: string): Promise<number> {
  const names = await readdir(locks).catch(ignoreMissing);
  return Math.max(0, ...(names ?? []).map(numberOf));
}

/** False where the number is taken. */
async function createRecord(locks: string, number: number, record: LockOwner): Promise<boolean> {
  try {
    const file = await open(lockFile(locks, number), 'wx', 0o600);
    try {
      await file.writeFile(JSON.stringify(record));
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined for a file that is gone, half written or torn. */
async function readRecord(path: string): Promise<LockOwner | undefined> {
  const text = await readFile(path, 'utf8').catch(ignoreMissing);
  if (text === undefined) return undefined;
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Answers as soon as it is certain that the holder runs or is gone, at the latest after the silence. */
async function watchHolder(
  locks: string,
  number: number,
  self: ProcessIdentity,
  options: LockOptions,
): Promise<{ held: boolean; owner: LockOwner | undefined }> {
  const path = lockFile(locks, number);
  const silenceMs = options.silenceMs ?? LOCK_SILENCE_MS;
  const begunMs = performance.now();
  let firstBeatMs: number | undefined;
  let creditMs = 0;
  let told = false;
  for (;;) {
    const beatMs = (await stat(path).catch(ignoreMissing))?.mtimeMs;
    const owner = await readRecord(path);
    if (beatMs === undefined || owner?.released === true) return { held: false, owner };
    const liveness = owner === undefined ? 'unsure' : await livenessOf(owner, self);
    if (liveness !== 'unsure') return { held: liveness === 'running', owner };
    if (firstBeatMs === undefined) {
      firstBeatMs = beatMs;
      // On one kernel both read one clock, and the silence so far counts; not all of it, since a clock that was set
      // forward makes a silence of a beat that is not due yet.
      const creditMsMax = silenceMs - BEATS_WATCHED_MIN * (options.heartbeatMs ?? LOCK_HEARTBEAT_MS);
      if (owner?.bootId !== undefined && owner.bootId === self.bootId)
        creditMs = Math.max(0, Math.min(creditMsMax, Date.now() - beatMs));
    } else if (beatMs !== firstBeatMs && owner !== undefined) return { held: true, owner };
    const waitedMs = performance.now() - begunMs;
    if (waitedMs + creditMs >= silenceMs) return { held: false, owner };
    if (!told && waitedMs >= LOCK_NOTICE_AFTER_MS) {
      told = true;
      options.onWait?.(owner, silenceMs - creditMs - waitedMs);
    }
    await delay(LOCK_POLL_MS);
  }
}

/** Keeps the one below, so that a listing read while the highest changes hands still shows a higher number than it. */
async function clearBelow(locks: string, number: number): Promise<void> {
  for (const name of await readdir(locks)) {
    const stale = name.endsWith('.tmp') ? !name.startsWith(`${number}.`) : numberOf(name) < number - 1;
    if (stale) await unlink(join(locks, name)).catch(ignoreMissing);
  }
}

function holdLock(locks: string, number: number, first: LockOwner, options: LockOptions): FolderLock {
  const path = lockFile(locks, number);
  let record = first;
  let done = false;
  const write = async (next: LockOwner): Promise<void> => {
    record = next;
    const temporary = join(locks, `${number}.tmp`);
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(next));
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  };
  const beat = async (): Promise<void> => {
    const now = new Date();
    const present = await utimes(path, now, now).then(
      () => true,
      (error: unknown) => (error as NodeJS.ErrnoException).code !== 'ENOENT',
    );
    const lost = !present || (await highestNumber(locks)) > number;
    if (done || !lost) return;
    done = true;
    clearInterval(timer);
    options.onLost();
  };
  const timer = setInterval(() => {
    // A beat that fails for another reason (an I/O error) is not yet a loss; the next one may succeed.
    beat().catch(() => undefined);
  }, options.heartbeatMs ?? LOCK_HEARTBEAT_MS);
  timer.unref();
  return {
    update: info => write({ ...record, url: info.url }),
    release: async () => {
      clearInterval(timer);
      if (done) return;
      done = true;
      await write({ ...record, released: true });
    },
  };
}

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  return undefined;
}
