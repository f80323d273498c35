/**
 * The keyring on a MongoDB replica set: a row for each person in `keys`, with the key while there is one, and the mark of the erased
 * in its place after. Whatever is answered has reached a majority's journals, so no failover brings an erased key back.
 *
 * Of a key that was replaced by the mark, MongoDB's own files may still hold the bytes for a while (free pages, the oplog,
 * backups): docs/operators/mongodb.md says what to do about them.
 */
import { randomBytes } from 'node:crypto';
import { Binary } from 'mongodb';
import type { Collection } from 'mongodb';
import { isDuplicateKey } from '../read-store/mongodb/failures.ts';
import { MongoDbLink } from '../read-store/mongodb/link.ts';
import type { MongoDbLinkOptions } from '../read-store/mongodb/link.ts';
import { KeyringMissingError, KeyringOfAnotherLogError } from './keyring-files.ts';
import { KEY_BYTES, subjectName } from './keyring.ts';
import type { Keyring, SubjectId, SubjectKey } from './keyring.ts';

interface KeyRow {
  /** `subjectName` */
  readonly _id: string;
  readonly tenant: string;
  /** Null once it is erased. */
  readonly key: Binary | null;
}

/** That there is a keyring. */
interface MarkRow {
  readonly _id: string;
  /** The id of the log whose keys these are; absent until that log has begun. */
  readonly log?: string;
}

const BEGUN = { _id: 'begun' } as const;
const PLACE = 'The MongoDB that MONGODB_URL names';

/** Logs may have the same tenants, and the same persons in them: keys do not tell whose they are. */
export interface MongoDbKeyring extends Keyring {
  /** Makes it this log's, as soon as the log has begun. @throws KeyringOfAnotherLogError, UnavailableError */
  bind(log: string): Promise<void>;
}

/** Subjects of one command. */
const BATCH_MAX = 500;
/** Two who make one row at once: one of them is told so, and finds it the next time. */
const TRIES_MAX = 5;

export interface MongoDbKeyringOptions extends MongoDbLinkOptions {
  /** Whether it may be a new one: only where nothing has been sealed yet. */
  readonly mayBegin: boolean;
  /** Whether the log has this id, or had it before it was restored or copied. */
  readonly isOurs: (log: string) => Promise<boolean>;
}

/**
 * @throws BadMongoDbUrlError, UnavailableError, KeyringMissingError where there is none and none may begin,
 *   KeyringOfAnotherLogError: so that no log begins with keys that are not its own
 */
export async function openMongoDbKeyring(options: MongoDbKeyringOptions): Promise<MongoDbKeyring> {
  const keyring = new KeyringOnMongoDb(new MongoDbLink(options), options.isOurs);
  try {
    await keyring.open(options.mayBegin);
    return keyring;
  } catch (error) {
    await keyring.close();
    throw error;
  }
}

class KeyringOnMongoDb implements MongoDbKeyring {
  private readonly link: MongoDbLink;
  private readonly isOurs: MongoDbKeyringOptions['isOurs'];

  constructor(link: MongoDbLink, isOurs: MongoDbKeyringOptions['isOurs']) {
    this.link = link;
    this.isOurs = isOurs;
  }

  /** The mark tells a keyring without keys from one that is not there. */
  async open(mayBegin: boolean): Promise<void> {
    if (mayBegin) await this.link.run(() => this.marks.updateOne(BEGUN, { $setOnInsert: BEGUN }, { upsert: true }));
    const mark = await this.link.run(() => this.marks.findOne(BEGUN));
    if (mark === null) throw new KeyringMissingError(PLACE);
    await this.expectOurs(mark);
  }

  async bind(log: string): Promise<void> {
    await this.link.run(() => this.marks.updateOne({ ...BEGUN, log: { $exists: false } }, { $set: { log } }));
    // Another log may have been first.
    await this.expectOurs(await this.link.run(() => this.marks.findOne(BEGUN)));
  }

