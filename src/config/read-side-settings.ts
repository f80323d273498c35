/** The settings of projections, read models and queries. */
import { integer } from './setting.ts';
import type { About, Setting } from './setting.ts';

const MIB = 1_048_576;

function bound(
  fallback: number,
  unit: string,
  range: readonly [min: number, max: number],
  meaning: About['meaning'],
): Setting<number> {
  const [min, max] = range;
  return integer({ ...{ group: 'Read models', fallback, unit, min, max, meaning }, example: String(fallback) });
}

export const READ_SIDE_SETTINGS = {
  PROJECTION_BATCH_EVENTS_MAX: bound(
    8_000,
    'events',
    [1, 100_000],
    'Events of the log that are folded into read models at once.',
  ),
  PROJECTION_BATCH_BYTES_MAX: bound(8 * MIB, 'bytes', [64 * 1_024, 64 * MIB], 'What those events may take in memory.'),
  PROJECTION_RETRY_MS_MAX: bound(
    10_000,
    'ms',
    [100, 600_000],
    'Longest wait before a store that is away is tried again; it doubles from 100 ms, with full jitter.',
  ),
  PROJECTION_STANDBY_MS: bound(
    2_000,
    'ms',
    [100, 600_000],
    'How long a node watches another one project before it looks whether it must take over.',
  ),
  PROJECTION_DROP_GRACE_MS: bound(
    30_000,
    'ms',
    [0, 3_600_000],
    'How long a generation that was replaced is kept for queries that still read it.',
  ),
  PARKED_DOCUMENTS_MAX: bound(
    1_000,
    'documents',
    [1, 100_000],
    'Documents of a projection that may stand still, each for an event that could not be folded; one more stops it.',
  ),
  QUERY_WAIT_MS_MAX: bound(
    5_000,
    'ms',
    [0, 60_000],
    'How long a query waits for the position it was asked to show; then it is answered `unavailable`.',
  ),
  QUERIES_WAITING_MAX: bound(1_000, 'queries', [1, 100_000], 'Queries that may wait so at once.'),
} as const satisfies Record<string, Setting<number>>;
