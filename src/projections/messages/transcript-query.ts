/**
 * A stretch of what was said in a conversation. Messages are numbered densely, and neither revisions nor times fall from
 * one to the next, so every range is a run of buckets: an index finds where it begins, and then they are read two at a
 * time, since each may be 3 MB, for as long as the page wants.
 */
import type { Generation, IndexWalk } from '../../read-store/read-store.ts';
import type { Shown } from '../read-models.ts';
import { BUCKET_MESSAGES, MESSAGE_BUCKETS } from './message-buckets.ts';
import type { BucketMessage, MessageBucket } from './message-buckets.ts';

/** What there is to page through, both bounds inclusive; but a time `to` is exclusive. */
export type TranscriptRange =
  | { readonly by: 'seq' | 'rev'; readonly from?: number | undefined; readonly to?: number | undefined }
  /** ISO 8601 UTC with milliseconds. */
  | { readonly by: 'at'; readonly from?: string | undefined; readonly to?: string | undefined };

/** A place in the range, by `seq`: the first behind `after`, the last before `before`, those around one. */
export type TranscriptPlace = { readonly after: number } | { readonly before: number } | { readonly around: number };

export interface TranscriptRequest {
  readonly tenant: string;
  readonly conversation: string;
  readonly range: TranscriptRange;
  /** Absent: where the range begins, or its last ones where it has no beginning. */
  readonly place?: TranscriptPlace | undefined;
  /** At least 1. */
  readonly limit: number;
}

export interface Transcript extends Shown {
  /** In order. Fewer than `limit` also where texts are long. */
  readonly messages: readonly BucketMessage[];
  /** Whether there is more of the range behind the last, or before the first. Towards where the page came from this is a guess. */
  readonly hasNext: boolean;
  readonly hasPrevious: boolean;
  /** An event could not be folded into what is shown. */
  readonly stale: boolean;
}

const BUCKETS_AT_ONCE = 2;
/** Of a page's texts, in UTF-16 units; more than half of the messages that can be asked for weigh at most. */
const PAGE_UNITS_MAX = 4_194_304;
/** What a message weighs besides its text. */
const MESSAGE_UNITS = 300;

type Walker = Pick<Generation, 'walk'>;

/** `limit` may be at most 500 or so, or a message that is asked for with those around it might not be among them. */
export function transcript(generation: Walker, request: TranscriptRequest): Promise<Transcript> {
  const { place, range, limit } = request;
  const reader = new BucketReader(generation, request);
  if (place === undefined)
    return range.from === undefined ? backwards(reader, request, Infinity) : forwards(reader, request, 0);
  if ('before' in place) return backwards(reader, request, place.before);
  if ('after' in place) return forwards(reader, request, place.after + 1);
  return forwards(reader, request, Math.max(0, place.around - Math.floor(limit / 2)));
}

async function forwards(reader: BucketReader, request: TranscriptRequest, fromSeq: number): Promise<Transcript> {
  const { range, limit, place } = request;
  const page = new Page(limit);
  for await (const { messages } of reader.forwards(fromSeq, page))
    for (const message of messages) {
      if (message.seq < fromSeq || isBefore(message, range)) continue;
      if (isBehind(message, range)) page.end();
      else page.take(message);
      if (page.isOver()) break;
    }
  const first = page.messages[0];
  // Only by `seq` is the message before the first known without reading it.
  const isFirstOfRange = range.by === 'seq' ? first?.seq === range.from : place === undefined;
  const hasPrevious = first !== undefined && first.seq > 0 && (range.from === undefined || !isFirstOfRange);
  return { ...reader.shown, messages: page.messages, hasNext: page.hasMore, hasPrevious };
}

async function backwards(reader: BucketReader, request: TranscriptRequest, beforeSeq: number): Promise<Transcript> {
  const { range, limit } = request;
  const page = new Page(limit);
  for await (const { messages } of reader.backwards(beforeSeq, page))
    for (const message of messages.toReversed()) {
      if (message.seq >= beforeSeq || isBehind(message, range)) continue;
      if (isBefore(message, range)) page.end();
      else page.take(message);
      if (page.isOver()) break;
    }
  const last = page.messages[0];
  const hasNext = last?.seq === beforeSeq - 1 && !(range.by === 'seq' && last.seq === range.to);
  return { ...reader.shown, messages: page.messages.toReversed(), hasNext, hasPrevious: page.hasMore };
}

/** Messages in the order in which they are found, until there are enough. */
class Page {
  readonly messages: BucketMessage[] = [];
  /** There was one more than the page takes. */
  hasMore = false;
  private readonly limit: number;
  private units = 0;
  private ended = false;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** How many more are to be looked at: one besides what it takes. */
  get wanted(): number {
    return this.limit + 1 - this.messages.length;
  }

  take(message: BucketMessage): void {
    this.units += MESSAGE_UNITS + (message.text?.length ?? 0);
    if (this.messages.length === this.limit || (this.units > PAGE_UNITS_MAX && this.messages.length > 0)) {
      this.hasMore = true;
      this.ended = true;
    } else this.messages.push(message);
  }

