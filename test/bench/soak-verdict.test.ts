import { describe, expect, it } from 'vitest';
import { linePlotsSvg } from '../../bench/support/line-plots.ts';
import { soakVerdict } from '../../bench/support/soak-verdict.ts';
import type { SoakRow } from '../../bench/support/soak-verdict.ts';

const RATE = 500;

/** An hour, a row every 5 s, each a little off the other as a collector makes them. */
function hour(change: (row: SoakRow, share: number) => Partial<SoakRow> = () => ({})): SoakRow[] {
  return Array.from({ length: 720 }, (_, index) => {
    const noise = ((index * 7_919) % 41) - 20;
    const row: SoakRow = {
      seconds: index * 5,
      ...{ rssAnonMb: 300 + noise, rssFileMb: 40 + index, heapMb: 150 + noise, externalMb: 20, handles: 1_010 + noise },
      ...{ fds: 1_050 + noise, loopP50Ms: 10, loopP99Ms: 14 + noise / 10, acksPerSecond: RATE, ackP50Ms: 3 },
      ...{ ackP99Ms: 20 + noise / 2, logMb: index, sockets: 1_000, gaps: 0, lost: 0 },
    };
    return { ...row, ...change(row, index / 720) };
  });
}

const FAULTS: readonly [fault: string, rows: SoakRow[], broken: string][] = [
  [
    'memory that grows by an object of 40 bytes a message',
    hour((row, share) => ({ rssAnonMb: row.rssAnonMb + 72 * share })),
    'resident',
  ],
  ['a heap that does', hour((row, share) => ({ heapMb: row.heapMb + 72 * share })), 'heap'],
  [
    'a file left open by every 200th socket that goes',
    hour((row, share) => ({ fds: row.fds + 300 * share })),
    'open files',
  ],
  ['timers that pile up', hour((row, share) => ({ handles: row.handles + 300 * share })), 'handles'],
  ['a loop that slows down', hour((row, share) => ({ loopP99Ms: row.loopP99Ms * (1 + share) })), 'event loop'],
  ['acks that slow down', hour((row, share) => ({ ackP99Ms: row.ackP99Ms * (1 + share) })), 'send to ack'],
  ['one frame that left a gap', hour(row => ({ gaps: row.seconds === 1_800 ? 1 : 0 })), 'cursor'],
  ['half the messages', hour(() => ({ acksPerSecond: RATE / 2 })), 'messages a second'],
];

describe('the verdict on a soak', () => {
  it('is kept by an hour in which only the log and its mapped index grow', () => {
    expect(soakVerdict(hour(), RATE).filter(({ isKept }) => !isKept)).toEqual([]);
  });

  it.each(FAULTS)('is broken by %s', (_, rows, broken) => {
    const found = soakVerdict(rows, RATE).filter(({ isKept }) => !isKept);
    expect(found.map(({ what }) => what)).toEqual([expect.stringContaining(broken)]);
  });
});

describe('a plot', () => {
  it('has a line of points for each row of numbers, and leaves out what is none', () => {
    const svg = linePlotsSvg(
      'a & b',
      [0, 60],
      [
        {
          title: 't',
          lines: [
            { name: '<n>', values: [1, 2] },
            { name: 'm', values: [NaN, 1] },
          ],
        },
      ],
    );
    expect(svg.match(/<polyline/g)).toHaveLength(2);
    expect(svg).toContain('a &amp; b');
    expect(svg).toContain('&lt;n>');
    expect(svg).not.toContain('NaN');
  });
});
