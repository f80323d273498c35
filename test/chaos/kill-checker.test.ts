import { describe, expect, it } from 'vitest';
import { byConversation, toNdjson } from '../support/sample.ts';
import type { SampleLine } from '../support/sample.ts';
import type { WireEvent } from '../support/wire-client.ts';
import type { Journal, JournalEntry } from './checker.ts';
import { checkKillRun } from './kill-checker.ts';
import type { KillRun, KillViolationKind, RawEvent } from './kill-checker.ts';
import { linesOfChunk } from './kill-plan.ts';
import { seenEvent } from './kill-talker.ts';

const ROOM = 'alpha/room';
const OTHER = 'beta/room';
const IMPORTED: readonly SampleLine[] = [
  { id: 'i.1', conversation: 'imp', at: '2004-12-26T03:21:00.000Z', author: 'ann', role: 'visitor', text: 'hello' },
  { id: 'i.2', conversation: 'imp', at: '2004-12-26T03:22:00.000Z', author: 'bob', role: 'agent', text: 'yes' },
];

/** Posts, an edit, a redaction and a receipt, in a room of each tenant under the same name. */
function room(tenant: string): WireEvent[] {
  const actor = { id: `${tenant}-agent`, role: 'agent' };
  const event = (rev: number, type: string, data: WireEvent['data']): WireEvent => ({
    ...{ rev, type, data, actor, at: '2026-01-01T00:00:00.000Z', id: `${tenant}-${rev}` },
    commandId: `${tenant}.c${rev}`,
  });
  return [
    event(0, 'ConversationStarted', { channel: 'chaos' }),
    event(1, 'MessagePosted', { seq: 0, text: `${tenant} one` }),
    event(2, 'MessagePosted', { seq: 1, text: `${tenant} two` }),
    event(3, 'MessageEdited', { seq: 0, text: `${tenant} one, edited` }),
    event(4, 'ReceiptRecorded', { reader: 'v', kind: 'read', seq: 0 }),
    event(5, 'MessageRedacted', { seq: 1 }),
    event(6, 'ReceiptRecorded', { reader: 'v', kind: 'read', seq: 1 }),
  ];
}

function importedRoom(): WireEvent[] {
  const actor = { id: 'importer', role: 'service' };
  const [first] = IMPORTED;
  const start = { rev: 0, id: 'imp-0', type: 'ConversationStarted', at: first?.at ?? '', actor, data: {} };
  const posts = IMPORTED.map((line, seq): WireEvent => ({
    ...{ rev: seq + 1, id: `imp-${seq + 1}`, type: 'MessagePosted', at: line.at, commandId: line.id },
    actor: { id: `id of ${line.author}`, role: line.role },
    data: { seq, text: line.text, source: { id: line.id, author: line.author } },
  }));
  return [start, ...posts];
}

function journal(tenant: string, events: readonly WireEvent[], raw: readonly RawEvent[]): Journal {
  const own = events.filter(({ type }) => type !== 'ReceiptRecorded');
  const sends = own.map(({ commandId = '', type, data }): JournalEntry => {
    const text = typeof data.text === 'string' ? { text: data.text } : {};
    return { kind: 'sent', id: commandId, command: type, ...text };
  });
  const acks = own.map(({ commandId: id = '', rev }): JournalEntry => {
    const position = String(
      raw.find(({ stream, revision }) => stream === `conversation-${tenant}.room` && revision === rev)?.position,
    );
    return { kind: 'acked', id, first: rev, last: rev, duplicate: false, position };
  });
  const frames: JournalEntry[] = [
    { kind: 'subscribed', asked: -1, after: -1 },
    { kind: 'events', after: -1, upTo: 2, events: events.slice(0, 3).map(seenEvent) },
    { kind: 'lost' },
    { kind: 'subscribed', asked: 2, after: 2 },
    { kind: 'events', after: 2, upTo: 6, events: events.slice(3).map(seenEvent) },
  ];
  return { client: `${tenant}-agent`, view: 'staff', entries: [...frames, ...sends, ...acks] };
}

