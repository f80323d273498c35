import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conversationDecider } from '../../src/domain/conversation/decider.ts';
import type { ConversationCommand } from '../../src/domain/conversation/commands.ts';
import type { ConversationEvent } from '../../src/domain/conversation/events.ts';
import { Rejection } from '../../src/domain/decider.ts';
import type { Role } from '../../src/domain/decider.ts';
import { conversationEventSchemas } from '../../src/schemas/conversation-events.ts';
import { createSpecification } from '../support/decider-specification.ts';
import type { Given } from '../support/decider-specification.ts';

const { fold } = createSpecification(conversationDecider);

const seq = fc.nat(6);
const by = fc.record({
  actor: fc.record({
    id: fc.constantFrom('ann', 'bob', 'cy'),
    role: fc.constantFrom<Role>('visitor', 'visitor', 'agent', 'supervisor', 'auditor', 'bot', 'service'),
  }),
  origin: fc.constantFrom('live' as const, 'live' as const, 'import' as const),
});
const sourceId = fc.constantFrom('l1', 'l2', 'l3');
const command: fc.Arbitrary<ConversationCommand> = fc.oneof(
  fc.record({
    type: fc.constant('StartConversation' as const),
    data: fc.record({
      channel: fc.constant('web'),
      visitor: fc.option(fc.constantFrom('ann', 'bob'), { nil: undefined }),
    }),
  }),
  fc.record({
    type: fc.constant('PostMessage' as const),
    data: fc.record({
      text: fc.string({ unit: 'grapheme', maxLength: 5 }),
      replyTo: fc.option(seq, { nil: undefined }),
      source: fc.option(
        fc.record({ id: sourceId, author: fc.string(), replyTo: fc.option(sourceId, { nil: undefined }) }),
        { nil: undefined },
      ),
    }),
  }),
  fc.record({ type: fc.constant('EditMessage' as const), data: fc.record({ seq, text: fc.string({ maxLength: 5 }) }) }),
  fc.record({ type: fc.constant('RedactMessage' as const), data: fc.record({ seq }) }),
);
const steps = fc.array(fc.record({ command, by }), { maxLength: 40 });

/** What the commands, one after the other, append; a refusal appends nothing. */
function run(commands: readonly { command: ConversationCommand; by: Given<ConversationEvent>['by'] }[]) {
  const history: Given<ConversationEvent>[] = [];
  for (const { command, by } of commands) {
    try {
      const context = { actor: by.actor, origin: by.origin ?? 'live', at: history.length } as const;
      for (const event of conversationDecider.decide(command, fold(history).state, context))
        history.push({ event, by });
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
    }
  }
  return history;
}

describe('Any sequence of commands', () => {
  it('starts with a start, once, and numbers messages densely from 0', () => {
    fc.assert(
      fc.property(steps, commands => {
        const history = run(commands);
        const starts = history.filter(({ event }) => event.type === 'ConversationStarted');
        expect(starts).toHaveLength(Math.min(history.length, 1));
        if (history[0] !== undefined) expect(history[0].event.type).toBe('ConversationStarted');
        const seqs = history.flatMap(({ event }) => (event.type === 'MessagePosted' ? [event.data.seq] : []));
        expect(seqs).toEqual(seqs.map((_, i) => i));
      }),
    );
  });

  it('names only messages that were there, and none once it is redacted', () => {
    fc.assert(
      fc.property(steps, commands => {
        let messages = 0;
        const redacted = new Set<number>();
        for (const { event } of run(commands)) {
          if (event.type === 'MessagePosted') {
            if (event.data.replyTo !== undefined) expect(event.data.replyTo).toBeLessThan(messages);
            messages += 1;
          } else if (event.type === 'MessageEdited' || event.type === 'MessageRedacted') {
            expect(event.data.seq).toBeLessThan(messages);
            expect(redacted.has(event.data.seq)).toBe(false);
            if (event.type === 'MessageRedacted') redacted.add(event.data.seq);
          }
        }
      }),
    );
  });

  it('decides what the stored schemas take, and what JSON gives back folds to the same state', () => {
    fc.assert(
      fc.property(steps, commands => {
        const history = run(commands);
        for (const { event } of history)
          expect(conversationEventSchemas[event.type].current.parse(event.data)).toEqual(event.data);
        expect(fold(JSON.parse(JSON.stringify(history)) as typeof history)).toEqual(fold(history));
      }),
    );
  });

  it('is decided without changing the state it is decided on', () => {
    fc.assert(
      fc.property(steps, command, by, (commands, next, { actor, origin }) => {
        const history = run(commands);
        const { state } = fold(history);
        try {
          conversationDecider.decide(next, state, { actor, origin, at: 0 });
        } catch (error) {
          expect(error).toBeInstanceOf(Rejection);
        }
        expect(state).toEqual(fold(history).state);
      }),
    );
  });
});
