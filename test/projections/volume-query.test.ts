import fc from 'fast-check';
import { DateTime } from 'luxon';
import { describe, expect, it } from 'vitest';
import { isTimeZone, localBuckets, startOfLocalDay } from '../../src/projections/conversations/local-buckets.ts';
import type { BucketSize } from '../../src/projections/conversations/local-buckets.ts';
import { sumVolume } from '../../src/projections/conversations/volume-query.ts';
import type { VolumeCounter } from '../../src/projections/conversations/volume-facts.ts';
import { columnsOf } from '../support/volume-columns.ts';

const QUARTER_MS = 900_000;
const HOUR_MS = 3_600_000;
/** +5:45; clocks that are set by half an hour; at midnight; to the other side of the date line; by an hour, in both hemispheres. */
const ZONES = [
  ...['UTC', 'Asia/Kathmandu', 'Asia/Kolkata', 'Australia/Lord_Howe', 'Europe/Berlin', 'America/New_York'],
  ...['America/Sao_Paulo', 'America/Halifax', 'Africa/Casablanca', 'Pacific/Apia', 'Pacific/Chatham', 'Asia/Beirut'],
];

const utc = (text: string): number => Date.parse(text);
const quarterOf = (ms: number): number => Math.floor(ms / QUARTER_MS) * QUARTER_MS;

interface Counted {
  readonly atMs: number;
  readonly counter: VolumeCounter;
  readonly by: number;
}

function documentsOf(counted: readonly Counted[]) {
  const days = new Map<string, Map<number, Partial<Record<VolumeCounter, number>>>>();
  for (const { atMs, counter, by } of counted) {
    const day = new Date(atMs).toISOString().slice(0, 10);
    const quarters = days.get(day) ?? new Map<number, Partial<Record<VolumeCounter, number>>>();
    days.set(day, quarters);
    const quarter = Math.floor((atMs - utc(day)) / QUARTER_MS);
    const counters = quarters.get(quarter) ?? {};
    quarters.set(quarter, { ...counters, [counter]: (counters[counter] ?? 0) + by });
  }
  const sorted = [...days].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([day, quarters]) => ({ day, ...columnsOf(Object.fromEntries(quarters)) }));
}

/** What Luxon makes of the beginning of a quarter hour: its hour (of two that look alike, which), day or week. */
function labelOf(atMs: number, by: BucketSize, zone: string): string {
  const local = DateTime.fromMillis(atMs, { zone });
  if (by === 'week') return local.toFormat("kkkk-'W'WW");
  return by === 'day' ? local.toFormat('yyyy-MM-dd') : local.toFormat('yyyy-MM-dd HH ZZ');
}

const range = fc
  .tuple(
    fc.integer({ min: utc('2005-01-01'), max: utc('2027-01-01') }).map(quarterOf),
    fc.oneof(fc.integer({ min: 1, max: 96 * 3 }), fc.integer({ min: 1, max: 96 * 20 })),
  )
  .map(([fromMs, quarters]) => ({ fromMs, toMs: fromMs + quarters * QUARTER_MS }));

