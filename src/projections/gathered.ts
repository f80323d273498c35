/**
 * Items of a feed, taken from it while those before them are being worked on: so the slower the work is, the more of the log
 * becomes one batch, in which each document is written once. Until the source has come close to the end of the log for the first
 * time a batch is waited for, since the log is there to be read; after that nothing is: whoever is idle gets what there is.
 */
import type { FoldInput } from './fold-commit.ts';

export interface EventsItem {
  readonly kind: 'events';
  readonly inputs: readonly FoldInput[];
}

/** Of what is folded at once. */
export interface BatchLimits {
  readonly batchEventsMax: number;
  readonly batchBytesMax: number;
}

interface OtherItem {
  readonly kind: string;
}

interface Size {
  events: number;
  bytes: number;
}

/**
 * An item of less than so much of a batch is what was appended meanwhile: while people write, the very end may never be seen,
 * and a batch would be waited for as long as they take to write it.
 */
const SHARE_AT_END = 1 / 64;

/** Ends as the source does, and fails as it does, after everything before was passed on. `ended` ends whatever the source waits for. */
export async function* gathered<Other extends OtherItem>(
  source: AsyncGenerator<EventsItem | Other>,
  limits: BatchLimits,
  ended: AbortController,
): AsyncGenerator<EventsItem | Other> {
  const waiting = new WaitingItems<Other>(limits);
  const taking = waiting.fill(source);
  try {
    for (;;) {
      const item = await waiting.next();
      if (item === undefined) break;
      yield item;
    }
  } finally {
    ended.abort();
    waiting.stop();
    await taking;
  }
}

/** At most a batch of them, and one more item of the source. */
class WaitingItems<Other extends OtherItem> {
  private readonly limits: BatchLimits;
  private readonly items: { readonly item: EventsItem | Other; readonly size: Size }[] = [];
  private isOver = false;
  private wasAtEnd = false;
  private isStopped = false;
  private failure: { readonly error: unknown } | undefined;
  private wake: () => void = () => undefined;
  private wakeSource: () => void = () => undefined;

  constructor(limits: BatchLimits) {
    this.limits = limits;
  }

  async fill(source: AsyncGenerator<EventsItem | Other>): Promise<void> {
    try {
      for await (const item of source) {
        this.add(item);
        this.wake();
        while (this.isFull() && !this.isStopped) await new Promise<void>(resolve => (this.wakeSource = resolve));
        if (this.isStopped) break;
      }
    } catch (error) {
      // Looked at only when it is its turn; of one that was left it is nobody's.
      this.failure = { error };
    }
    this.isOver = true;
    this.wake();
  }

  /** Undefined: there are no more. @throws what the source threw */
  async next(): Promise<EventsItem | Other | undefined> {
    while (!this.isReady()) await new Promise<void>(resolve => (this.wake = resolve));
    const first = this.items.shift();
    this.wakeSource();
    if (first === undefined && this.failure !== undefined) throw this.failure.error;
    return first?.item;
  }

  stop(): void {
    this.isStopped = true;
    this.wakeSource();
  }

  /** Whether the first of them is to be passed on: what can still grow is, once the log's end was seen. */
  private isReady(): boolean {
    const { items } = this;
    if (this.isOver || this.isFull() || items.length > 1) return true;
    const [first] = items;
    return first !== undefined && (this.wasAtEnd || !isEvents(first.item));
  }

  private isFull(): boolean {
    const { batchEventsMax, batchBytesMax } = this.limits;
    let [events, bytes] = [0, 0];
    for (const { size } of this.items) [events, bytes] = [events + size.events, bytes + size.bytes];
    // Neither erasures nor ends of the log may come without a bound.
    return events >= batchEventsMax || bytes >= batchBytesMax || this.items.length >= batchEventsMax;
  }

  /** To the last one, where both are events and one batch may hold them. */
  private add(item: EventsItem | Other): void {
    const size = sizeOf(item);
    const last = this.items.at(-1);
    const { batchEventsMax, batchBytesMax } = this.limits;
    if (item.kind === 'caught-up' || (isEvents(item) && size.events < batchEventsMax * SHARE_AT_END))
      this.wasAtEnd = true;
    if (
      last === undefined ||
      !isEvents(item) ||
      !isEvents(last.item) ||
      last.size.events + size.events > batchEventsMax ||
      last.size.bytes + size.bytes > batchBytesMax
    ) {
      this.items.push({ item, size });
      return;
    }
    const inputs = [...last.item.inputs, ...item.inputs];
    const sum = { events: last.size.events + size.events, bytes: last.size.bytes + size.bytes };
    this.items[this.items.length - 1] = { item: { kind: 'events', inputs }, size: sum };
  }
}

function isEvents(item: EventsItem | OtherItem): item is EventsItem {
  return item.kind === 'events';
}

function sizeOf(item: EventsItem | OtherItem): Size {
  if (!isEvents(item)) return { events: 0, bytes: 0 };
  return { events: item.inputs.length, bytes: item.inputs.reduce((sum, { bytes }) => sum + bytes, 0) };
}
