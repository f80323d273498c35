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

const COUNTERS: Readonly<Record<VolumeCounter, number>> = {
  ...{ messages: 0, visitorMessages: 0, staffMessages: 0, botMessages: 0, serviceMessages: 0 },
  ...{ started: 0, reopened: 0, resolved: 0, closed: 0 },
};

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
  const buckets = localBuckets(fromMs, toMs, by, timeZone).map(bucket => ({ ...bucket, counters: { ...COUNTERS } }));
  const totals = { ...COUNTERS };
  let open = 0;
  for (const { day, quarters, counters } of documents) {
    const dayMs = Date.parse(day);
    // A year has tens of thousands of quarter hours: what a day has of one bucket is added at once.
    for (let at = placeOf(quarters, (fromMs - dayMs) / QUARTER_MS); at < quarters.length;) {
      while ((buckets[open]?.toMs ?? Infinity) <= dayMs + (quarters[at] ?? 0) * QUARTER_MS) open += 1;
      const bucket = buckets[open];
      if (bucket === undefined) break;
      const end = placeOf(quarters, (bucket.toMs - dayMs) / QUARTER_MS, at);
      for (const name in counters) {
        const sum = sumOf(counters[name as VolumeCounter] ?? [], at, end);
        bucket.counters[name as VolumeCounter] += sum;
        totals[name as VolumeCounter] += sum;
      }
      at = end;
    }
  }
  return { buckets, totals };
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