  private async expectOurs(mark: MarkRow | null): Promise<void> {
    if (mark?.log !== undefined && !(await this.isOurs(mark.log))) throw new KeyringOfAnotherLogError(PLACE, mark.log);
  }

  async find(subjects: readonly SubjectId[]): Promise<readonly (SubjectKey | undefined)[]> {
    const names = subjects.map(subjectName);
    const found = await this.read(names);
    return names.map(name => found.get(name));
  }

  async obtain(subjects: readonly SubjectId[]): Promise<readonly SubjectKey[]> {
    const names = subjects.map(subjectName);
    const found = await this.read(names);
    const missing = subjects.filter(subject => !found.has(subjectName(subject)));
    if (missing.length > 0) await this.insertAbsent(missing);
    // Not what was drawn here: another may have been first.
    const made = missing.length === 0 ? found : await this.read(missing.map(subjectName));
    return names.map(name => found.get(name) ?? made.get(name) ?? notMade());
  }

  async destroy(subjects: readonly SubjectId[]): Promise<void> {
    await this.write(subjects, tenant => ({ $set: { tenant, key: null } }));
  }

  async tenants(): Promise<readonly string[]> {
    const tenants: string[] = [];
    // From each to the next, along the ids: however many persons they have, nobody is read twice.
    for (let from = ''; ;) {
      const sorted = { sort: { _id: 1 }, maxTimeMS: this.link.timeoutMs } as const;
      const [first] = await this.link.run(() =>
        this.rows.find({ _id: { $gte: from } }, { ...sorted, limit: 1 }).toArray(),
      );
      if (first === undefined) return tenants;
      tenants.push(first.tenant);
      // Behind every row of this tenant: the separator's next byte.
      from = `${first.tenant}\u000b`;
    }
  }

  close(): Promise<void> {
    return this.link.close();
  }

  private async read(names: readonly string[]): Promise<ReadonlyMap<string, SubjectKey>> {
    const found = new Map<string, SubjectKey>();
    const distinct = [...new Set(names)];
    for (let at = 0; at < distinct.length; at += BATCH_MAX) {
      const filter = { _id: { $in: distinct.slice(at, at + BATCH_MAX) } };
      const rows = await this.link.run(() => this.rows.find(filter, { maxTimeMS: this.link.timeoutMs }).toArray());
      // A copy: the driver's bytes are a part of a whole answer's, which would be kept as long as the key.
      for (const { _id, key } of rows) found.set(_id, key === null ? 'erased' : Uint8Array.from(key.value()));
    }
    return found;
  }

  /** Leaves what is there. A write that changes nothing waits for a majority too, so that what is read next is durable. */
  private async insertAbsent(subjects: readonly SubjectId[]): Promise<void> {
    await this.write(subjects, tenant => ({
      $setOnInsert: { tenant, key: new Binary(randomBytes(KEY_BYTES)) },
    }));
  }

  private async write(
    subjects: readonly SubjectId[],
    updateOf: (
      tenant: string,
    ) => { readonly $set: Omit<KeyRow, '_id'> } | { readonly $setOnInsert: Omit<KeyRow, '_id'> },
  ): Promise<void> {
    for (let at = 0; at < subjects.length; at += BATCH_MAX) {
      const operations = subjects.slice(at, at + BATCH_MAX).map(subject => ({
        updateOne: { filter: { _id: subjectName(subject) }, update: updateOf(subject.tenant), upsert: true },
      }));
      await this.link.run(async () => {
        for (let tries = 1; ; tries++) {
          try {
            await this.rows.bulkWrite(operations, { ordered: false });
            return;
          } catch (error) {
            if (!isDuplicateKey(error) || tries === TRIES_MAX) throw error;
          }
        }
      });
    }
  }

  private get marks(): Collection<MarkRow> {
    return this.link.database.collection('keyring');
  }

  private get rows(): Collection<KeyRow> {
    return this.link.database.collection('keys');
  }
}

function notMade(): never {
  throw new Error('The keyring has made no key where one was asked for.');
}
