import { describe, expect, it } from 'vitest';
import { byConversation } from '../support/sample.ts';
import type { SampleLine } from '../support/sample.ts';
import type { WireEvent } from '../support/wire-client.ts';
import { checkImport } from './import-checker.ts';

const LINES: readonly SampleLine[] = [
  {
    id: 'a.1',
    conversation: 'a',
    at: '2004-12-26T03:21:00.000Z',
    author: 'ann',
    role: 'visitor',
    text: 'h\u00e9 \u0001 <b>',
  },
  {
    id: 'a.2',
    conversation: 'a',
    at: '2004-12-26T03:22:00.000Z',
    author: 'bob',
    role: 'agent',
    text: 'yes',
    replyTo: 'a.1',
  },
  {
    id: 'b.1',
    conversation: 'b',
    at: '2004-12-26T03:21:30.000Z',
    author: 'bob',
    role: 'visitor',
    text: '',
    replyTo: 'a.1',
  },
];

function roomsOf(lines: readonly SampleLine[]): Map<string, WireEvent[]> {
  return new Map(
    [...byConversation(lines)].map(([conversation, messages]) => {
      const at = messages[0]?.at ?? '';
      const actor = { id: 'importer', role: 'service' };
      const started: WireEvent = { rev: 0, id: `${conversation}-0`, type: 'ConversationStarted', at, actor, data: {} };
      const posted = messages.map((line, seq): WireEvent => {
        const replyTo = messages.findIndex(({ id }) => id === line.replyTo);
        const { id, author } = line;
        const source = { id, author, ...(line.replyTo === undefined ? {} : { replyTo: line.replyTo }) };
        return {
          rev: seq + 1,
          id: `${conversation}-${seq + 1}`,
          type: 'MessagePosted',
          at: line.at,
          actor: { id: `id of ${line.author}`, role: line.role },
          commandId: line.id,
          data: { seq, text: line.text, source, ...(replyTo === -1 ? {} : { replyTo }) },
        };
      });
      return [conversation, [started, ...posted]];
    }),
  );
}

type Change = (event: WireEvent) => WireEvent;

/** Changes the agent's message, the last event of conversation `a`. */
function withLast(change: Change): Map<string, WireEvent[]> {
  const rooms = roomsOf(LINES);
  const events = rooms.get('a') ?? [];
  return rooms.set(
    'a',
    events.map((event, index) => (index === events.length - 1 ? change(event) : event)),
  );
}

const FAULTS: readonly { fault: string; rooms: Map<string, WireEvent[]> }[] = [
  { fault: 'a missing conversation', rooms: roomsOf(LINES.filter(({ conversation }) => conversation === 'a')) },
  { fault: 'a missing message', rooms: roomsOf(LINES.filter(({ id }) => id !== 'a.2')) },
  { fault: 'a doubled message', rooms: roomsOf(LINES.flatMap(line => (line.id === 'a.2' ? [line, line] : [line]))) },
  { fault: 'swapped messages', rooms: roomsOf([...LINES].reverse()) },
  {
    fault: 'a text that lost its case',
    rooms: withLast(event => ({ ...event, data: { ...event.data, text: 'Yes' } })),
  },
  {
    fault: 'a text in another normal form',
    rooms: roomsOf(LINES.map(line => ({ ...line, text: line.text.normalize('NFD') }))),
  },
  { fault: 'a changed time', rooms: withLast(event => ({ ...event, at: '2004-12-26T03:22:00.001Z' })) },
  { fault: 'a changed role', rooms: withLast(event => ({ ...event, actor: { ...event.actor, role: 'bot' } })) },
  { fault: 'a changed id of an author', rooms: withLast(event => ({ ...event, actor: { id: 'x', role: 'agent' } })) },
  {
    fault: 'an id two authors share',
    rooms: withLast(event => ({ ...event, actor: { id: 'id of ann', role: 'agent' } })),
  },
  { fault: 'a lost reply', rooms: withLast(event => ({ ...event, data: { ...event.data, replyTo: undefined } })) },
  { fault: 'a lost source', rooms: withLast(event => ({ ...event, data: { ...event.data, source: undefined } })) },
  { fault: 'a hole in the revisions', rooms: withLast(event => ({ ...event, rev: event.rev + 1 })) },
];

describe('the checker of imports', () => {
  it('finds nothing where the rooms are the file', () => {
    expect(checkImport(LINES, roomsOf(LINES))).toEqual([]);
  });

  it.each(FAULTS)('finds $fault', ({ rooms }) => {
    expect(checkImport(LINES, rooms)).not.toEqual([]);
  });
});
