import { describe, expect, it } from 'vitest';
import { WireLog } from '../../web/chat/wire-log.ts';
import type { WireEntry } from '../../web/chat/wire-log.ts';
import type { ServerFrame } from '../../web/protocol/frames.ts';

function logged(after: number, upTo: number, revs: readonly number[]): WireEntry {
  const wire = new WireLog(() => undefined);
  const events = revs.map(rev => ({
    rev,
    id: `e${rev}`,
    type: 'MessagePosted',
    at: '2026-11-23T00:00:00.000Z',
    actor: { id: 'bob', role: 'agent' as const },
    data: {},
  }));
  const frame: ServerFrame = { op: 'events', room: 'conversation:42', after, upTo, events };
  wire.frame('visitor', 'in', JSON.stringify(frame), frame, false);
  const [entry] = wire.entries;
  if (!entry) throw new Error('nothing was logged');
  return entry;
}

describe('a frame in the wire view', () => {
  it('GW-3: says which revisions it hides, and why the cursor moves', () => {
    expect(logged(4, 5, [])).toMatchObject({ summary: '4 → 5, hidden 5', tone: 'hidden' });
    expect(logged(4, 5, []).remark).toMatch(/^Rev 5: not for the visitor to see/);
    expect(logged(-1, 6, [0, 1, 2, 4, 6]).summary).toBe('-1 → 6, hidden 3, 5, rev 0…2, 4, 6');
  });

  it('remarks on nothing where nothing is hidden', () => {
    expect(logged(4, 6, [5, 6])).toMatchObject({ summary: '4 → 6, rev 5…6', tone: 'plain', remark: undefined });
    expect(logged(4, 4, [])).toMatchObject({ summary: '4 → 4, nothing', remark: undefined });
  });

  it('shows no token', () => {
    const wire = new WireLog(() => undefined);
    wire.frame('visitor', 'out', '{"op":"refresh","token":"secret"}', { op: 'refresh', token: 'secret' }, false);
    expect(JSON.stringify(wire.entries)).not.toContain('secret');
  });
});
