/**
 * The files of the embedded keyring: `keys.<generation>.mdb` in a folder of their own, of which the highest generation
 * counts. A rewrite makes the next generation beside the present one and gives it its name when it is whole and on
 * disk; what is left behind is overwritten before it is deleted, at once or, after a crash, at the next opening.
 */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncPath } from '../data-folder/sync.ts';

const NAME = /^keys\.(\d{1,15})\.mdb$/;
const WIPE_BYTES = 1_048_576;

/** The log has begun and its keyring is not there: a new one would open nothing of it. */
export class KeyringMissingError extends Error {
  override readonly name = 'KeyringMissingError';
  constructor(directory: string) {
    super(
      `${directory} holds no keyring, and the log was begun with one: nothing personal in it can be read without. ` +
        'Restore the folder from a backup of the same log.',
    );
  }
}

/** The keys are those of another log: what they open and what is erased in them is not ours. */
export class KeyringOfAnotherLogError extends Error {
  override readonly name = 'KeyringOfAnotherLogError';
  constructor(place: string, log: string) {
    super(`${place} holds the keyring of another log, ${log}: name a database that no other log has.`);
  }
}

/** The file was cut off or is none of lmdb's, so its keys are not there. */
export class KeyringDamagedError extends Error {
  override readonly name = 'KeyringDamagedError';
  constructor(path: string) {
    super(`${path} is cut off, or is no keyring: restore it from a backup of the same log.`);
  }
}

export class KeyringFiles {
  private readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  path(generation: number): string {
    return join(this.directory, `keys.${generation}.mdb`);
  }

  /** Where the next generation is written before it has a name. */
  draft(generation: number): string {
    return join(this.directory, `keys.${generation}.draft`);
  }

  /** The generation that counts; undefined where there is none. Nothing is changed. */
  async present(): Promise<number | undefined> {
    const names = (await readdir(this.directory).catch(ignoreMissing)) ?? [];
    const generations = names.flatMap(name => Number(NAME.exec(name)?.[1] ?? []));
    return generations.length === 0 ? undefined : Math.max(...generations);
  }

  /** The same; everything else in the folder is wiped. */
  async settle(): Promise<number | undefined> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const highest = await this.present();
    const names = await readdir(this.directory);
    const kept = highest === undefined ? undefined : this.path(highest);
    for (const name of names) {
      const path = join(this.directory, name);
      if (path !== kept) await wipe(path);
    }
    await syncPath(this.directory);
    return highest;
  }

  /** Of a rewrite that failed. */
  discardDraft(generation: number): Promise<void> {
    return wipe(this.draft(generation));
  }

  /** Gives a written draft its name, durably. */
  async publish(generation: number): Promise<void> {
    await syncPath(this.draft(generation));
    await rename(this.draft(generation), this.path(generation));
    await syncPath(this.directory);
  }

  async wipe(generation: number): Promise<void> {
    await wipe(this.path(generation));
    await wipe(`${this.path(generation)}-lock`);
    await syncPath(this.directory);
  }

  /** Makes the names in the folder durable. */
  sync(): Promise<void> {
    return syncPath(this.directory);
  }
}

/** A file that is only unlinked stays readable on the disk; one that is overwritten first does not, where the disk writes in place. */
async function wipe(path: string): Promise<void> {
  const file = await open(path, 'r+').catch(ignoreMissing);
  if (file === undefined) return;
  try {
    const { size } = await file.stat();
    const zeros = Buffer.alloc(Math.min(size, WIPE_BYTES));
    for (let at = 0; at < size; at += zeros.length) await file.write(zeros, 0, Math.min(zeros.length, size - at), at);
    await file.sync();
  } finally {
    await file.close();
  }
  await rm(path, { force: true });
}

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