function cleanRun(): KillRun {
  const rooms = new Map([
    [ROOM, room('alpha')],
    [OTHER, room('beta')],
    ['alpha/imp', importedRoom()],
  ]);
  let position = 100n;
  const raw = [...rooms].flatMap(([key, events]) =>
    events.map(({ rev, id, type, commandId }): RawEvent => {
      position += 7n;
      return { stream: `conversation-${key.replace('/', '.')}`, revision: rev, position, id, type, commandId };
    }),
  );
  const exported = new Map(
    ['alpha', 'beta'].map(tenant => [
      `${tenant}/room`,
      [
        { id: `${tenant}.c1`, text: `${tenant} one, edited` },
        { id: `${tenant}.c2`, text: '' },
      ],
    ]),
  );
  exported.set(
    'alpha/imp',
    IMPORTED.map(({ id, text }) => ({ id, text })),
  );
  return {
    ...{ rooms, raw, exported },
    journals: new Map(['alpha', 'beta'].map(tenant => [`${tenant}/room`, [journal(tenant, room(tenant), raw)]])),
    imported: new Map([['alpha', IMPORTED]]),
    exports: [{ room: ROOM, acked: ['alpha.c1'], got: ['alpha.c1', 'alpha.c2'] }],
  };
}

function withEntries(run: KillRun, change: (entries: readonly JournalEntry[]) => JournalEntry[]): KillRun {
  const journals = (run.journals.get(ROOM) ?? []).map(each => ({ ...each, entries: change(each.entries) }));
  return { ...run, journals: new Map([...run.journals, [ROOM, journals]]) };
}

/** The events of the frame after the resume. */
function withFrame(run: KillRun, change: (run: KillRun, events: readonly object[]) => readonly object[]): KillRun {
  return withEntries(run, entries =>
    entries.map(entry =>
      entry.kind === 'events' && entry.after === 2
        ? { ...entry, events: change(run, entry.events) as typeof entry.events }
        : entry,
    ),
  );
}

function withRoom(run: KillRun, key: string, change: (events: readonly WireEvent[]) => readonly WireEvent[]): KillRun {
  return { ...run, rooms: new Map([...run.rooms, [key, change(run.rooms.get(key) ?? [])]]) };
}

