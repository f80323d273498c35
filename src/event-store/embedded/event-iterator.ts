/**
 * The events of chunks, one by one. What an async generator would do, without its three turns of the microtask queue an
 * event: where the next event is in memory, `next` answers with a promise that is settled already.
 */
import type { RecordedEvent } from '../event-store.ts';
import type { LogRecord } from './record.ts';

type Result = IteratorResult<RecordedEvent, undefined>;

const DONE: Result = { done: true, value: undefined };

export class EventIterator implements AsyncGenerator<RecordedEvent, undefined> {
  private readonly chunks: AsyncGenerator<readonly LogRecord[]>;
  private readonly passes: (record: LogRecord) => boolean;
  private left: number;
  private chunk: readonly LogRecord[] = [];
  private at = 0;
  private over = false;
  /** The last call that had to wait: the next one comes after it, as of a generator. */
  private waiting: Promise<unknown> | undefined;

  constructor(chunks: AsyncGenerator<readonly LogRecord[]>, passes: (record: LogRecord) => boolean, maxCount: number) {
    this.chunks = chunks;
    this.passes = passes;
    this.left = maxCount;
  }

  next(): Promise<Result> {
    if (this.waiting) return this.inTurn(() => this.seek());
    const record = this.inChunk();
    if (record) return Promise.resolve({ done: false, value: record });
    return this.inTurn(() => this.seek());
  }

  /** The next event of the present chunk that passes. */
  private inChunk(): LogRecord | undefined {
    if (this.over || this.left <= 0) return undefined;
    while (this.at < this.chunk.length) {
      const record = this.chunk[this.at++];
      if (!record || !this.passes(record)) continue;
      this.left--;
      return record;
    }
    return undefined;
  }

  private async seek(): Promise<Result> {
    for (;;) {
      const record = this.inChunk();
      if (record) return { done: false, value: record };
      if (this.over || this.left <= 0) return this.end();
      const next = await this.chunks.next().catch((error: unknown) => {
        this.over = true;
        throw error;
      });
      if (next.done === true) return this.end();
      this.chunk = next.value;
      this.at = 0;
    }
  }

  private async end(): Promise<Result> {
    this.over = true;
    this.chunk = [];
    await this.chunks.return(undefined);
    return DONE;
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.waiting ? this.waiting.then(act) : act();
    // Before whoever awaits the result goes on: its next call finds nobody waiting.
    const clear = (): void => {
      if (this.waiting === settled) this.waiting = undefined;
    };
    const settled: Promise<unknown> = result.then(clear, clear);
    this.waiting = settled;
    return result;
  }

  return(): Promise<Result> {
    return this.inTurn(() => this.end());
  }

  async throw(error: unknown): Promise<Result> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
