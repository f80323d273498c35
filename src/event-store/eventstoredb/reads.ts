/**
 * Reads, a page a call: nothing is held open on the server while a consumer takes its time, every call has a deadline, and
 * one that fails is asked again from where it was. A page is bounded in events and in bytes, and so many are under way at
 * once as a connection has streams for; the others wait in line.
 */
import { UnavailableError } from '../../errors.ts';
import { StreamNotFoundError } from '../errors.ts';
import type { RecordedEvent } from '../event-store.ts';
import { decodeReadAnswer } from './answers.ts';
import { backoffMs, pause } from './backoff.ts';
import type { Connection } from './connection.ts';
import { callFailure, TransientError, unavailable } from './failures.ts';
import type { Link } from './link.ts';
import { encodeRead } from './requests.ts';
import type { ReadSource } from './requests.ts';

export interface ReadLimits {
  /** One call. */
  readonly deadlineMs: number;
  /** Tries after the first. */
  readonly retriesMax: number;
  /** Calls under way at once. */
  readonly readsInFlightMax: number;
}

/**
 * Of one call. The last event may go over the bytes, and there are two where there can be: the first may be the one that
 * the page before ended with, so that a page of it alone would bring nothing new, for ever.
 */
export const PAGE_EVENTS = 512;
const PAGE_BYTES = 4_194_304;
const PAGE_EVENTS_MIN = 2;
/** A filtered read gives nothing while the server looks through what does not match. */
const SCAN_DEADLINE_MS = 600_000;
/** Reads that wait for their turn; one more is refused. */
const READS_WAITING_MAX = 100_000;

export interface Page {
  readonly events: readonly RecordedEvent[];
  /** Nothing stood behind it when it was read. */
  readonly isLast: boolean;
}

export class Reads {
  private readonly connection: Connection;
  private readonly limits: ReadLimits;
  private readonly random: () => number;
  private underWay = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(connection: Connection, limits: ReadLimits, random: () => number) {
    this.connection = connection;
    this.limits = limits;
    this.random = random;
  }

  /** @throws StreamNotFoundError, StreamDeletedError, UnavailableError */
  page(source: ReadSource, options: { readonly backwards: boolean; readonly count: number }): Promise<Page> {
    const count = Math.min(options.count, PAGE_EVENTS);
    const request = encodeRead(source, { backwards: options.backwards, count });
    const isScan = source.stream === undefined && source.filter !== undefined;
    const deadlineMs = isScan ? SCAN_DEADLINE_MS : this.limits.deadlineMs;
    const { stream } = source;
    return this.withTries(stream ?? '$all', async link => collectPage(link, request, { deadlineMs, count, stream }));
  }

  /** A unary call that is safe to repeat. `attempt` is 1 for the first try. */
  unary(stream: string, call: (link: Link, attempt: number) => Promise<Buffer>): Promise<Buffer> {
    return this.withTries(stream, call);
  }

  private async withTries<T>(stream: string, call: (link: Link, attempt: number) => Promise<T>): Promise<T> {
    await this.takeTurn();
    try {
      for (let attempt = 1; ; attempt++) {
        // What a caller was promised is kept: a store that is away is waited for no longer than one call may take.
        const link = await this.connection.waitForLink(this.limits.deadlineMs);
        try {
          return await call(link, attempt);
        } catch (error) {
          if (!(error instanceof TransientError)) throw error;
          if (error.isConnectionLost) this.connection.reportLost(link, error);
          if (attempt > this.limits.retriesMax || this.connection.closed.aborted)
            throw unavailable(`${stream} cannot be read`, error);
        }
        await pause(backoffMs(attempt, this.random), this.connection.closed);
      }
    } finally {
      this.endTurn();
    }
  }

  private async takeTurn(): Promise<void> {
    if (this.connection.closed.aborted) throw new UnavailableError('The event store is closed.');
    if (this.underWay < this.limits.readsInFlightMax) {
      this.underWay += 1;
      return;
    }
    if (this.waiting.length >= READS_WAITING_MAX) throw new UnavailableError('Too many reads wait for EventStoreDB.');
    await new Promise<void>(resolve => this.waiting.push(resolve));
  }

  private endTurn(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.underWay -= 1;
  }
}

function collectPage(
  link: Link,
  request: Buffer,
  { deadlineMs, count, stream }: { deadlineMs: number; count: number; stream: string | undefined },
): Promise<Page> {
  return new Promise((resolve, reject) => {
    const call = link.read(request, deadlineMs);
    const events: RecordedEvent[] = [];
    let bytes = 0;
    let isCut = false;
    let isMissing = false;
    call.on('data', (answer: Buffer) => {
      if (isCut) return;
      try {
        const decoded = decodeReadAnswer(answer);
        if (decoded.kind === 'stream-not-found') isMissing = true;
        if (decoded.kind !== 'event') return;
        events.push(decoded.event);
      } catch (error) {
        call.cancel();
        reject(new UnavailableError('An answer to a read is malformed.', { cause: error }));
        return;
      }
      bytes += answer.length;
      if (bytes < PAGE_BYTES || events.length < PAGE_EVENTS_MIN) return;
      isCut = true;
      call.cancel();
      resolve({ events, isLast: false });
    });
    call.on('error', error => reject(callFailure(error, stream === undefined ? {} : { stream })));
    call.on('end', () => {
      if (isMissing) reject(new StreamNotFoundError(stream ?? '$all'));
      else resolve({ events, isLast: events.length < count });
    });
  });
}
