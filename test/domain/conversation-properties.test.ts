import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { access } from '../../src/domain/conversation/access.ts';
import { conversationDecider } from '../../src/domain/conversation/decider.ts';
import type { ConversationEvent, Handling, Status } from '../../src/domain/conversation/events.ts';
import type { ConversationState } from '../../src/domain/conversation/state.ts';
import { Rejection, emptyFold, foldNext } from '../../src/domain/decider.ts';
import type { Folded, Recorded } from '../../src/domain/decider.ts';
import { conversationEventSchemas } from '../../src/schemas/conversation-events.ts';
import { step, steps } from '../support/conversation-arbitraries.ts';
import type { Step } from '../support/conversation-arbitraries.ts';

interface Run {
  readonly history: Recorded<ConversationEvent>[];
  readonly folded: Folded<ConversationState>;
}

/** What the commands, a second after each other, append; a refusal appends nothing. */
function run(commands: readonly Step[]): Run {
  const folded = emptyFold(conversationDecider);
  const history: Recorded<ConversationEvent>[] = [];
  commands.forEach(({ command, actor, origin }, i) => {
    const at = i * 1_000;
    for (const event of decided(command, folded.state, { actor, origin, at })) {
      const revision = BigInt(history.length);
      const place = { id: `e${revision}`, stream: 'conversation-acme.1', revision, position: revision, at };
      const recorded = { ...place, event, actor, origin, commandId: `c${i}`, commandDigest: 'd' };
      foldNext(conversationDecider, folded, recorded);
      history.push(recorded);
    }
  });
  return { history, folded };
}

function decided(...[command, state, context]: Parameters<typeof conversationDecider.decide>) {
  try {
    return conversationDecider.decide(command, state, context);
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    return [];
  }
}

function refold(history: readonly Recorded<ConversationEvent>[]): Folded<ConversationState> {
  const folded = emptyFold(conversationDecider);
  for (const recorded of history) foldNext(conversationDecider, folded, recorded);
  return folded;
}

function holds(property: (run: Run) => void): void {
  fc.assert(
    fc.property(steps, commands => {
      property(run(commands));
    }),
    { numRuns: 300 },
  );
}

function of<Type extends ConversationEvent['type']>(history: Run['history'], type: Type) {
  return history.flatMap(({ event }) => (event.type === type ? [event as ConversationEvent<Type>] : []));
}

const iso = (ms: number) => new Date(ms).toISOString();

/** The status each event leaves the conversation in; those that are not named leave it as it is. */
const STATUS_AFTER: { readonly [Type in ConversationEvent['type']]?: Status } = {
  ConversationStarted: 'open',
  ConversationSnoozed: 'snoozed',
  ConversationUnsnoozed: 'open',
  ConversationResolved: 'resolved',
  ConversationReopened: 'open',
  ConversationClosed: 'closed',
};
const STATUS_BEFORE: { readonly [Type in ConversationEvent['type']]?: readonly (Status | 'not-started')[] } = {
  ConversationStarted: ['not-started'],
  ConversationSnoozed: ['open'],
  ConversationUnsnoozed: ['snoozed'],
  ConversationResolved: ['open', 'snoozed'],
  ConversationReopened: ['resolved'],
  ConversationClosed: ['resolved'],
};

function handlingAfter({ type, data }: ConversationEvent): Handling | undefined {
  if (type === 'ConversationQueued') return { kind: 'queued', queue: data.queue };
  if (type === 'ConversationAssigned') return { kind: 'assigned', agent: data.agent };
  if (type === 'ConversationUnassigned') return { kind: 'none' };
  return undefined;
}

