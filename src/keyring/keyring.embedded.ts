/**
 * The keyring in lmdb, an environment of its own. Rows of `keys`: tenant LF subject -> a byte for the kind and, while
 * there is one, the key. What is made in one turn is committed together, synced before anybody gets it.
 *
 * lmdb frees pages without clearing them, so a row that was deleted stays readable in the file. So destroying is
 * (1) a transaction that leaves the mark in place of the key and notes that this file is to be replaced, (2) a compacting
 * copy, which takes only live rows along, into the next generation (keyring-files.ts), (3) wiping the old file. After a
 * crash between 1 and 3, opening finishes the rest.
 */
import { randomBytes } from 'node:crypto';
import { open } from 'lmdb';
import type { Database, RootDatabase } from 'lmdb';
import { UnavailableError } from '../errors.ts';
import { lmdbFileIsWhole } from '../data-folder/lmdb-file.ts';
import { KeyringDamagedError, KeyringFiles, KeyringMissingError } from './keyring-files.ts';
import { KEY_BYTES, subjectName } from './keyring.ts';
import type { Keyring, SubjectId, SubjectKey } from './keyring.ts';

/** Larger transactions make lmdb's free list crawl. */
const TRANSACTION_ROWS_MAX = 256;
const KIND_ERASED = 0;
const KIND_KEY = 1;
/** The generation whose file holds destroyed keys in its free pages. */
const TO_REPLACE = Buffer.from('toReplace');

export interface EmbeddedKeyringOptions {
  readonly directory: string;
  /** Whether it may be a new one: only where nothing has been sealed yet. */
  readonly mayBegin: boolean;
}

/** A keyring of which a copy can be made while it is in use. */
export interface CopiedKeyring extends Keyring {
  /** Writes all of it, as it is now, into a file that can be the first generation of another. */
  copyTo(file: string): Promise<void>;
}

/** @throws KeyringMissingError, KeyringDamagedError */
export async function openEmbeddedKeyring({ directory, mayBegin }: EmbeddedKeyringOptions): Promise<CopiedKeyring> {
  const files = new KeyringFiles(directory);
  const present = await files.settle();
  if (present === undefined && !mayBegin) throw new KeyringMissingError(directory);
  const generation = present ?? 1;
  if (!lmdbFileIsWhole(files.path(generation))) throw new KeyringDamagedError(files.path(generation));
  const environment = openEnvironment(files.path(generation));
  if (present === undefined) await files.sync();
  const keyring = new EmbeddedKeyring(files, generation, environment);
  await keyring.finishReplacing();
  return keyring;
}

/** Whether the folder holds a keyring; nothing is changed. */
export async function hasEmbeddedKeyring(directory: string): Promise<boolean> {
  return (await new KeyringFiles(directory).present()) !== undefined;
}

/**
 * The keys alone, of a folder that is the caller's and stays as it is, but for lmdb's own lock file: what a crash has
 * left to be wiped is left.
 *
 * @throws KeyringMissingError, KeyringDamagedError
 */
export async function openEmbeddedKeysToRead(directory: string): Promise<Pick<Keyring, 'find' | 'close'>> {
  const files = new KeyringFiles(directory);
  const generation = await files.present();
  if (generation === undefined) throw new KeyringMissingError(directory);
  if (!lmdbFileIsWhole(files.path(generation))) throw new KeyringDamagedError(files.path(generation));
  return new EmbeddedKeyring(files, generation, openEnvironment(files.path(generation), { readOnly: true }));
}

interface Environment {
  readonly root: RootDatabase<Buffer, Buffer>;
  readonly keys: Database<Buffer, Buffer>;
  readonly meta: Database<Buffer, Buffer>;
}

function openEnvironment(path: string, { readOnly = false } = {}): Environment {
  const encodings = { encoding: 'binary', keyEncoding: 'binary' } as const;
  // Without overlapping syncs a commit resolves, and is visible, only when it is on disk.
  // Batching by turn keeps a promise of its own, whose rejection on a full disk nobody could handle.
  const settings = { noSubdir: true, maxDbs: 2, overlappingSync: false, eventTurnBatching: false } as const;
  const root = open<Buffer, Buffer>({ path, readOnly, ...settings, ...encodings });
  return {
    root,
    keys: root.openDB<Buffer, Buffer>({ name: 'keys', ...encodings }),
    meta: root.openDB<Buffer, Buffer>({ name: 'meta', ...encodings }),
  };
}

/** Names that wait for the turn in which they are all dealt with. */
interface Gathering<Result> {
  readonly names: Set<string>;
  readonly done: Promise<Result>;
}

class EmbeddedKeyring implements CopiedKeyring {
  private readonly files: KeyringFiles;
  private generation: number;
  private environment: Environment;
  /** Generations that were replaced, and are not wiped yet. */
  private readonly leftBehind = new Set<number>();
  /** Writes take turns. */
  private turn: Promise<unknown> = Promise.resolve();
  private making: Gathering<ReadonlyMap<string, SubjectKey>> | undefined;
  private destroying: Gathering<void> | undefined;

  constructor(files: KeyringFiles, generation: number, environment: Environment) {
    this.files = files;
    this.generation = generation;
    this.environment = environment;
  }

  find(subjects: readonly SubjectId[]): Promise<readonly (SubjectKey | undefined)[]> {
    return attempt(() => subjects.map(subject => this.read(subjectName(subject))));
  }

  async obtain(subjects: readonly SubjectId[]): Promise<readonly SubjectKey[]> {
    const names = subjects.map(subjectName);
    const found = names.map(name => this.read(name));
    const missing = names.filter((_, i) => found[i] === undefined);
    const made = missing.length === 0 ? undefined : await this.make(missing);
    return names.map((name, i) => found[i] ?? made?.get(name) ?? notMade());
  }

