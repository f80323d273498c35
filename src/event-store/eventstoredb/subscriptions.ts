/**
 * Catch-up subscriptions that outlive their connection: after any drop the next call begins behind the last event or
 * checkpoint that was seen, and what comes twice is passed over, so that the consumer sees neither a gap nor a duplicate.
 * States of one: `subscribing` (waiting for a link, or between tries), `receiving`, `ended`.
 *
 * A consumer that is slow stops the call from being read: gRPC's flow control stops the server, which drops a subscription
 * that it cannot serve for long ("Consumer too slow"), and then it is resumed like any other.
 */
import type { SubscriptionMessage } from '../event-store.ts';
import { backoffMs, pause } from './backoff.ts';
import type { CaughtUp, Cursor } from './caught-up.ts';
import type { Connection } from './connection.ts';
import { callFailure, TransientError, unavailable } from './failures.ts';
import { Inbox } from './inbox.ts';
import type { Link } from './link.ts';
import { encodeRead } from './requests.ts';
import type { ReadSource } from './requests.ts';

/** Tries in a row that brought nothing and failed for another reason than a lost connection. */
const FRUITLESS_TRIES_MAX = 20;

export interface SubscriptionOptions {
  readonly connection: Connection;
  readonly random: () => number;
  readonly signal: AbortSignal | undefined;
  readonly after: Cursor;
  /** What is asked of the server from a cursor on. */
  readonly source: (after: Cursor) => ReadSource;
  /** The place of an event in what is subscribed to. */
  readonly placeOf: (event: { readonly revision: bigint; readonly position: bigint }) => bigint;
  readonly checkpointEveryEvents?: number;
  /** A checkpoint is made of the events themselves, where the server gives none. */
  readonly makesCheckpoints: boolean;
  /** When the end of the log is reached, on a server that does not say so. */
  readonly caughtUp: CaughtUp;
}

export async function* subscribe(options: SubscriptionOptions): AsyncGenerator<SubscriptionMessage> {
  const { connection, signal } = options;
  // Not AbortSignal.any, which a signal as long-lived as the store's would keep.
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const sources = [connection.closed, ...(signal === undefined ? [] : [signal])];
  for (const source of sources) source.addEventListener('abort', abort);
  if (sources.some(({ aborted }) => aborted)) abort();
  try {
    yield* resume(new Subscription(options, controller.signal), options, controller.signal);
  } finally {
    for (const source of sources) source.removeEventListener('abort', abort);
  }
}

async function* resume(
  subscription: Subscription,
  { random }: SubscriptionOptions,
  ending: AbortSignal,
): AsyncGenerator<SubscriptionMessage> {
  let fruitless = 0;
  for (let failures = 0; !ending.aborted;) {
    const failure = yield* subscription.receive();
    if (subscription.isEnding()) return;
    failures = subscription.hasProgressed ? 1 : failures + 1;
    fruitless = subscription.hasProgressed || failure.isConnectionLost ? 0 : fruitless + 1;
    if (fruitless >= FRUITLESS_TRIES_MAX) throw unavailable('A subscription failed again and again', failure);
    await pause(backoffMs(failures, random), ending);
  }
}

class Subscription {
  private readonly options: SubscriptionOptions;
  private readonly ending: AbortSignal;
  private after: Cursor;
  private eventsSinceCheckpoint = 0;
  private checkpoint: bigint | undefined;
  /** The last call brought something. */
  hasProgressed = false;

  constructor(options: SubscriptionOptions, ending: AbortSignal) {
    this.options = options;
    this.ending = ending;
    this.after = options.after;
  }

  /** Apart from the signal, because it changes during every wait. */
  isEnding(): boolean {
    return this.ending.aborted;
  }

  /** One call, until it fails or the subscription is to end. @throws StreamDeletedError, UnavailableError */
  async *receive(): AsyncGenerator<SubscriptionMessage, TransientError> {
    const { connection } = this.options;
    this.hasProgressed = false;
    const link = await connection.waitForLink(Infinity, this.ending).catch(() => undefined);
    if (link === undefined || this.isEnding()) return ENDED;
    try {
      yield* this.call(link);
      return ENDED;
    } catch (error) {
      const failure = callFailure(error, {});
      if (!(failure instanceof TransientError)) throw failure;
      if (failure.isConnectionLost) connection.reportLost(link, failure);
      return failure;
    }
  }

  /** The link may be lost before it is asked. */
  private async *call(link: Link): AsyncGenerator<SubscriptionMessage> {
    const { source, checkpointEveryEvents } = this.options;
    const request = encodeRead(source(this.after), {
      count: undefined,
      ...(checkpointEveryEvents === undefined ? {} : { checkpointEveryEvents }),
    });
    const inbox = new Inbox(link.subscribe(request));
    const stop = (): void => inbox.stop();
    this.ending.addEventListener('abort', stop);
    try {
      yield* this.messages(inbox, link.serverVersion);
    } finally {
      this.ending.removeEventListener('abort', stop);
      inbox.stop();
    }
  }

  private async *messages(inbox: Inbox, serverVersion: string): AsyncGenerator<SubscriptionMessage> {
    const { caughtUp, placeOf } = this.options;
    const end = caughtUp.begin(serverVersion);
    // Asked for beside the subscription; it is rung for when the answer is there.
    void end.known.then(() => inbox.ring());
    for (;;) {
      const taken = await inbox.take();
      if (taken === undefined || this.isEnding()) return;
      const fresh = taken.events.filter(event => this.isBehind(placeOf(event)));
      const last = fresh.at(-1);
      if (last !== undefined) {
        this.hasProgressed = true;
        this.after = placeOf(last);
        yield { kind: 'events', events: fresh };
        if (this.isEnding()) return;
      }
      yield* this.checkpoints(taken.checkpoint, fresh.length);
      if (end.isReached(taken.isCaughtUp, taken.isConfirmed, this.after)) {
        this.hasProgressed = true;
        yield { kind: 'caught-up' };
      }
    }
  }

  private isBehind(place: bigint): boolean {
    return this.after === 'start' || place > this.after;
  }

  private *checkpoints(given: bigint | undefined, events: number): Generator<SubscriptionMessage> {
    const { makesCheckpoints, checkpointEveryEvents } = this.options;
    this.eventsSinceCheckpoint += events;
    let position = given;
    if (makesCheckpoints && checkpointEveryEvents !== undefined && this.eventsSinceCheckpoint >= checkpointEveryEvents)
      position = this.after === 'start' ? undefined : this.after;
    if (position === undefined || (this.checkpoint !== undefined && position <= this.checkpoint)) return;
    if (this.after !== 'start' && position < this.after) return;
    this.eventsSinceCheckpoint = 0;
    this.checkpoint = position;
    this.after = position;
    this.hasProgressed = true;
    yield { kind: 'checkpoint', position };
  }
}

const ENDED = new TransientError('The subscription ended.', { isConnectionLost: true });
