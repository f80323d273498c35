/**
 * One first-in-first-out queue a stream: what is decided on one stream is decided one after the other, what is decided
 * on different streams runs side by side. Both the queue of one stream and all that run or wait are bounded.
 */
import { RequestError } from '../errors.ts';

export interface StreamQueueLimits {
  /** Commands that may wait behind the running one of a stream. */
  readonly queueLengthMax: number;
  /** Commands that may run or wait on this node. */
  readonly commandsInFlightMax: number;
}

/** When a queue is full, it is worth asking again after about as long as some appends take. */
const RETRY_AFTER_MS = 250;

export class StreamQueues {
  private readonly limits: StreamQueueLimits;
  /** Who waits, by stream; a stream is in the map while one of its commands runs. */
  private readonly waiting = new Map<string, (() => void)[]>();
  private inFlight = 0;

  constructor(limits: StreamQueueLimits) {
    this.limits = limits;
  }

  /** @throws RequestError `rate-limited` at once where a bound is reached */
  async run<Result>(stream: string, task: () => Promise<Result>): Promise<Result> {
    const queue = this.waiting.get(stream);
    if (this.inFlight >= this.limits.commandsInFlightMax) throw full('This node');
    if (queue !== undefined && queue.length >= this.limits.queueLengthMax) throw full('This stream');
    this.inFlight += 1;
    if (queue === undefined) this.waiting.set(stream, []);
    else
      await new Promise<void>(resolve => {
        queue.push(resolve);
      });
    try {
      return await task();
    } finally {
      this.inFlight -= 1;
      const next = this.waiting.get(stream)?.shift();
      if (next === undefined) this.waiting.delete(stream);
      else next();
    }
  }

  stats(): { readonly inFlight: number; readonly streams: number } {
    return { inFlight: this.inFlight, streams: this.waiting.size };
  }
}

function full(what: string): RequestError {
  return new RequestError('rate-limited', `${what} has as many commands waiting as it may.`, {
    retryAfterMs: RETRY_AFTER_MS,
  });
}