  end(): void {
    this.ended = true;
  }

  isOver(): boolean {
    return this.ended;
  }
}

/** Buckets of one conversation, in either direction, until the page is over. */
class BucketReader {
  private readonly generation: Walker;
  private readonly request: TranscriptRequest;
  private position: number | undefined;
  private isFirstRead = true;
  private stale = false;

  constructor(generation: Walker, request: TranscriptRequest) {
    this.generation = generation;
    this.request = request;
  }

  get shown(): { readonly position: number | undefined; readonly stale: boolean } {
    return { position: this.position, stale: this.stale };
  }

  async *forwards(fromSeq: number, page: Page): AsyncGenerator<MessageBucket> {
    const { range } = this.request;
    let next = bucketOf(Math.max(fromSeq, range.by === 'seq' ? (range.from ?? 0) : 0));
    if (range.by !== 'seq' && range.from !== undefined) {
      const begin = await this.locate(range.from);
      if (begin === undefined) return;
      if (begin.bucket >= next) {
        yield this.opened(begin);
        if (page.isOver() || begin.count < BUCKET_MESSAGES) return;
        next = begin.bucket + 1;
      }
    }
    while (!page.isOver()) {
      const buckets = await this.read({ direction: 'forwards', bounds: { gte: next }, limit: bucketsFor(page) });
      for (const bucket of buckets) {
        yield this.opened(bucket);
        // One that is not full was the last when it was read; what follows it by now would leave a gap.
        if (page.isOver() || bucket.count < BUCKET_MESSAGES) return;
        next = bucket.bucket + 1;
      }
      if (buckets.length === 0) return;
    }
  }

  async *backwards(beforeSeq: number, page: Page): AsyncGenerator<MessageBucket> {
    const { range } = this.request;
    const seq = Math.min(beforeSeq - 1, range.by === 'seq' ? (range.to ?? Infinity) : Infinity);
    if (seq < 0) {
      await this.read({ direction: 'backwards', bounds: {}, limit: 1 });
      return;
    }
    let last = bucketOf(seq);
    if (range.by !== 'seq' && range.to !== undefined) {
      const end = await this.locate(range.to);
      if (end !== undefined && end.bucket <= last) {
        yield this.opened(end);
        last = end.bucket - 1;
      }
    }
    while (!page.isOver() && last >= 0) {
      const bounds = last === Infinity ? {} : { lte: last };
      const buckets = await this.read({ direction: 'backwards', bounds, limit: bucketsFor(page) });
      for (const bucket of buckets) {
        yield this.opened(bucket);
        if (page.isOver()) return;
        last = bucket.bucket - 1;
      }
      if (buckets.length === 0) return;
    }
  }

  /** The first bucket whose last message is at the revision or time, or behind it. */
  private async locate(value: number | string): Promise<MessageBucket | undefined> {
    const [index, field] = this.request.range.by === 'rev' ? ['by_rev', 'lastRev'] : ['by_time', 'lastAt'];
    const [found] = await this.walk({ index, direction: 'forwards', range: { field, gte: value }, limit: 1 });
    return found;
  }

  private read(options: {
    readonly direction: IndexWalk['direction'];
    readonly bounds: { readonly gte?: number; readonly lte?: number };
    readonly limit: number;
  }): Promise<readonly MessageBucket[]> {
    const { direction, bounds, limit } = options;
    const isBounded = Object.keys(bounds).length > 0;
    return this.walk({
      ...{ index: 'by_seq', direction, limit },
      ...(isBounded ? { range: { field: 'bucket', ...bounds } } : {}),
    });
  }

  private async walk(walk: Omit<IndexWalk, 'collection' | 'equals'>): Promise<readonly MessageBucket[]> {
    const { tenant, conversation } = this.request;
    const equals = { tenant, conversation };
    const found = await this.generation.walk<MessageBucket>({ collection: MESSAGE_BUCKETS.name, equals, ...walk });
    // What is read later shows more.
    if (this.isFirstRead) this.position = found.position;
    this.isFirstRead = false;
    return found.documents;
  }

  private opened(bucket: MessageBucket): MessageBucket {
    this.stale ||= bucket.parked === true;
    return bucket;
  }
}

function bucketsFor(page: Page): number {
  return Math.min(BUCKETS_AT_ONCE, Math.ceil(page.wanted / BUCKET_MESSAGES));
}

function bucketOf(seq: number): number {
  return seq === Infinity ? Infinity : Math.floor(seq / BUCKET_MESSAGES);
}

function isBefore(message: BucketMessage, range: TranscriptRange): boolean {
  if (range.from === undefined) return false;
  return range.by === 'at' ? message.at < range.from : message[range.by] < range.from;
}

function isBehind(message: BucketMessage, range: TranscriptRange): boolean {
  if (range.to === undefined) return false;
  return range.by === 'at' ? message.at >= range.to : message[range.by] > range.to;
}
