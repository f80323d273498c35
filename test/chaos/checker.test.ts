import { describe, expect, it } from 'vitest';
import { checkRun } from './checker.ts';
import type { Journal, JournalEntry, Run, SeenEvent, ViolationKind } from './checker.ts';

interface Planted extends Run {
  /** The first is the one that faults are planted in. */
  readonly journals: readonly [Journal, Journal];
}

/** Ten messages, posted by two clients in turn, seen by both through a cut in the middle. */
function cleanRun(): Planted {
  const log = Array.from({ length: 10 }, (_, rev): SeenEvent => {
    const sender = rev % 2 === 0 ? 'a' : 'b';
    return { rev, id: `event-${rev}`, type: 'MessagePosted', commandId: `${sender}-${rev}`, text: `text ${rev}` };
  });
  const journal = (client: string): Journal => {
    const mine = log.filter(({ commandId }) => commandId?.startsWith(client));
    const sends = mine.map(({ commandId = '', text }) => sent(commandId, text));
    const acks = mine.map(({ commandId = '', rev }) => acked(commandId, rev));
    const frames: JournalEntry[] = [
      { kind: 'subscribed', asked: -1, after: -1 },
      { kind: 'events', after: -1, upTo: 3, events: log.slice(0, 4) },
      { kind: 'cut' },
      { kind: 'subscribed', asked: 3, after: 3 },
      { kind: 'events', after: 3, upTo: 7, events: log.slice(4, 8) },
      { kind: 'events', after: 7, upTo: 9, events: log.slice(8) },
    ];
    return { client, view: 'staff', entries: [...frames, ...sends, ...acks] };
  };
  return { log, journals: [journal('a'), journal('b')] };
}

function sent(id: string, text = 'x'): JournalEntry {
  return { kind: 'sent', id, command: 'PostMessage', text };
}

function acked(id: string, revision: number, duplicate = false): JournalEntry {
  return { kind: 'acked', id, first: revision, last: revision, duplicate };
}

/** The place of the frame with the revisions 4 to 7 in a journal, and of the `subscribed` before it. */
const MIDDLE_FRAME = 4;
const RESUME = 3;

function withEntries(run: Planted, change: (entries: JournalEntry[]) => JournalEntry[]): Planted {
  const [first, second] = run.journals;
  return { ...run, journals: [{ ...first, entries: change([...first.entries]) }, second] };
}

function withMiddleFrame(run: Planted, change: (events: SeenEvent[]) => SeenEvent[]): Planted {
  return withEntries(run, entries =>
    entries.map((entry, index) =>
      index === MIDDLE_FRAME && entry.kind === 'events' ? { ...entry, events: change([...entry.events]) } : entry,
    ),
  );
}

function withLogEvent(run: Planted, rev: number, change: Partial<SeenEvent>): Planted {
  return { ...run, log: run.log.map(event => (event.rev === rev ? { ...event, ...change } : event)) };
}