  async destroy(subjects: readonly SubjectId[]): Promise<void> {
    this.destroying ??= this.gather(
      names => this.destroyNow(names),
      () => (this.destroying = undefined),
    );
    for (const subject of subjects) this.destroying.names.add(subjectName(subject));
    await this.destroying.done;
  }

  tenants(): Promise<readonly string[]> {
    return attempt(() => {
      const tenants: string[] = [];
      let start = Buffer.alloc(0);
      for (;;) {
        const [first] = this.environment.keys.getKeys({ start, limit: 1 });
        if (first === undefined) return tenants;
        const tenant = first.toString().split('\n', 1)[0] ?? '';
        tenants.push(tenant);
        // Behind every row of this tenant: the separator's next byte.
        start = Buffer.from(`${tenant}\u000b`);
      }
    });
  }

  async copyTo(file: string): Promise<void> {
    await this.inTurn(async () => {
      // Destroyed keys may stand in free pages until the file was replaced, and a copy must not have them.
      if (this.isToReplace()) await this.replaceFile();
      await this.environment.root.backup(file, true);
    });
  }

  async close(): Promise<void> {
    await this.turn;
    await this.environment.root.close();
  }

  /** After a crash between a destruction and its rewrite. */
  async finishReplacing(): Promise<void> {
    if (this.isToReplace()) await this.inTurn(() => this.replaceFile());
  }

  private isToReplace(): boolean {
    return this.environment.meta.get(TO_REPLACE)?.readDoubleLE(0) === this.generation;
  }

  private read(name: string): SubjectKey | undefined {
    const row = this.environment.keys.get(Buffer.from(name));
    if (row === undefined) return undefined;
    return row[0] === KIND_KEY ? row.subarray(1) : 'erased';
  }

  private async make(names: readonly string[]): Promise<ReadonlyMap<string, SubjectKey>> {
    this.making ??= this.gather(
      names => this.makeNow(names),
      () => (this.making = undefined),
    );
    for (const name of names) this.making.names.add(name);
    return this.making.done;
  }

  /** What is asked for until its turn comes is done in one. */
  private gather<Result>(run: (names: readonly string[]) => Promise<Result>, begun: () => void): Gathering<Result> {
    const names = new Set<string>();
    const done = this.inTurn(() => {
      begun();
      return run([...names]);
    });
    return { names, done };
  }

  private inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    const result = this.turn.then(run);
    this.turn = result.catch(() => undefined);
    return result;
  }

  private async makeNow(names: readonly string[]): Promise<ReadonlyMap<string, SubjectKey>> {
    // A rewrite that failed may have left a next generation, which counts at the next opening: no key is put into this one.
    if (this.isToReplace()) await this.replaceFile();
    const keys = new Map<string, SubjectKey>();
    const rows: [string, Buffer][] = [];
    for (const name of names) {
      const present = this.read(name);
      const key = present ?? randomBytes(KEY_BYTES);
      keys.set(name, key);
      if (present === undefined) rows.push([name, Buffer.concat([Buffer.of(KIND_KEY), key as Uint8Array])]);
    }
    await this.write(rows);
    return keys;
  }

  private async destroyNow(names: readonly string[]): Promise<void> {
    const present = names.filter(name => this.read(name) !== 'erased');
    // A rewrite that failed before is made up for.
    if (present.length === 0 && !this.isToReplace()) {
      await this.wipeLeftBehind();
      return;
    }
    const noted = Buffer.alloc(8);
    noted.writeDoubleLE(this.generation, 0);
    // First: rows that are gone must never be without the note.
    await this.commit([[this.environment.meta, TO_REPLACE, noted]]);
    await this.write(present.map(name => [name, Buffer.of(KIND_ERASED)]));
    await this.replaceFile();
  }

  /** Resolves when the rows are on disk. */
  private async write(rows: readonly (readonly [string, Buffer])[]): Promise<void> {
    const { keys } = this.environment;
    for (let at = 0; at < rows.length; at += TRANSACTION_ROWS_MAX)
      await this.commit(
        rows.slice(at, at + TRANSACTION_ROWS_MAX).map(([name, row]) => [keys, Buffer.from(name), row] as const),
      );
    await this.environment.root.flushed;
  }

  /** One transaction. Always a batch: the promise of a put by itself never settles where the disk is full. */
  private async commit(puts: readonly (readonly [Database<Buffer, Buffer>, Buffer, Buffer])[]): Promise<void> {
    try {
      await this.environment.root.batch(() => {
        for (const [database, key, value] of puts) void database.put(key, value);
      });
    } catch (error) {
      // Why the commit failed is a second promise, which is rejected too.
      if (error instanceof Error && 'commitError' in error) Promise.resolve(error.commitError).catch(() => undefined);
      throw new UnavailableError('The keyring cannot be written.', { cause: error });
    }
  }

  private async replaceFile(): Promise<void> {
    const next = this.generation + 1;
    await this.files.discardDraft(next);
    await this.environment.root.backup(this.files.draft(next), true);
    await this.files.publish(next);
    const replaced = { environment: this.environment, generation: this.generation };
    this.environment = openEnvironment(this.files.path(next));
    this.generation = next;
    this.leftBehind.add(replaced.generation);
    await replaced.environment.root.close();
    await this.wipeLeftBehind();
  }

  private async wipeLeftBehind(): Promise<void> {
    for (const generation of this.leftBehind) {
      await this.files.wipe(generation);
      this.leftBehind.delete(generation);
    }
  }
}

function notMade(): never {
  throw new Error('The keyring has made no key where one was asked for.');
}

/** A promise of what is read at once. */
function attempt<Result>(read: () => Result): Promise<Result> {
  return new Promise(resolve => {
    resolve(read());
  });
}
