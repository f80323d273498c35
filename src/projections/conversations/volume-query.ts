/** How much happened, by hours, days or weeks of a time zone: sums of the quarter hours that documents count. */
import type { Generation } from '../../read-store/read-store.ts';
import type { Shown } from '../read-models.ts';
import { DAY_MS, localBuckets, QUARTER_MS } from './local-buckets.ts';
import type { BucketSize, LocalBucket } from './local-buckets.ts';
import { VOLUME } from './volume.ts';
import type { VolumeDocument } from './volume.ts';
import type { VolumeCounter, VolumeCounters, VolumeDimension } from './volume-facts.ts';

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
  const { tenant, dimension, value, fromMs, toMs } = request;
  const { documents, position } = await generation.walk<VolumeDocument>({
    ...{ collection: VOLUME.name, index: 'by_day', direction: 'forwards' },
    equals: { tenant, dimension, value },
    range: { field: 'day', gte: dayOf(fromMs), lte: dayOf(toMs - 1) },
    // The days of a time zone touch one day of UTC more, at each end.
    limit: VOLUME_DAYS_MAX + 2,
  });
  const stale = documents.some(({ parked }) => parked === true);
  return { position, stale, ...sumVolume(documents, request) };
}

/** Documents in the order of their days. */
export function sumVolume(
  documents: readonly Pick<VolumeDocument, 'day' | 'quarters'>[],
  { fromMs, toMs, by, timeZone }: Pick<VolumeRequest, 'fromMs' | 'toMs' | 'by' | 'timeZone'>,
): Pick<Volume, 'buckets' | 'totals'> {
  const buckets = localBuckets(fromMs, toMs, by, timeZone).map(bucket => ({ ...bucket, counters: { ...COUNTERS } }));
  let open = 0;
  for (const { day, quarters } of documents) {
    const dayMs = Date.parse(day);
    // Keys that are whole numbers come in ascending order. A year has tens of thousands: no list of them is made.
    for (const quarter in quarters) {
      const atMs = dayMs + Number(quarter) * QUARTER_MS;
      if (atMs < fromMs || atMs >= toMs) continue;
      while ((buckets[open]?.toMs ?? Infinity) <= atMs) open += 1;
      const bucket = buckets[open];
      const counters = quarters[quarter];
      if (bucket !== undefined && counters !== undefined) add(bucket.counters, counters);
    }
  }
  const totals = { ...COUNTERS };
  for (const { counters } of buckets) add(totals, counters);
  return { buckets, totals };
}

function add(sums: Record<VolumeCounter, number>, counters: VolumeCounters): void {
  for (const name in counters) sums[name as VolumeCounter] += counters[name as VolumeCounter] ?? 0;
}

function dayOf(atMs: number): string {
  return new Date(Math.floor(atMs / DAY_MS) * DAY_MS).toISOString().slice(0, 'YYYY-MM-DD'.length);
}
