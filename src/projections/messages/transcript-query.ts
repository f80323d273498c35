/**
 * A stretch of what was said in a conversation. Messages are numbered densely, and revisions and times never fall from one
 * to the next, so that every range is a run of buckets; one index finds where it begins, and no bucket outside of it is
 * read but the one that its end is found by.
 */
import type { Generation, IndexWalk } from '../../read-store/read-store.ts';
import type { Shown } from '../read-models.ts';
import { BUCKET_MESSAGES, MESSAGE_BUCKETS } from './message-buckets.ts';
import type { BucketMessage, MessageBucket } from './message-buckets.ts';

/** Which messages there are to page through: both bounds inclusive, but that a time `to` is exclusive. */
export type TranscriptRange =
  | { readonly by: 'seq' | 'rev'; readonly from?: number | undefined; readonly to?: number | undefined }
  | { readonly by: 'at'; readonly from?: string | undefined; readonly to?: string | undefined };

export interface TranscriptRequest {
  readonly tenant: string;
  readonly conversation: string;
  readonly range: TranscriptRange;
  /** Of the range: those behind `after`, the last before `before`, those around a message. Absent: from where it begins, or its end. */
  readonly place?:
    | { readonly after: number }
    | { readonly before: number }
    | { readonly around: number }
    | undefined;
  /** At least 1. A page whose texts are long may have fewer. */
  readonly limit: number;
}

export interface Transcript extends Shown {
  /** In order. */
  readonly messages: readonly BucketMessage[];
  /** Whether the range goes on behind the last of them, or before the first, as far as is known: there may turn out to be none. */
  readonly hasNext: boolean;
  readonly hasPrevious: boolean;
  /** An event could not be folded into what is shown. */
  readonly stale: boolean;
}

/** Buckets read at once: each may be 3 MB. */
const BUCKETS_AT_ONCE = 2;
/** Of a page's texts, about; around a message this is more than half of the most messages that may be asked for. */
const PAGE_UNITS_MAX = 4_194_304;
/** What a message weighs besides its text. */
const MESSAGE_UNITS = 300;

type Walker = Pick<Generation, 'walk'>;

export async function transcript(generation: Walker, request: TranscriptRequest): Promise<Transcript> {
  const { place, range, limit } = request;
  if (place === undefined)
    return range.from === undefined ? backwards(generation, request) : forwards(generation, request);
  if ('before' in place) return backwards(generation, request, place.before);
  if ('after' in place) return forwards(generation, request, place.after + 1);
  return forwards(generation, request, Math.max(0, place.around - Math.floor(limit / 2)));
}

async function forwards(generation: Walker, request: TranscriptRequest, fromSeq?: number): Promise<Transcript> {
  const { range, limit } = request;
  const page = new Page(limit);
  const begin = fromSeq === undefined ? beginOf(request) : seqWalk(request, { gte: bucketOf(fromSeq) });
  let next: IndexWalk | undefined = begin;
  let isFirst = true;
  while (next !== undefined && !page.isFull) {
    const { documents, position } = await read(generation, next, page);
    const [first] = documents;
    // A place before the range begins is where it begins.
    if (isFirst && first !== undefined && next !== beginOf(request) && fromSeq !== undefined && endsBefore(first, range)) {
      next = beginOf(request);
      isFirst = false;
      page.begin(position);
      continue;
    }
    isFirst = false;
    page.begin(position);
    let isOver = documents.length === 0;
    for (const bucket of documents) {
      page.stale ||= bucket.parked === true;
      for (const message of bucket.messages) {
        if (message.seq < (fromSeq ?? 0) || isBefore(message, range)) continue;
        isOver ||= isBehind(message, range);
        if (isOver || !page.take(message)) break;
      }
      // One that is not full was the last when it was read.
      isOver ||= bucket.count < BUCKET_MESSAGES;
      if (isOver || page.isFull) break;
    }
    const last = documents.at(-1);
    next = isOver || last === undefined ? undefined : seqWalk(request, { gte: last.bucket + 1 });
  }
  return page.shown({ isForwards: true, hasOther: hasBefore(page.first, range, fromSeq) });
}
