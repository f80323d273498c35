/**
 * Hours, days and ISO weeks of a time zone, as stretches of UTC quarter hours. All zones of today are a whole number of
 * quarters from UTC, so that a sum over quarters is exact in each of them; where a zone of long ago was not, a quarter
 * counts where it begins.
 *
 * A day or a week begins when the local date says so, however many hours the clock makes of it. An hour is a stretch of
 * the local clock's hour under one offset: the hour that a clock set back shows twice is two.
 */
import { IANAZone } from 'luxon';

export type BucketSize = 'hour' | 'day' | 'week';

export interface LocalBucket {
  /** Milliseconds since 1970, UTC. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  /** Of the local clock at its beginning and at its end, in minutes east of UTC. */
  readonly offsetMinutes: number;
  readonly endOffsetMinutes: number;
}

export const QUARTER_MS = 900_000;
const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
/** A Monday is the fourth day after a Thursday, and 1970 began with a Thursday. */
const MONDAY_DAYS = 3;
/** No zone has ever changed twice within so long. */
const OFFSET_STEP_MS = 6 * HOUR_MS;
/** What is remembered of a zone at once, and how much of all zones: a hundred bytes each. */
const SPAN_MS = 64 * DAY_MS;
const KNOWN_SPANS_MAX = 5_000;

export function isTimeZone(name: string): boolean {
  return IANAZone.isValidZone(name);
}

/** By its one spelling, since Luxon keeps what it makes of each. */
function zoneOf(timeZone: string): IANAZone {
  return IANAZone.create(new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone);
}

/** The instant when the local date begins; both are quarter hours. `day`: `2026-03-01`. */
export function startOfLocalDay(day: string, timeZone: string): number {
  const utc = Date.parse(`${day}T00:00:00.000Z`);
  const zone = zoneOf(timeZone);
  // No zone is further from UTC than a day; the first quarter in which the local date is reached begins it.
  let [before, reached] = [utc - DAY_MS, utc + DAY_MS];
  while (reached - before > QUARTER_MS) {
    const middle = before + Math.floor((reached - before) / QUARTER_MS / 2) * QUARTER_MS;
    if (middle + offsetMs(zone, middle) >= utc) reached = middle;
    else before = middle;
  }
  return reached;
}

/**
 * The buckets that the time from `fromMs` (inclusive) to `toMs` (exclusive), both quarter hours, is made of, without a gap;
 * the first and the last may be parts of one.
 */
export function localBuckets(fromMs: number, toMs: number, size: BucketSize, timeZone: string): LocalBucket[] {
  const zone = zoneOf(timeZone);
  const buckets: LocalBucket[] = [];
  let last: number | undefined;
  for (const { beginMs, endMs, offset } of offsetsOf(zone, fromMs, toMs)) {
    // Another offset is another hour; it is no other day.
    if (size === 'hour') last = undefined;
    let atMs = beginMs;
    while (atMs < endMs) {
      // A clock that is set back just after midnight does not bring the day before back.
      const number = Math.max(last ?? -Infinity, numberOf(atMs + offset, size));
      const nextMs = Math.min(endMs, firstQuarterOf(startOf(number + 1, size) - offset));
      const open = buckets.at(-1);
      const endOffsetMinutes = minutesOf(nextMs === endMs ? offsetMs(zone, endMs) : offset);
      if (open !== undefined && last === number)
        buckets[buckets.length - 1] = { ...open, toMs: nextMs, endOffsetMinutes };
      else buckets.push({ fromMs: atMs, toMs: nextMs, offsetMinutes: minutesOf(offset), endOffsetMinutes });
      last = number;
      atMs = nextMs;
    }
  }
  return buckets;
}

interface OffsetStretch {
  readonly beginMs: number;
  readonly endMs: number;
  readonly offset: number;
}

/** In which the zone's offset stays what it is, as quarter hours see it. */
function offsetsOf(zone: IANAZone, fromMs: number, toMs: number): OffsetStretch[] {
  const stretches: OffsetStretch[] = [];
  for (let span = Math.floor(fromMs / SPAN_MS); span * SPAN_MS < toMs; span++)
    for (const { beginMs, endMs, offset } of offsetsInSpan(zone, span)) {
      const stretch = { beginMs: Math.max(beginMs, fromMs), endMs: Math.min(endMs, toMs), offset };
      if (stretch.beginMs >= stretch.endMs) continue;
      const open = stretches.at(-1);
      if (open?.offset === offset) stretches[stretches.length - 1] = { ...open, endMs: stretch.endMs };
      else stretches.push(stretch);
    }
  return stretches;
}

/** Asking for offsets is most of what the buckets of a year take, and they stay what they are while the process runs. */
const knownSpans = new Map<string, readonly OffsetStretch[]>();

function offsetsInSpan(zone: IANAZone, span: number): readonly OffsetStretch[] {
  const name = `${zone.name} ${span}`;
  const known = knownSpans.get(name);
  if (known !== undefined) return known;
  const found = findOffsets(zone, span * SPAN_MS, (span + 1) * SPAN_MS);
  for (const oldest of knownSpans.keys()) {
    if (knownSpans.size < KNOWN_SPANS_MAX) break;
    knownSpans.delete(oldest);
  }
  knownSpans.set(name, found);
  return found;
}

function findOffsets(zone: IANAZone, fromMs: number, toMs: number): readonly OffsetStretch[] {
  const stretches: OffsetStretch[] = [];
  let open = { beginMs: fromMs, endMs: fromMs, offset: offsetMs(zone, fromMs) };
  stretches.push(open);
  for (let atMs = fromMs; atMs < toMs; atMs = open.endMs) {
    const nextMs = Math.min(toMs, atMs + OFFSET_STEP_MS);
    const offset = offsetMs(zone, nextMs);
    if (offset === open.offset) {
      open.endMs = nextMs;
      continue;
    }
    open.endMs = changeBetween(zone, atMs, nextMs);
    if (open.endMs >= toMs) break;
    open = { beginMs: open.endMs, endMs: open.endMs, offset };
    stretches.push(open);
  }
  return stretches;
}

/** The first quarter hour that has the offset of `toMs`. */
function changeBetween(zone: IANAZone, fromMs: number, toMs: number): number {
  const offset = offsetMs(zone, toMs);
  let [before, after] = [fromMs, toMs];
  while (after - before > QUARTER_MS) {
    const middle = before + Math.floor((after - before) / QUARTER_MS / 2) * QUARTER_MS;
    if (offsetMs(zone, middle) === offset) after = middle;
    else before = middle;
  }
  return after;
}

function offsetMs(zone: IANAZone, atMs: number): number {
  return Math.round(zone.offset(atMs) * 60_000);
}

function minutesOf(offset: number): number {
  return Math.round(offset / 60_000);
}

/** Which hour, day or week the local time is in, counted from one around 1970. */
function numberOf(localMs: number, size: BucketSize): number {
  if (size === 'hour') return Math.floor(localMs / HOUR_MS);
  const day = Math.floor(localMs / DAY_MS);
  return size === 'day' ? day : Math.floor((day + MONDAY_DAYS) / 7);
}

function startOf(number: number, size: BucketSize): number {
  if (size === 'hour') return number * HOUR_MS;
  return (size === 'day' ? number : number * 7 - MONDAY_DAYS) * DAY_MS;
}

function firstQuarterOf(atMs: number): number {
  return Math.ceil(atMs / QUARTER_MS) * QUARTER_MS;
}
