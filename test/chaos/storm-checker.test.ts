import { describe, expect, it } from 'vitest';
import { judgeStorm } from './storm-checker.ts';
import type { StormNotes } from './storm-checker.ts';

const SENT_AT = [0, 500, 1_000, 1_500, 2_000];

/** Cut after the second broadcast, back at 1,600, the two it missed within 20 ms. */
function notes(more: Partial<StormNotes> = {}): StormNotes {
  return { seqs: [0, 1, 2, 3, 4], arrivedAt: [1, 501, 1_610, 1_620, 2_001], connectedAt: [1_600], ...more };
}

describe('the judge of storms', () => {
  it('counts what was delivered, and times a replay from TCP connect to the last missed broadcast', () => {
    expect(judgeStorm(SENT_AT, [notes(), notes({ connectedAt: [] })])).toEqual({
      ...{ expected: 10, delivered: 10, lost: 0, duplicates: 0, disordered: 0 },
      replayMs: [20],
    });
  });

  it('finds a lost one', () => {
    const verdict = judgeStorm(SENT_AT, [notes({ seqs: [0, 1, 3, 4], arrivedAt: [1, 501, 1_620, 2_001] })]);
    expect(verdict).toMatchObject({ delivered: 4, lost: 1, duplicates: 0, disordered: 0 });
  });

  it('finds one that never came to anybody', () => {
    const seqs = { seqs: [0, 1, 2, 3], arrivedAt: [1, 501, 1_610, 1_620] };
    expect(judgeStorm(SENT_AT, [notes(seqs), notes(seqs)])).toMatchObject({ expected: 10, lost: 2 });
  });

  it('finds a doubled one', () => {
    const verdict = judgeStorm(SENT_AT, [
      notes({ seqs: [0, 1, 1, 2, 3, 4], arrivedAt: [1, 501, 1_605, 1_610, 1_620, 2_001] }),
    ]);
    expect(verdict).toMatchObject({ delivered: 5, lost: 0, duplicates: 1, disordered: 0 });
  });

  it('finds two that were swapped', () => {
    expect(judgeStorm(SENT_AT, [notes({ seqs: [0, 1, 3, 2, 4] })])).toMatchObject({ lost: 0, disordered: 1 });
  });
});
