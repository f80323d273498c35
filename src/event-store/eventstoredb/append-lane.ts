/**
 * Appends over one BatchAppend call a link: each has a correlation id, and waits here until it is answered. When a link
 * is lost, everything that is not answered is sent again on the next one, in the order of the calls and with the same
 * event ids, so that what did reach the log is recognised there. Nothing is kept beyond this lane, so that a late answer
 * finds nobody and is dropped.
 *
 * An append that is tried again may meet its own first try. EventStoreDB recognises that by the ids that stand behind an
 * exact expected revision; where it says that the revision is wrong nevertheless (a soft-deleted stream that the first
 * try brought back), the ids are compared here before that is believed.
 */
import { randomUUID } from 'node:crypto';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { UnavailableError } from '../../errors.ts';
import { WrongExpectedRevisionError } from '../errors.ts';
import type { AppendResult, EventData, ExpectedRevision } from '../event-store.ts';
import { decodeBatchAppendAnswer } from './answers.ts';
import type { BatchAppendAnswer } from './answers.ts';
import { backoffMs } from './backoff.ts';
import type { Connection } from './connection.ts';
import { appendFailure, callFailure, TransientError, unavailable } from './failures.ts';
import type { Link } from './link.ts';
import { encodeBatchAppend } from './requests.ts';

export interface AppendLimits {
  /** One try. */
  readonly deadlineMs: number;
  /** All tries together, waiting for a connection included. */
  readonly appendTimeoutMs: number;
  /** Tries after the first. */
  readonly retriesMax: number;
  /** Appends that are not answered, in bytes; more are refused. */
  readonly queueBytesMax: number;
}

interface Pending {
  readonly stream: string;
  readonly events: readonly EventData[];
  readonly expected: ExpectedRevision;
  readonly bytes: number;
  readonly giveUpAtMs: number;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: Error) => void;
  /** Of the try under way. */
  correlationId: string;
  /** Tries sent so far. */
  tries: number;
  /** When the try under way is given up; undefined while none is. */
  deadlineAtMs: number | undefined;
}

type Recognise = (
  stream: string,
  events: readonly EventData[],
  expected: ExpectedRevision,
) => Promise<AppendResult | undefined>;

/** What an append costs beside its events' bytes. */
const APPEND_OVERHEAD_BYTES = 512;
/** Deadlines are looked at so often: they are late by that much at the most. */
const SWEEP_MS = 100;

export class AppendLane {
  private readonly connection: Connection;
  private readonly limits: AppendLimits;
  private readonly random: () => number;
  private readonly recognise: Recognise;
  /** In the order of the calls. */
  private readonly pending = new Set<Pending>();
  private readonly byCorrelation = new Map<string, Pending>();
  private call: ClientDuplexStream<Buffer, Buffer> | undefined;
  private link: Link | undefined;
  private sweep: NodeJS.Timeout | undefined;
  private pendingBytes = 0;
  private onIdle: () => void = () => undefined;

  constructor(parts: {
    connection: Connection;
    limits: AppendLimits;
    random: () => number;
    /** The result of an append that stands in the log already; undefined where what stands there is another's. */
    recognise: Recognise;
  }) {
    this.connection = parts.connection;
    this.limits = parts.limits;
    this.random = parts.random;
    this.recognise = parts.recognise;
    this.connection.addLinkListener(link => this.open(link));
  }

  append(
    stream: string,
    events: readonly EventData[],
    expected: ExpectedRevision,
    bytes: number,
  ): Promise<AppendResult> {
    const cost = bytes + APPEND_OVERHEAD_BYTES;
    if (this.pendingBytes + cost > this.limits.queueBytesMax)
      return Promise.reject(new UnavailableError('Too many appends wait for EventStoreDB.'));
    this.pendingBytes += cost;
    return new Promise((resolve, reject) => {
      const pending: Pending = {
        ...{ stream, events, expected, resolve, reject, bytes: cost },
        giveUpAtMs: performance.now() + this.limits.appendTimeoutMs,
        correlationId: '',
        tries: 0,
        deadlineAtMs: undefined,
      };
      this.pending.add(pending);
      this.send(pending);
      this.sweep ??= setInterval(() => this.giveUpLate(), SWEEP_MS);
    });
  }

  /** Appends that are not answered yet. */
  get size(): number {
    return this.pending.size;
  }

  /** Resolves once nothing waits any more; each append is answered or given up in its time. */
  async drained(): Promise<void> {
    if (this.pending.size > 0) await new Promise<void>(resolve => (this.onIdle = resolve));
  }

  /** For after `drained`. */
  close(): void {
    this.call?.end();
    this.call = undefined;
    clearInterval(this.sweep);
  }

