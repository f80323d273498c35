/**
 * given(events).when(command, by).then(events), or .rejects(code): a decider asked without any engine. The events given
 * go through the fold as the log would hand them out, and so do the events decided, so that `then` may go on.
 */
import { expect } from 'vitest';
import { Rejection, emptyFold, foldNext } from '../../src/domain/decider.ts';
import type { Actor, Decider, DomainEvent, Folded, Origin } from '../../src/domain/decider.ts';

export interface By {
  readonly actor: Actor;
  readonly origin?: Origin;
}

export interface Given<Event> {
  readonly event: Event;
  readonly by: By;
}

export function createSpecification<Command extends DomainEvent, Event extends DomainEvent, State>(
  decider: Decider<Command, Event, State>,
) {
  function fold(history: readonly Given<Event>[]): Folded<State> {
    const folded = emptyFold(decider);
    history.forEach(({ event, by }, i) => {
      foldNext(decider, folded, {
        event,
        id: `event-${i}`,
        stream: 'conversation-acme.1',
        revision: BigInt(i),
        position: BigInt(i) * 10n,
        at: i * 1_000,
        actor: by.actor,
        origin: by.origin ?? 'live',
        commandId: `command-${i}`,
        commandDigest: 'digest',
      });
    });
    return folded;
  }

  return {
    fold,
    given: (...history: Given<Event>[]) => ({
      when: (command: Command, by: By) => {
        const { state } = fold(history);
        const decide = () =>
          decider.decide(command, state, { actor: by.actor, origin: by.origin ?? 'live', at: history.length * 1_000 });
        return {
          then: (...events: Event[]) => {
            expect(decide()).toEqual(events);
          },
          rejects: (code: string) => {
            let refusal: unknown;
            try {
              decide();
            } catch (error) {
              refusal = error;
            }
            expect(refusal).toBeInstanceOf(Rejection);
            expect((refusal as Rejection).code).toBe(code);
          },
        };
      },
    }),
  };
}
