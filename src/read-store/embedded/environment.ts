/**
 * One lmdb environment, a folder of its own, which several threads of a process may have open. What is read comes from one
 * snapshot, taken afresh for each call, so that what another thread has committed is seen at once; and given up at its
 * end, since a reader that stays makes the file grow without end.
 *
 * Whatever is to be written is conditional on the version of one row, looked at and written in one transaction, in which
 * none of our code runs: nothing can throw in its middle, and only one of several writers can have it. Rows are handed
 * over as bytes, so that what cannot be encoded throws before anything is queued.
 *
 * Nothing waits for the disk: a commit is visible when it is with the operating system, which keeps it when the process
 * is killed at any instant. lmdb writes pages anew and turns to them by one last page, so what is half written is never
 * seen; when the machine loses its power, documents and checkpoint go back together to a state that was whole.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { asBinary, open } from 'lmdb';
import type { Database, RootDatabase } from 'lmdb';
import { lmdbFileIsWhole } from '../../data-folder/lmdb-file.ts';
import { UnavailableError } from '../../errors.ts';

/** lmdb's default encoding does not work in this project: see `overrides` in package.json. */
const ENCODED = { keyEncoding: 'binary' } as const;
const DATABASES_MAX = 64;

/** Of one transaction of a copy: lmdb's free list makes small commits crawl after larger ones. */
const COPY_ROWS_MAX = 256;
const COPY_BYTES_MAX = 8_388_608;
const AFTER = Buffer.of(0);

/** A row to be put, or without a value removed. */
export interface RowWrite {
  readonly database: Database<unknown, Buffer>;
  readonly key: Buffer;
  readonly value?: Buffer;
}

/** The row on whose version a write depends; undefined: it must not be there. */
export interface Guard {
  readonly database: Database<unknown, Buffer>;
  readonly key: Buffer;
  readonly version: number | undefined;
}

interface CopiedRow {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly version: number | undefined;
}

export class Environment {
  private readonly root: RootDatabase<unknown, Buffer>;
  /** For messages: `the read model messages.3`. */
  private readonly name: string;
  private readonly onTrouble: (trouble: string | undefined) => void;
  /** By name, whether its rows have versions. */
  private readonly databases = new Map<string, boolean>();
  private closed = false;

