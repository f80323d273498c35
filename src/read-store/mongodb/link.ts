/**
 * A MongoDB as an adapter uses it: bounds on everything, the driver's errors translated, and what is known of why it is
 * away.
 *
 * All reads are of what a majority has, and of the primary unless a walk says that it may lag; all writes wait for a
 * majority and its journals: whatever is answered or acknowledged outlives the loss of any minority of the set. Options of
 * the URL do not change that.
 */
import { MongoClient, ReadConcern, WriteConcern } from 'mongodb';
import type { Db, TopologyDescriptionChangedEvent } from 'mongodb';
import { UnavailableError } from '../../errors.ts';
import { MONGODB_LIMITS } from '../mongodb-limits.ts';
import { BadMongoDbUrlError, failureOf } from './failures.ts';

export interface MongoDbLinkOptions {
  /** `mongodb://…` or `mongodb+srv://…` of a replica set; the database it names, else `verbatim`. */
  readonly url: string;
  /** One operation of a port, with finding a server and every retry. */
  readonly timeoutMs?: number;
  /** Connections to each server. */
  readonly poolMax?: number;
}

/** Where the URL names no database. The driver would take `test`. */
const DATABASE = 'verbatim';

export class MongoDbLink {
  readonly database: Db;
  readonly timeoutMs: number;
  readonly client: MongoClient;
  /** Why the last operation failed; undefined since one succeeded. */
  private failed: string | undefined;
  /** Why no operation can succeed. */
  private away: string | undefined;
  private isConnected = false;
  private isClosed = false;

  /** Connects at the first operation. @throws BadMongoDbUrlError */
  constructor({ url, timeoutMs = MONGODB_LIMITS.timeoutMs, poolMax = MONGODB_LIMITS.poolMax }: MongoDbLinkOptions) {
    this.timeoutMs = timeoutMs;
    this.client = openClient(url, timeoutMs, poolMax);
    this.database = this.client.db(/^[a-z+]+:\/\/[^/?]*\/([^?]+)/.test(url) ? undefined : DATABASE, {
      readPreference: 'primary',
      readConcern: new ReadConcern('majority'),
      writeConcern: this.writeConcern,
    });
    this.client.on('topologyDescriptionChanged', ({ newDescription }: TopologyDescriptionChangedEvent) => {
      // Before the first answer nothing is known.
      if (newDescription.type === 'ReplicaSetWithPrimary' || newDescription.type === 'Sharded') this.away = undefined;
      else if (newDescription.type === 'ReplicaSetNoPrimary') this.away = 'No primary of the MongoDB is reachable.';
    });
  }

  get writeConcern(): WriteConcern {
    return new WriteConcern('majority', this.timeoutMs, true);
  }

  /**
   * Runs operations as one, which is given up after `timeoutMs`: what the driver still does of it ends by bounds of its
   * own, and `signal` says that nothing more is to be begun.
   *
   * @throws UnavailableError
   */
  async run<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    if (this.isClosed) throw new UnavailableError('The MongoDB was let go of.');
    const late = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const error = new UnavailableError(`MongoDB has not answered within ${this.timeoutMs} ms.`);
        late.abort(error);
        reject(error);
      }, this.timeoutMs);
    });
    const running = this.connect().then(() => work(late.signal));
    // Once it is late nobody waits for how it ends.
    running.catch(() => undefined);
    try {
      const result = await Promise.race([running, deadline]);
      this.failed = undefined;
      return result;
    } catch (error) {
      const failure = failureOf(error);
      if (failure instanceof UnavailableError) this.failed = failure.message;
      throw failure;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asked for by name: an operation that connects by itself and fails leaves the driver closed for good. */
  private async connect(): Promise<void> {
    if (this.isConnected) return;
    await this.client.connect();
    this.isConnected = true;
  }

  /** Why it cannot be used now, as far as is known. */
  trouble(): string | undefined {
    if (this.isClosed) return 'The MongoDB was let go of.';
    return this.failed ?? this.away;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.client.close();
  }
}

function openClient(url: string, timeoutMs: number, poolMax: number): MongoClient {
  try {
    return new MongoClient(url, {
      appName: 'verbatim',
      maxPoolSize: poolMax,
      waitQueueTimeoutMS: timeoutMs,
      serverSelectionTimeoutMS: timeoutMs,
      connectTimeoutMS: timeoutMs,
      socketTimeoutMS: timeoutMs,
      retryReads: true,
      retryWrites: true,
    });
  } catch {
    // What the driver says holds the string.
    throw new BadMongoDbUrlError('it is not of the form mongodb://user:password@host:port/database?replicaSet=name');
  }
}
