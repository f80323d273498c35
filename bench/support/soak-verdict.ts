/** What a soak has to show: that nothing grows and nothing slows down. Pure, so that its test can show it what it must refuse. */
import { median } from './stats.ts';

export interface SoakRow {
  /** Since the load began. */
  readonly seconds: number;
  /** Without the pages of mapped files (lmdb), which the kernel takes back as it likes. */
  readonly rssAnonMb: number;
  readonly rssFileMb: number;
  readonly heapMb: number;
  readonly externalMb: number;
  readonly handles: number;
  readonly fds: number;
  readonly loopP50Ms: number;
  readonly loopP99Ms: number;
  readonly acksPerSecond: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  readonly logMb: number;
  readonly sockets: number;
  readonly gaps: number;
  readonly lost: number;
}

export interface Finding {
  readonly what: string;
  readonly measured: number;
  readonly allowed: number;
  readonly isKept: boolean;
}

/**
 * The smallest object that a message could leave behind takes some 40 bytes; half of it a message is a leak, or on its way
 * to being one. In short runs the noise of the collector is larger than that.
 */
const GROWTH_BYTES_A_MESSAGE = 20;
const GROWTH_MB_MIN = 24;
/** Sockets come and go, so that their number is never quite the same. */
const COUNT_SHARE = 0.05;
const COUNT_MIN = 24;
/** A machine that is shared is slower at times; a server that slows down does so for good. */
const DELAY_FACTOR = 1.5;
const DELAY_MS_MIN = 10;

/** @param rows without the warm-up */
export function soakVerdict(rows: readonly SoakRow[], wantedPerSecond: number): Finding[] {
  const [first, last] = [rows.slice(0, Math.ceil(rows.length / 3)), rows.slice(-Math.ceil(rows.length / 3))];
  const seconds = (rows.at(-1)?.seconds ?? 0) - (rows[0]?.seconds ?? 0);
  const messages = seconds * median(rows.map(row => row.acksPerSecond));
  const allowedMb = Math.max(GROWTH_MB_MIN, (messages * GROWTH_BYTES_A_MESSAGE) / 1e6);
  const growth = (what: string, read: (row: SoakRow) => number): Finding => {
    const measured = slope(rows.map(row => [row.seconds, read(row)])) * seconds;
    return { what, measured, allowed: allowedMb, isKept: measured <= allowedMb };
  };
  const count = (what: string, read: (row: SoakRow) => number): Finding => {
    const before = median(first.map(read));
    const measured = median(last.map(read)) - before;
    const allowed = Math.max(COUNT_MIN, before * COUNT_SHARE);
    return { what, measured, allowed, isKept: measured <= allowed };
  };
  const delay = (what: string, read: (row: SoakRow) => number): Finding => {
    const measured = median(last.map(read));
    const allowed = Math.max(DELAY_MS_MIN, median(first.map(read)) * DELAY_FACTOR);
    return { what, measured, allowed, isKept: measured <= allowed };
  };
  const none = (what: string, read: (row: SoakRow) => number): Finding => {
    const measured = rows.reduce((sum, row) => sum + read(row), 0);
    return { what, measured, allowed: 0, isKept: measured === 0 };
  };
  const acks = median(rows.map(row => row.acksPerSecond));
  return [
    growth('resident memory but mapped files, grown by MB', row => row.rssAnonMb),
    growth('heap in use, grown by MB', row => row.heapMb),
    count('handles, grown by', row => row.handles),
    count('open files, grown by', row => row.fds),
    delay('p99 of the event loop in the last third, ms', row => row.loopP99Ms),
    delay('p99 from send to ack in the last third, ms', row => row.ackP99Ms),
    none('frames that did not follow their cursor', row => row.gaps),
    {
      what: 'messages a second',
      measured: acks,
      allowed: wantedPerSecond * 0.9,
      isKept: acks >= wantedPerSecond * 0.9,
    },
  ];
}

/** Least squares. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const over = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const under = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return under === 0 ? 0 : over / under;
}