describe('No sequence of commands breaks an invariant:', () => {
  it('a conversation starts once, and first', () => {
    holds(({ history }) => {
      expect(of(history, 'ConversationStarted')).toHaveLength(Math.min(history.length, 1));
      if (history[0] !== undefined) expect(history[0].event.type).toBe('ConversationStarted');
    });
  });

  it('messages, notes and resolutions are numbered densely from 0', () => {
    holds(({ history }) => {
      const dense = (numbers: readonly number[]) => expect(numbers).toEqual(numbers.map((_, i) => i));
      dense(of(history, 'MessagePosted').map(({ data }) => data.seq));
      dense(of(history, 'NoteAdded').map(({ data }) => data.seq));
      dense(of(history, 'ConversationResolved').map(({ data }) => data.resolution));
    });
  });

  it('only messages that are there are named, and none is touched once it is redacted', () => {
    holds(({ history }) => {
      let messages = 0;
      const redacted = new Set<number>();
      for (const { event } of history) {
        if (event.type === 'MessagePosted') {
          if (event.data.replyTo !== undefined) expect(event.data.replyTo).toBeLessThan(messages);
          messages += 1;
        }
        if (event.type === 'ReceiptRecorded') expect(event.data.seq).toBeLessThan(messages);
        if (event.type === 'MessageEdited' || event.type === 'MessageRedacted') {
          expect(event.data.seq).toBeLessThan(messages);
          expect(redacted.has(event.data.seq)).toBe(false);
        }
        if (event.type === 'MessageRedacted') redacted.add(event.data.seq);
      }
    });
  });

  it('statuses follow each other as they may, and each transition says what it left and since when that was', () => {
    holds(({ history }) => {
      let status: Status | 'not-started' = 'not-started';
      let sinceMs = 0;
      for (const { event, at } of history) {
        const before = STATUS_BEFORE[event.type];
        if (before !== undefined) {
          expect(before).toContain(status);
          if ('since' in event.data) expect(event.data).toMatchObject({ from: status, since: iso(sinceMs) });
        }
        const after = STATUS_AFTER[event.type];
        if (after !== undefined) [status, sinceMs] = [after, at];
      }
    });
  });

  it('nothing happens to a closed one but redactions, receipts and the removal of its visitor', () => {
    holds(({ history }) => {
      const closed = history.findIndex(({ event }) => event.type === 'ConversationClosed');
      const later = closed < 0 ? [] : history.slice(closed + 1).map(({ event }) => event.type);
      for (const type of later) expect(['MessageRedacted', 'ReceiptRecorded', 'VisitorRemoved']).toContain(type);
    });
  });

  it('it is in one pair of hands, is never handed from one to another at once, and each change says whose it was', () => {
    holds(({ history }) => {
      let handling: Handling = { kind: 'none' };
      let sinceMs = 0;
      for (const { event, at } of history) {
        if (event.type === 'ConversationStarted') sinceMs = at;
        const after = handlingAfter(event);
        if (after !== undefined || event.type === 'ConversationTransferred')
          expect(event.data).toMatchObject({ from: handling, since: iso(sinceMs) });
        if (after?.kind === 'assigned') expect(handling.kind).not.toBe('assigned');
        if (event.type === 'ConversationTransferred') expect(handling.kind).toBe('assigned');
        if (after !== undefined) [handling, sinceMs] = [after, at];
      }
    });
  });

  it('what is resolved or closed is in nobody’s hands and in no queue', () => {
    holds(({ folded: { state } }) => {
      if (state.status === 'resolved' || state.status === 'closed') expect(state.handling).toEqual({ kind: 'none' });
    });
  });

  it('a resolution is rated at most once, by the visitor', () => {
    holds(({ history }) => {
      const resolutions = of(history, 'ConversationRated').map(({ data }) => data.resolution);
      expect(new Set(resolutions).size).toBe(resolutions.length);
      for (const { event, actor } of history)
        if (event.type === 'ConversationRated') expect(actor.role).toBe('visitor');
    });
  });

  it('receipts only go up, a reader and kind', () => {
    holds(({ history }) => {
      const highest = new Map<string, number>();
      for (const { event, actor } of history) {
        if (event.type !== 'ReceiptRecorded') continue;
        const { reader, kind, seq, from } = event.data;
        expect(reader).toBe(actor.id);
        expect(from).toBe(highest.get(`${reader} ${kind}`));
        expect(seq).toBeGreaterThan(from ?? -1);
        highest.set(`${reader} ${kind}`, seq);
      }
    });
  });

  it('a visitor who is removed, another one, and an auditor, cause nothing and see nothing of it', () => {
    holds(({ history, folded: { state } }) => {
      const removed = history.findIndex(({ event }) => event.type === 'VisitorRemoved');
      history.forEach(({ actor, origin, event }, i) => {
        expect(actor.role).not.toBe('auditor');
        if (actor.role !== 'visitor' || origin === 'import') return;
        if (event.type !== 'ConversationStarted')
          expect(actor.id).toBe(of(history, 'ConversationStarted')[0]?.data.visitor);
        if (removed >= 0) expect(i).toBeLessThan(removed);
      });
      for (const sub of ['ann', 'bob', 'cy']) {
        const { see } = access({ sub, role: 'visitor', rooms: [] }, state, 'conversation:1');
        expect(see).toBe(state.status !== 'not-started' && sub === state.visitor && removed < 0);
      }
    });
  });

  it('tags, participants and attributes change only where there is something to change', () => {
    holds(({ history, folded: { state } }) => {
      const [tags, participants] = [new Set<string>(), new Set<string>()];
      for (const { event } of history) {
        if (event.type === 'TagAdded') expect(tags.size).toBe(tags.add(event.data.tag).size - 1);
        if (event.type === 'TagRemoved') expect(tags.delete(event.data.tag)).toBe(true);
        if (event.type === 'ParticipantJoined')
          expect(participants.size).toBe(participants.add(event.data.participant).size - 1);
        if (event.type === 'ParticipantLeft') expect(participants.delete(event.data.participant)).toBe(true);
        if (event.type === 'PrioritySet') expect(event.data.priority).not.toBe(event.data.from);
      }
      expect([state.tags, state.participants]).toEqual([tags, participants]);
    });
  });
});

describe('A history', () => {
  it('is of events that the stored schemas take, and folds again, out of JSON, to the same state', () => {
    holds(({ history, folded }) => {
      for (const { event } of history)
        expect(conversationEventSchemas[event.type].current.parse(event.data)).toEqual(event.data);
      const copy = history.map(recorded => ({
        ...recorded,
        event: JSON.parse(JSON.stringify(recorded.event)) as ConversationEvent,
      }));
      expect(refold(copy)).toEqual(folded);
      expect(refold(history)).toEqual(refold(copy));
    });
  });

  it('can be expected from its last event on that is no receipt', () => {
    holds(({ history, folded }) => {
      const last = history.findLast(({ event }) => event.type !== 'ReceiptRecorded');
      expect(folded.expectableFrom).toBe(last?.revision ?? -1n);
    });
  });

  it('is not changed by what is decided on it', () => {
    fc.assert(
      fc.property(steps, step, (commands, { command, actor, origin }) => {
        const { history, folded } = run(commands);
        decided(command, folded.state, { actor, origin, at: 100_000 });
        expect(folded).toEqual(refold(history));
      }),
    );
  });

  it('reaches, in these tests, everything that can happen', () => {
    const seen = new Set<string>();
    for (const commands of fc.sample(steps, { numRuns: 2_000, seed: 5 }))
      for (const { event } of run(commands).history) seen.add(event.type);
    expect([...seen].sort()).toEqual(Object.keys(conversationEventSchemas).sort());
  });
});
