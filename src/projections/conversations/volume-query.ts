/** How much happened, by hours, days or weeks of a time zone: sums of the quarter hours that documents count. */
import type { Generation } from '../../read-store/read-store.ts';
import type { Shown } from '../read-models.ts';
import { DAY_MS, localBuckets, QUARTER_MS } from './local-buckets.ts';
import type { BucketSize, LocalBucket } from './local-buckets.ts';
import { VOLUME } from './volume.ts';
import type { VolumeDocument } from './volume.ts';
import type { VolumeCounter, VolumeDimension } from './volume-facts.ts';

/** A year, and a bit to compare it with. */
export const VOLUME_DAYS_MAX = 400;

export interface VolumeRequest {
  readonly tenant: string;
  readonly dimension: VolumeDimension;
  /** `` where the dimension is `all`. */
  readonly value: string;
  /** Quarter hours, at most VOLUME_DAYS_MAX days apart: ms since 1970, UTC; `toMs` is exclusive. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly by: BucketSize;
  /** IANA's name of it. */
  readonly timeZone: string;
  /** It may be counted by a copy that lags. */
  readonly mayLag: boolean;
}

export interface VolumeBucket extends LocalBucket {
  readonly counters: Readonly<Record<VolumeCounter, number>>;
}

export interface Volume extends Shown {
  /** Without a gap, those in which nothing happened among them. */
  readonly buckets: readonly VolumeBucket[];
  readonly totals: Readonly<Record<VolumeCounter, number>>;
  /** An event could not be folded into what is shown. */
  readonly stale: boolean;
}

/** By counter a number for each bucket. */
type Sums = Record<VolumeCounter, number[]>;

function noSums(buckets: number): Sums {
  const none = (): number[] => new Array<number>(buckets).fill(0);
  return {
    ...{
      messages: none(),
      visitorMessages: none(),
      staffMessages: none(),
      botMessages: none(),
      serviceMessages: none(),
    },
    ...{ started: none(), reopened: none(), resolved: none(), closed: none() },
  };
}

/** One literal: a year has thousands of hours, and names looked up would be most of what they take. */
function countersAt(sums: Sums, bucket: number): Record<VolumeCounter, number> {
  return {
    messages: sums.messages[bucket] ?? 0,
    visitorMessages: sums.visitorMessages[bucket] ?? 0,
    staffMessages: sums.staffMessages[bucket] ?? 0,
    botMessages: sums.botMessages[bucket] ?? 0,
    serviceMessages: sums.serviceMessages[bucket] ?? 0,
    started: sums.started[bucket] ?? 0,
    reopened: sums.reopened[bucket] ?? 0,
    resolved: sums.resolved[bucket] ?? 0,
    closed: sums.closed[bucket] ?? 0,
  };
}

export async function volumeOf(generation: Pick<Generation, 'walk'>, request: VolumeRequest): Promise<Volume> {
  const { tenant, dimension, value, fromMs, toMs, mayLag } = request;
  const { documents, position } = await generation.walk<VolumeDocument>({
    ...{ collection: VOLUME.name, index: 'by_day', direction: 'forwards' },
    equals: { tenant, dimension, value },
    range: { field: 'day', gte: dayOf(fromMs), lte: dayOf(toMs - 1) },
    // The days of a time zone touch one day of UTC more, at each end.
    limit: VOLUME_DAYS_MAX + 2,
    mayLag,
  });
  const stale = documents.some(({ parked }) => parked === true);
  return { position, stale, ...sumVolume(documents, request) };
}

/** Documents in the order of their days. */
export function sumVolume(
  documents: readonly Pick<VolumeDocument, 'day' | 'quarters' | 'counters'>[],
  { fromMs, toMs, by, timeZone }: Pick<VolumeRequest, 'fromMs' | 'toMs' | 'by' | 'timeZone'>,
): Pick<Volume, 'buckets' | 'totals'> {
  const buckets = localBuckets(fromMs, toMs, by, timeZone);
  const sums = noSums(buckets.length);
  const totals = noSums(1);
  let open = 0;
  for (const { day, quarters, counters } of documents) {
    const stretches = stretchesOf(quarters, Date.parse(day), buckets, fromMs, open);
    open = stretches.at(-1)?.bucket ?? open;
    for (const name in counters) {
      const [column = [], own, total] = [
        counters[name as VolumeCounter],
        sums[name as VolumeCounter],
        totals[name as VolumeCounter],
      ];
      for (const { bucket, at, end } of stretches) {
        const sum = sumOf(column, at, end);
        own[bucket] = (own[bucket] ?? 0) + sum;
        total[0] = (total[0] ?? 0) + sum;
      }
    }
  }
  return {
    buckets: buckets.map(({ fromMs, toMs, offsetMinutes, endOffsetMinutes }, i) => ({
      fromMs,
      toMs,
      offsetMinutes,
      endOffsetMinutes,
      counters: countersAt(sums, i),
    })),
    totals: countersAt(totals, 0),
  };
}

/** The places of a day's quarter hours, from `at` to before `end`, that are in one bucket. */
interface Stretch {
  readonly bucket: number;
  readonly at: number;
  readonly end: number;
}

/** `first`: no quarter hour is in a bucket before it. */
function stretchesOf(
  quarters: readonly number[],
  dayMs: number,
  buckets: readonly LocalBucket[],
  fromMs: number,
  first: number,
): Stretch[] {
  const stretches: Stretch[] = [];
  let bucket = first;
  for (let at = placeOf(quarters, (fromMs - dayMs) / QUARTER_MS); at < quarters.length;) {
    while ((buckets[bucket]?.toMs ?? Infinity) <= dayMs + (quarters[at] ?? 0) * QUARTER_MS) bucket += 1;
    const endMs = buckets[bucket]?.toMs;
    if (endMs === undefined) break;
    const end = placeOf(quarters, (endMs - dayMs) / QUARTER_MS, at);
    stretches.push({ bucket, at, end });
    at = end;
  }
  return stretches;
}

/** From `at` on the first that is not before the quarter hour. */
function placeOf(quarters: readonly number[], quarter: number, at = 0): number {
  let place = at;
  while (place < quarters.length && (quarters[place] ?? 0) < quarter) place += 1;
  return place;
}

function sumOf(column: readonly number[], from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at++) sum += column[at] ?? 0;
  return sum;
}

function dayOf(atMs: number): string {
  return new Date(Math.floor(atMs / DAY_MS) * DAY_MS).toISOString().slice(0, 'YYYY-MM-DD'.length);
}