/** Each fault is planted in a clean run; `kinds` is all that must be reported, no less and no more. */
const FAULTS: readonly { fault: string; plant: (run: Planted) => Run; kinds: ViolationKind[] }[] = [
  {
    fault: 'a lost event',
    plant: run => withMiddleFrame(run, events => events.filter(({ rev }) => rev !== 5)),
    kinds: ['missing'],
  },
  {
    fault: 'a doubled event',
    plant: run => withMiddleFrame(run, events => [...events, ...events.slice(-1)]),
    kinds: ['duplicated'],
  },
  {
    fault: 'two swapped events',
    plant: run => withMiddleFrame(run, ([a, b, ...rest]) => (a && b ? [b, a, ...rest] : rest)),
    kinds: ['out-of-order'],
  },
  {
    fault: 'an altered text on the way to a client',
    plant: run => withMiddleFrame(run, ([a, ...rest]) => (a ? [{ ...a, text: `${a.text}!` }, ...rest] : rest)),
    kinds: ['different'],
  },
  {
    fault: 'an altered text in the log',
    plant: run => withLogEvent(run, 4, { text: 'text 4 ' }),
    kinds: ['different', 'different', 'text-altered'],
  },
  {
    fault: 'a frame that is lost whole',
    plant: run => withEntries(run, entries => entries.toSpliced(MIDDLE_FRAME, 1)),
    kinds: ['missing', 'missing', 'missing', 'missing', 'not-tiling'],
  },
  {
    fault: 'a frame that is sent again after a resume',
    plant: run =>
      withEntries(run, entries => entries.toSpliced(MIDDLE_FRAME, 0, ...entries.slice(MIDDLE_FRAME, MIDDLE_FRAME + 1))),
    kinds: ['duplicated', 'duplicated', 'duplicated', 'duplicated', 'not-tiling'],
  },
  {
    fault: 'a resume that starts elsewhere than asked',
    plant: run => withEntries(run, entries => entries.toSpliced(RESUME, 1, { kind: 'subscribed', asked: 3, after: 4 })),
    kinds: ['not-tiling'],
  },
  {
    fault: 'an acked event that is not in the log',
    plant: run => withEntries(run, entries => [...entries, sent('a-lost'), acked('a-lost', 10)]),
    kinds: ['acked-not-in-log'],
  },
  {
    fault: 'an acked event at the end of the log that nobody holds any more',
    plant: run => {
      const cut = (journal: Journal): Journal => ({
        ...journal,
        entries: journal.entries.map(entry =>
          entry.kind === 'events' ? { ...entry, events: entry.events.filter(({ rev }) => rev < 9) } : entry,
        ),
      });
      return { log: run.log.slice(0, 9), journals: run.journals.map(cut) };
    },
    kinds: ['acked-not-in-log'],
  },
  {
    fault: 'an ack with another revision than the log has',
    plant: run => withEntries(run, entries => [...entries.slice(0, -1), acked('a-8', 7)]),
    kinds: ['acked-elsewhere'],
  },
  {
    fault: 'two acks of one id that differ',
    plant: run => withEntries(run, entries => entries.toSpliced(-1, 0, acked('a-8', 7, true))),
    kinds: ['acks-disagree'],
  },
  {
    fault: 'a send that is never answered',
    plant: run => withEntries(run, entries => entries.slice(0, -1)),
    kinds: ['never-answered'],
  },
  {
    fault: 'a message sent once and stored twice',
    plant: run => {
      const again = { rev: 10, id: 'event-10', type: 'MessagePosted', commandId: 'a-8', text: 'text 8' };
      const see = (journal: Journal): Journal => ({
        ...journal,
        entries: [...journal.entries, { kind: 'events', after: 9, upTo: 10, events: [again] }],
      });
      return { log: [...run.log, again], journals: run.journals.map(see) };
    },
    kinds: ['acked-elsewhere', 'sent-once-there-twice'],
  },
  {
    fault: 'an event stored that nobody sent',
    plant: run => withLogEvent(run, 9, { commandId: 'ghost' }),
    kinds: ['acked-not-in-log', 'different', 'different', 'never-sent'],
  },
  {
    fault: 'a hole in the revisions of the log',
    plant: run => withLogEvent(run, 9, { rev: 10 }),
    kinds: ['acked-elsewhere', 'different', 'different', 'log-not-dense', 'missing', 'missing'],
  },
  {
    fault: 'a cursor that was refused',
    plant: run => withEntries(run, entries => [...entries, { kind: 'reset', detail: 'beyond-head' }]),
    kinds: ['refused'],
  },
  {
    fault: 'a send refused for good',
    plant: run =>
      withEntries(run, entries => [...entries, { kind: 'nacked', id: 'a-8', code: 'rejected', retryable: false }]),
    kinds: ['refused'],
  },
];

describe('the checker of chaos runs', () => {
  it('finds nothing in a clean run', () => {
    expect(checkRun(cleanRun())).toEqual([]);
  });

  it('accepts a send that was repeated until it was acked as a duplicate', () => {
    const refusal: JournalEntry = { kind: 'nacked', id: 'a-8', code: 'unavailable', retryable: true };
    const again = [sent('a-8', 'text 8'), refusal, sent('a-8', 'text 8'), acked('a-8', 8, true)];
    expect(checkRun(withEntries(cleanRun(), entries => [...entries, ...again]))).toEqual([]);
  });

  it('lets a visitor miss what the visitor view hides, and nothing else', () => {
    const run = withMiddleFrame(cleanRun(), events => events.filter(({ rev }) => rev !== 5 && rev !== 6));
    const journals = [{ ...run.journals[0], view: 'visitor' as const }, run.journals[1]];
    const violations = checkRun({ ...run, journals, isHidden: ({ rev }) => rev === 5 });
    expect(violations).toEqual([{ kind: 'missing', where: 'a', detail: 'revision 6' }]);
  });

  it.each(FAULTS)('GW-3, GW-7, GW-8: finds $fault', ({ plant, kinds }) => {
    const violations = checkRun(plant(cleanRun()));
    expect(violations.map(({ kind }) => kind).sort()).toEqual(kinds);
  });
});