describe('hours, days and weeks of a time zone', () => {
  it('are what Luxon makes of each quarter hour, for any time and zone', () => {
    fc.assert(
      fc.property(
        range,
        fc.constantFrom(...ZONES),
        fc.constantFrom<BucketSize>('hour', 'day', 'week'),
        fc.array(
          fc.tuple(
            fc.nat(96 * 60),
            fc.constantFrom<VolumeCounter>('messages', 'closed'),
            fc.integer({ min: 1, max: 5 }),
          ),
          {
            maxLength: 40,
          },
        ),
        ({ fromMs, toMs }, timeZone, by, counts) => {
          const quarters = (toMs - fromMs) / QUARTER_MS;
          const counted = counts.map(([at, counter, count]) => ({
            // Some of them before it or behind it.
            atMs: fromMs + ((at % (quarters + 4)) - 2) * QUARTER_MS,
            ...{ counter, by: count },
          }));
          const { buckets, totals } = sumVolume(documentsOf(counted), { fromMs, toMs, by, timeZone });
          const expected = new Map<string, Record<'messages' | 'closed', number>>();
          for (let atMs = fromMs; atMs < toMs; atMs += QUARTER_MS) {
            const label = labelOf(atMs, by, timeZone);
            const sums = expected.get(label) ?? { messages: 0, closed: 0 };
            expected.set(label, sums);
            for (const each of counted) if (each.atMs === atMs) sums[each.counter as 'messages' | 'closed'] += each.by;
          }
          const sums = new Map(
            buckets.map(({ fromMs, counters: { messages, closed } }) => [
              labelOf(fromMs, by, timeZone),
              { messages, closed },
            ]),
          );
          expect([...sums]).toEqual([...expected]);
          expect(buckets).toHaveLength(expected.size);
          expect(totals.messages).toBe(buckets.reduce((sum, { counters }) => sum + counters.messages, 0));
          // Without a gap.
          expect(buckets[0]?.fromMs).toBe(fromMs);
          expect(buckets.at(-1)?.toMs).toBe(toMs);
          for (const [i, bucket] of buckets.entries()) {
            expect(bucket.toMs).toBeGreaterThan(bucket.fromMs);
            if (i > 0) expect(bucket.fromMs).toBe(buckets[i - 1]?.toMs);
            expect(bucket.offsetMinutes).toBe(DateTime.fromMillis(bucket.fromMs, { zone: timeZone }).offset);
            expect(bucket.endOffsetMinutes).toBe(DateTime.fromMillis(bucket.toMs, { zone: timeZone }).offset);
          }
        },
      ),
      // Seasons end all the time in twelve zones and twenty years.
      { numRuns: 120 },
    );
  }, 60_000);

  const hours = (day: string, timeZone: string, by: BucketSize = 'day'): number[] => {
    const fromMs = startOfLocalDay(day, timeZone);
    const next = DateTime.fromISO(day, { zone: 'utc' }).plus({ days: 1 }).toFormat('yyyy-MM-dd');
    return localBuckets(fromMs, startOfLocalDay(next, timeZone), by, timeZone).map(
      bucket => (bucket.toMs - bucket.fromMs) / HOUR_MS,
    );
  };

  it.each([
    ['Europe/Berlin', '2026-03-29', 23],
    ['Europe/Berlin', '2026-10-25', 25],
    ['Australia/Lord_Howe', '2026-04-05', 24.5],
    ['Australia/Lord_Howe', '2026-10-04', 23.5],
    ['America/Sao_Paulo', '2018-11-04', 23],
    ['Asia/Kathmandu', '2026-03-29', 24],
  ])('a day in %s, %s, has %s hours', (zone, day, length) => {
    expect(hours(day, zone)).toEqual([length]);
  });

  it('an hour that comes twice is two, and one that the clock skips is none', () => {
    expect(hours('2026-10-25', 'Europe/Berlin', 'hour')).toEqual(Array(25).fill(1));
    expect(hours('2026-03-29', 'Europe/Berlin', 'hour')).toEqual(Array(23).fill(1));
    // From 2:00 back to 1:30, and from 2:00 on to 2:30.
    expect(hours('2026-04-05', 'Australia/Lord_Howe', 'hour')).toEqual([1, 1, 0.5, ...Array<number>(22).fill(1)]);
    expect(hours('2026-10-04', 'Australia/Lord_Howe', 'hour')).toEqual([1, 1, 0.5, ...Array<number>(21).fill(1)]);
  });

  it('a day that a zone skipped is none', () => {
    const days = localBuckets(utc('2011-12-29T10:00Z'), utc('2011-12-31T10:00Z'), 'day', 'Pacific/Apia');
    expect(days.map(({ fromMs }) => labelOf(fromMs, 'day', 'Pacific/Apia'))).toEqual(['2011-12-29', '2011-12-31']);
  });

  it('a day that has begun does not end when the clock is set back a minute later', () => {
    const days = localBuckets(utc('2008-11-01T12:00Z'), utc('2008-11-03T12:00Z'), 'day', 'America/St_Johns');
    expect(days.map(({ fromMs }) => new Date(fromMs).toISOString())).toEqual([
      '2008-11-01T12:00:00.000Z',
      '2008-11-02T02:30:00.000Z',
      '2008-11-03T03:30:00.000Z',
    ]);
  });

  it('weeks begin on Monday', () => {
    const weeks = localBuckets(utc('2025-12-24T00:00Z'), utc('2026-01-07T00:00Z'), 'week', 'UTC');
    expect(weeks.map(({ fromMs }) => new Date(fromMs).toISOString().slice(0, 10))).toEqual([
      '2025-12-24',
      '2025-12-29',
      '2026-01-05',
    ]);
  });

  it('a date begins where its zone says so', () => {
    expect(startOfLocalDay('2026-03-01', 'Asia/Kathmandu')).toBe(utc('2026-02-28T18:15:00Z'));
    expect(startOfLocalDay('2026-03-01', 'UTC')).toBe(utc('2026-03-01'));
    // At one o'clock, since there is no midnight.
    expect(startOfLocalDay('2018-11-04', 'America/Sao_Paulo')).toBe(utc('2018-11-04T03:00:00Z'));
    expect(startOfLocalDay('2026-03-01', 'Pacific/Kiritimati')).toBe(utc('2026-02-28T10:00:00Z'));
  });

  it('a zone is one that the IANA names', () => {
    for (const zone of ZONES) expect(isTimeZone(zone), zone).toBe(true);
    for (const zone of ['', 'Mars/Olympus', '+05:45', 'Europe/', '../etc']) expect(isTimeZone(zone), zone).toBe(false);
  });
});