  private open(link: Link): void {
    const call = link.batchAppend();
    this.link = link;
    this.call = call;
    call.on('data', (bytes: Buffer) => this.take(link, bytes));
    const ended = (error: Error): void => {
      if (this.call !== call) return;
      this.call = undefined;
      const failure = callFailure(error, {});
      this.connection.reportLost(link, failure);
      // Whatever it was, the appends are sent again on the next link, and what cannot be sent is given up in time.
      for (const pending of this.pending) pending.deadlineAtMs = undefined;
    };
    call.on('error', ended);
    call.on('end', () => {
      ended(new TransientError('The server ended the appends.', { isConnectionLost: true }));
    });
    for (const pending of this.pending) {
      if (pending.tries <= this.limits.retriesMax) this.send(pending);
      else this.fail(pending, new TransientError('the connection was lost each time', { isConnectionLost: true }));
    }
  }

  private send(pending: Pending): void {
    const { call, link } = this;
    if (call === undefined || link === undefined) return;
    const leftMs = pending.giveUpAtMs - performance.now();
    if (leftMs <= 0) return;
    const { stream, events, expected } = pending;
    const timeoutMs = Math.min(this.limits.deadlineMs, leftMs);
    this.byCorrelation.delete(pending.correlationId);
    pending.correlationId = randomUUID();
    pending.tries += 1;
    pending.deadlineAtMs = performance.now() + timeoutMs;
    this.byCorrelation.set(pending.correlationId, pending);
    const { correlationId } = pending;
    const { takesDuration } = link;
    for (const message of encodeBatchAppend({ correlationId, stream, expected, events, timeoutMs, takesDuration }))
      call.write(message);
  }

  private take(link: Link, bytes: Buffer): void {
    let answer: BatchAppendAnswer;
    try {
      answer = decodeBatchAppendAnswer(bytes);
    } catch (error) {
      const failure = new TransientError('An answer to an append is malformed.', {
        isConnectionLost: true,
        cause: error,
      });
      this.connection.reportLost(link, failure);
      return;
    }
    const pending = this.byCorrelation.get(answer.correlationId);
    // Late: its append was tried again or given up.
    if (pending === undefined) return;
    this.byCorrelation.delete(answer.correlationId);
    pending.deadlineAtMs = undefined;
    if (answer.success !== undefined) this.settle(pending, () => pending.resolve(answer.success ?? NOTHING));
    else if (answer.failure !== undefined) this.takeFailure(link, pending, appendFailure(answer.failure, pending));
  }

  private takeFailure(link: Link, pending: Pending, error: Error): void {
    if (error instanceof TransientError) {
      if (error.isConnectionLost) this.connection.reportLost(link, error);
      else this.retryLater(pending, error);
    } else if (error instanceof WrongExpectedRevisionError && pending.tries > 1)
      void this.lookForFirstTry(pending, error);
    else this.settle(pending, () => pending.reject(error));
  }

  private retryLater(pending: Pending, error: TransientError): void {
    if (pending.tries > this.limits.retriesMax) {
      this.fail(pending, error);
      return;
    }
    setTimeout(
      () => {
        if (this.pending.has(pending) && pending.deadlineAtMs === undefined) this.send(pending);
      },
      backoffMs(pending.tries, this.random),
    );
  }

  private async lookForFirstTry(pending: Pending, refusal: WrongExpectedRevisionError): Promise<void> {
    const { stream, events, expected } = pending;
    try {
      const result = await this.recognise(stream, events, expected);
      this.settle(pending, () => {
        if (result === undefined) pending.reject(refusal);
        else pending.resolve(result);
      });
    } catch (error) {
      this.fail(pending, error);
    }
  }

  /** Ends itself once there is nothing to look at, so that one append after the other sets no timer each. */
  private giveUpLate(): void {
    if (this.pending.size === 0) {
      clearInterval(this.sweep);
      this.sweep = undefined;
      return;
    }
    const now = performance.now();
    for (const pending of this.pending) {
      if (now >= pending.giveUpAtMs) {
        const reason = this.connection.trouble() ?? 'no answer in time';
        this.fail(pending, new TransientError(reason, { isConnectionLost: true }));
      } else if (pending.deadlineAtMs !== undefined && now >= pending.deadlineAtMs && this.link !== undefined) {
        pending.deadlineAtMs = undefined;
        const error = new TransientError('An append was not answered in time.', { isConnectionLost: true });
        this.connection.reportLost(this.link, error);
      }
    }
  }

  private fail(pending: Pending, error: unknown): void {
    const what = `An append to ${pending.stream} may or may not have happened`;
    this.settle(pending, () => pending.reject(unavailable(what, error)));
  }

  private settle(pending: Pending, answer: () => void): void {
    if (!this.pending.delete(pending)) return;
    this.byCorrelation.delete(pending.correlationId);
    this.pendingBytes -= pending.bytes;
    answer();
    if (this.pending.size === 0) this.onIdle();
  }
}

const NOTHING: AppendResult = { revision: -1n, position: undefined };
