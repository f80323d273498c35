import { describe, expect, it } from 'vitest';
import { describe as words } from '../../web/chat/resume-words.ts';
import { Coverage } from '../../web/protocol/coverage.ts';
import type { RoomEvent, ServerFrame } from '../../web/protocol/frames.ts';

const event = (rev: number): RoomEvent => ({
  rev,
  id: `e${rev}`,
  type: 'MessagePosted',
  at: '2026-11-23T00:00:00.000Z',
  actor: { id: 'bob', role: 'agent' },
  data: {},
});
const subscribed = (after: number): ServerFrame => ({ op: 'subscribed', room: 'r', log: 'l', head: 99, after });
const caughtUp = (upTo: number): ServerFrame => ({ op: 'caught-up', room: 'r', upTo });
const events = (after: number, upTo: number, revs: number[]): ServerFrame => ({
  op: 'events',
  room: 'r',
  after,
  upTo,
  events: revs.map(event),
});

function observed(everythingVisible: boolean, ...frames: ServerFrame[]): Coverage {
  const coverage = new Coverage({ everythingVisible });
  for (const frame of frames) coverage.observe(frame);
  return coverage;
}

describe('the check of what came over the wire', () => {
  it('GW-3: finds nothing in frames that tile, over a resume', () => {
    const coverage = observed(
      true,
      subscribed(-1),
      events(-1, 2, [0, 1, 2]),
      caughtUp(2),
      events(2, 3, [3]),
      subscribed(3),
      events(3, 5, [4, 5]),
      caughtUp(5),
      events(5, 6, [6]),
    );
    expect(coverage).toMatchObject({ gaps: 0, duplicates: 0, upTo: 6 });
    expect(coverage.lastResume).toEqual({ after: 3, upTo: 5, revisions: 2, gaps: 0, duplicates: 0 });
    expect([...coverage.arrivals.values()]).toEqual([
      'backlog',
      'backlog',
      'backlog',
      'live',
      'resumed',
      'resumed',
      'live',
    ]);
  });

  it('GW-3: counts each revision that a frame jumps over', () => {
    expect(observed(true, subscribed(-1), events(-1, 0, [0]), events(3, 4, [4])).gaps).toBe(3);
  });

  it('GW-3: counts each revision seen twice, also across a resume', () => {
    const coverage = observed(
      true,
      subscribed(-1),
      events(-1, 2, [0, 1, 2]),
      caughtUp(2),
      subscribed(0),
      events(0, 3, [1, 2, 3]),
      caughtUp(3),
    );
    expect(coverage).toMatchObject({ gaps: 0, duplicates: 2, upTo: 3 });
    expect(coverage.lastResume).toMatchObject({ duplicates: 2, revisions: 1 });
  });

  it('GW-3: finds a revision missing inside a frame where everything is visible', () => {
    expect(observed(true, subscribed(-1), events(-1, 3, [0, 3])).gaps).toBe(2);
    expect(observed(true, subscribed(-1), events(-1, 3, [0, 1])).gaps).toBe(2);
  });

  it('GW-3: takes it as hidden where some are not for this role', () => {
    const coverage = observed(false, subscribed(-1), events(-1, 3, [0, 3]));
    expect(coverage.gaps).toBe(0);
    expect(coverage.arrivals.get(1)).toBe('hidden');
  });

  it('GW-4: begins again after a reset', () => {
    const coverage = observed(
      true,
      subscribed(-1),
      events(-1, 2, [0, 1, 2]),
      { op: 'reset', room: 'r', reason: 'truncated', from: 50, head: 99, log: 'l' },
      subscribed(49),
      events(49, 50, [50]),
    );
    expect(coverage).toMatchObject({ gaps: 0, duplicates: 0, upTo: 50 });
  });

  it('remembers a bounded number of revisions, and counts on', () => {
    const revs = Array.from({ length: 1_000 }, (_, rev) => rev);
    const coverage = observed(true, subscribed(-1), events(-1, 999, revs));
    expect(coverage.arrivals.size).toBe(240);
    expect(coverage).toMatchObject({ gaps: 0, duplicates: 0, upTo: 999 });
  });
});

describe('a resume in words', () => {
  it.each([
    [{ after: 17, upTo: 23, gaps: 0, duplicates: 0 }, 'after 17: 18…23, no gap, no duplicate'],
    [{ after: 17, upTo: 18, gaps: 0, duplicates: 0 }, 'after 17: 18, no gap, no duplicate'],
    [{ after: 17, upTo: 17, gaps: 0, duplicates: 0 }, 'after 17: nothing was missed'],
    [{ after: 17, upTo: 17, gaps: 0, duplicates: 1 }, 'after 17: nothing was missed, no gap, 1 duplicate'],
    [{ after: 17, upTo: 23, gaps: 1, duplicates: 2 }, 'after 17: 18…23, 1 gap, 2 duplicates'],
  ])('%o', (resume, expected) => {
    expect(words(resume)).toBe(expected);
  });
});