const FAULTS: readonly { fault: string; plant: (run: KillRun) => KillRun; kinds: KillViolationKind[] }[] = [
  { fault: 'a lost event', plant: run => withFrame(run, (_, events) => events.slice(1)), kinds: ['room'] },
  {
    fault: 'a doubled event',
    plant: run => withFrame(run, (_, events) => [...events, ...events.slice(-1)]),
    kinds: ['room'],
  },
  {
    fault: 'two swapped events',
    plant: run => withFrame(run, (_, [a, b, ...rest]) => [b, a, ...rest] as object[]),
    kinds: ['room'],
  },
  {
    fault: "an event of another tenant's room of that name",
    plant: run =>
      withFrame(run, ({ rooms }, [, ...rest]) => [...(rooms.get(OTHER) ?? []).slice(3, 4).map(seenEvent), ...rest]),
    kinds: ['room'],
  },
  {
    fault: 'an ack with a wrong revision',
    plant: run =>
      withEntries(run, entries =>
        entries.map(entry => (entry.kind === 'acked' && entry.last === 1 ? { ...entry, first: 2, last: 2 } : entry)),
      ),
    // Its position is now that of another revision, too.
    kinds: ['ack-position', 'room'],
  },
  {
    fault: 'an ack with a wrong position',
    plant: run =>
      withEntries(run, entries =>
        entries.map(entry => (entry.kind === 'acked' && entry.last === 1 ? { ...entry, position: '1' } : entry)),
      ),
    kinds: ['ack-position'],
  },
  {
    fault: 'an acked message that the log lost',
    plant: run => {
      const cut = withRoom(run, ROOM, events => events.filter(({ rev }) => rev !== 5 && rev !== 6));
      const raw = run.raw.filter(({ stream, revision }) => stream !== 'conversation-alpha.room' || revision < 5);
      return withFrame({ ...cut, raw }, (_, events) => events.slice(0, 2));
    },
    kinds: ['ack-position', 'export-differs', 'room'],
  },
  {
    fault: 'a subscription that caught up below what was acked before it',
    plant: run => withEntries(run, entries => [...entries, { kind: 'caught-up', upTo: 4, known: 6 }]),
    kinds: ['room'],
  },
  {
    fault: 'an event that the data folder has and the wire has not',
    plant: run => ({
      ...run,
      raw: [
        ...run.raw,
        { stream: 'conversation-alpha.room', revision: 7, position: 9_000n, id: 'x', type: 'MessagePosted' },
      ],
    }),
    kinds: ['raw-differs'],
  },
  {
    fault: 'a command that the log has twice',
    plant: run => ({
      ...run,
      raw: run.raw.map(event => (event.id === 'alpha-5' ? { ...event, commandId: 'alpha.c1' } : event)),
    }),
    kinds: ['raw-differs', 'raw-twice'],
  },
  {
    fault: 'a hole in the revisions of a stream',
    plant: run => ({ ...run, raw: run.raw.filter(({ id }) => id !== 'beta-0') }),
    kinds: Array.from({ length: 7 }, (): KillViolationKind => 'raw-differs').concat(
      'raw-order',
      Array.from({ length: 5 }, () => 'ack-position'),
    ),
  },
  {
    fault: 'a position that goes backwards',
    plant: run => ({ ...run, raw: run.raw.map(event => (event.id === 'imp-2' ? { ...event, position: 1n } : event)) }),
    kinds: ['raw-order'],
  },
  {
    fault: 'a stream that nobody began',
    plant: run => ({
      ...run,
      raw: [
        ...run.raw,
        { stream: 'conversation-alpha.ghost', revision: 0, position: 9_000n, id: 'x', type: 'ConversationStarted' },
      ],
    }),
    kinds: ['unknown-stream'],
  },
  {
    fault: 'a receipt that goes backwards',
    plant: run =>
      withRoom(run, OTHER, events =>
        events.map(event => (event.rev === 6 ? { ...event, data: { ...event.data, seq: 0 } } : event)),
      ),
    kinds: ['receipts'],
  },
  {
    fault: 'an import with a lost line',
    plant: run => ({
      ...run,
      imported: new Map([['alpha', [...IMPORTED, { ...IMPORTED[1], id: 'i.3' } as SampleLine]]]),
    }),
    kinds: ['import', 'import'],
  },
  {
    fault: 'an export without what was acked before it',
    plant: run => ({ ...run, exports: [{ room: ROOM, acked: ['alpha.c1', 'alpha.c2'], got: ['alpha.c1'] }] }),
    kinds: ['export-stale'],
  },
  {
    fault: 'an export out of order',
    plant: run => ({ ...run, exports: [{ room: ROOM, acked: [], got: ['alpha.c2', 'alpha.c1'] }] }),
    kinds: ['export-differs'],
  },
  {
    fault: 'an export that shows what was redacted',
    plant: run => ({
      ...run,
      exported: new Map([
        ...run.exported,
        [
          OTHER,
          [
            { id: 'beta.c1', text: 'beta one, edited' },
            { id: 'beta.c2', text: 'beta two' },
          ],
        ],
      ]),
    }),
    kinds: ['export-differs'],
  },
];

describe('the checker of kill storms', () => {
  it('finds nothing in a clean run', () => {
    expect(checkKillRun(cleanRun())).toEqual([]);
  });

  it.each(FAULTS)('GW-1, GW-3, GW-7, GW-8: finds $fault', ({ plant, kinds }) => {
    const found = checkKillRun(plant(cleanRun())).map(({ kind }) => kind);
    expect([...found].sort()).toEqual([...kinds].sort());
  });
});

describe('chunks of the sample', () => {
  it('are whole conversations under ids of their own, the same at every asking', () => {
    const [first, again, second] = [0, 0, 1].map(index => linesOfChunk({ tenant: 'alpha', index }));
    expect(first).toEqual(again);
    expect(byConversation(first ?? []).size).toBe(2);
    const ids = [...(first ?? []), ...(second ?? [])].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(toNdjson(first ?? [])).toContain('chunk-0');
  });
});
