/**
 * One first-in-first-out queue a stream: what is decided on one stream is decided one after the other, what is decided
 * on different streams runs side by side. The queue of one stream and all that run or wait are bounded, in number and,
 * since a command may be of many kilobytes, in bytes.
 */
import { RequestError } from '../errors.ts';

export interface StreamQueueLimits {
  /** Commands that may wait behind the running one of a stream. */
  readonly queueLengthMax: number;
  /** Commands that may run or wait on this node. */
  readonly commandsInFlightMax: number;
  /** What they may take of memory together. */
  readonly commandsInFlightBytesMax: number;
}

/** When a queue is full, it is worth asking again after about as long as some appends take. */
const RETRY_AFTER_MS = 250;

export class StreamQueues {
  private readonly limits: StreamQueueLimits;
  /** Who waits, by stream; a stream is in the map while one of its commands runs. */
  private readonly waiting = new Map<string, (() => void)[]>();
  private inFlight = 0;
  private bytesInFlight = 0;

  constructor(limits: StreamQueueLimits) {
    this.limits = limits;
  }

  /**
   * @param bytes what the task holds in memory until it is done
   * @throws RequestError `rate-limited` at once where a bound is reached
   */
  async run<Result>(stream: string, bytes: number, task: () => Promise<Result>): Promise<Result> {
    const queue = this.waiting.get(stream);
    const { commandsInFlightMax, commandsInFlightBytesMax, queueLengthMax } = this.limits;
    // One alone may always run, however large.
    const isTooMuch = this.inFlight > 0 && this.bytesInFlight + bytes > commandsInFlightBytesMax;
    if (this.inFlight >= commandsInFlightMax || isTooMuch) throw full('This node');
    if (queue !== undefined && queue.length >= queueLengthMax) throw full('This stream');
    this.inFlight += 1;
    this.bytesInFlight += bytes;
    if (queue === undefined) this.waiting.set(stream, []);
    else
      await new Promise<void>(resolve => {
        queue.push(resolve);
      });
    try {
      return await task();
    } finally {
      this.inFlight -= 1;
      this.bytesInFlight -= bytes;
      const next = this.waiting.get(stream)?.shift();
      if (next === undefined) this.waiting.delete(stream);
      else next();
    }
  }

  stats(): { readonly inFlight: number; readonly bytesInFlight: number; readonly streams: number } {
    return { inFlight: this.inFlight, bytesInFlight: this.bytesInFlight, streams: this.waiting.size };
  }
}

/** Of an object, its fields and all that it holds besides its strings, roughly. */
const VALUE_BYTES = 32;

/** What a command's data takes in memory, about: two bytes a UTF-16 unit, and something for each value. */
export function bytesOf(value: unknown): number {
  if (typeof value === 'string') return VALUE_BYTES + 2 * value.length;
  if (typeof value !== 'object' || value === null) return VALUE_BYTES;
  let bytes = VALUE_BYTES;
  for (const [name, part] of Object.entries(value)) bytes += 2 * name.length + bytesOf(part);
  return bytes;
}

function full(what: string): RequestError {
  return new RequestError('rate-limited', `${what} has as many commands waiting as it may.`, {
    retryAfterMs: RETRY_AFTER_MS,
  });
}