  /** @throws UnavailableError where the folder cannot be opened, or holds a file that is cut off */
  constructor(directory: string, name: string, onTrouble: (trouble: string | undefined) => void) {
    this.name = name;
    this.onTrouble = onTrouble;
    const file = join(directory, 'data.mdb');
    // An empty one was about to be made by another thread, or by a process that was killed: lmdb begins it.
    if (existsSync(file) && statSync(file).size > 0 && !lmdbFileIsWhole(file))
      throw this.unavailable('is damaged: while the server is stopped, delete its folder, and it is built again');
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      this.root = openRoot(directory);
    } catch (error) {
      throw this.unavailable('cannot be opened', error);
    }
  }

  /** JSON, by keys of bytes. */
  documents<Value>(name: string): Database<Value, Buffer> {
    return this.database({ name, encoding: 'json' });
  }

  /** The same, each with the number that guards go by. */
  guarded<Value>(name: string): Database<Value, Buffer> {
    return this.database({ name, encoding: 'json', useVersions: true });
  }

  texts(name: string): Database<string, Buffer> {
    return this.database({ name, encoding: 'string' });
  }

  private database<Value>(options: {
    readonly name: string;
    readonly encoding: 'json' | 'string';
    readonly useVersions?: boolean;
  }): Database<Value, Buffer> {
    this.databases.set(options.name, options.useVersions ?? false);
    try {
      return this.root.openDB<Value, Buffer>({ ...options, ...ENCODED });
    } catch (error) {
      throw this.unavailable('cannot be opened', error);
    }
  }

  /**
   * Runs at once, all of it on one snapshot; `run` must not give anything back that still reads.
   *
   * @throws UnavailableError where it is closed, or lmdb fails; what else `run` throws is thrown on
   */
  read<Result>(run: () => Result): Result {
    if (this.closed) throw this.unavailable('is closed');
    this.root.resetReadTxn();
    try {
      return run();
    } catch (error) {
      throw isLmdbError(error) ? this.unavailable('cannot be read', error) : error;
    } finally {
      this.root.resetReadTxn();
    }
  }

  /**
   * All of it or nothing, in one transaction; the guard's own row gets the next version with it. False where its version
   * is another by now.
   *
   * @throws UnavailableError where it is closed, or the disk is full or fails
   */
  async write(guard: Guard, value: Buffer, rows: readonly RowWrite[]): Promise<boolean> {
    if (this.closed) throw this.unavailable('is closed');
    const { database, key, version } = guard;
    const put = (): void => {
      for (const { database, key, value } of rows)
        if (value === undefined) void database.remove(key);
        else void database.put(key, asBinary(value));
      void database.put(key, asBinary(value), (version ?? 0) + 1);
    };
    try {
      const done = await (version === undefined
        ? database.ifNoExists(key, put)
        : database.ifVersion(key, version, put));
      this.onTrouble(undefined);
      return done;
    } catch (error) {
      // Why the commit failed is a second promise, which is rejected too.
      if (error instanceof Error && 'commitError' in error) Promise.resolve(error.commitError).catch(() => undefined);
      throw this.unavailable('cannot be written', error);
    }
  }

  /**
   * Only what can be read of the databases that were opened, into an empty folder; whoever asks keeps everybody from writing
   * meanwhile. Row by row: lmdb's own compacting copy has the age of its original and an empty free list, and aborts the
   * process in one of its next commits (kriszyp/lmdb-js#317).
   *
   * @throws UnavailableError
   */
  async copyCompacted(directory: string): Promise<void> {
    if (this.closed) throw this.unavailable('is closed');
    try {
      const copy = openRoot(directory);
      try {
        for (const [name, useVersions] of this.databases) {
          const settings = { name, encoding: 'binary', useVersions, ...ENCODED } as const;
          const [from, to] = [this.root.openDB<Buffer, Buffer>(settings), copy.openDB<Buffer, Buffer>(settings)];
          for (let rows = this.rowsBehind(from, undefined); rows.length > 0;) {
            await copy.transaction(() => {
              for (const { key, value, version } of rows)
                if (version === undefined) void to.put(key, value);
                else void to.put(key, value, version);
            });
            rows = this.rowsBehind(from, rows.at(-1)?.key);
          }
        }
        await copy.flushed;
      } finally {
        await copy.close();
      }
    } catch (error) {
      throw this.unavailable('cannot be copied', error);
    }
  }

  /** As many as one transaction takes. */
  private rowsBehind(database: Database<Buffer, Buffer>, key: Buffer | undefined): CopiedRow[] {
    return this.read(() => {
      const rows: CopiedRow[] = [];
      let bytes = 0;
      const start = key === undefined ? {} : { start: Buffer.concat([key, AFTER]) };
      for (const { key, value, version } of database.getRange({ ...start, limit: COPY_ROWS_MAX, versions: true })) {
        rows.push({ key: Buffer.from(key), value: Buffer.from(value), version });
        bytes += value.length;
        if (bytes > COPY_BYTES_MAX) break;
      }
      return rows;
    });
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.root.close();
  }

  private unavailable(what: string, cause?: unknown): UnavailableError {
    const message = `${this.name} ${what}.`;
    if (cause !== undefined) this.onTrouble(message);
    return new UnavailableError(message, { cause });
  }
}

/**
 * The map begins small and grows with the file. Batching by turn keeps a promise of its own, whose rejection on a full
 * disk nobody could handle.
 */
function openRoot(directory: string): RootDatabase<unknown, Buffer> {
  const settings = { noSubdir: false, maxDbs: DATABASES_MAX, eventTurnBatching: false } as const;
  return open<unknown, Buffer>({ path: directory, encoding: 'json', ...settings, ...ENCODED });
}

/** They carry lmdb's number, or that of the operating system. */
function isLmdbError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'number';
}
