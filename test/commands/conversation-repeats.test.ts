import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createConversationCommands } from '../../src/commands/conversation-commands.ts';
import type { CommandAck } from '../../src/commands/commands.ts';
import { RequestError } from '../../src/errors.ts';
import { Rejection } from '../../src/domain/decider.ts';
import { steps } from '../support/conversation-arbitraries.ts';
import type { Step } from '../support/conversation-arbitraries.ts';
import { MemoryEventStore } from '../support/memory-event-store.ts';
import { keys, request, serializer } from './handler-specification.ts';

/** Undefined for a refusal. */
async function ackOf(answer: Promise<CommandAck>): Promise<CommandAck | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Rejection || error instanceof RequestError) return undefined;
    throw error;
  }
}

it('GW-7: any command that appended answers its first ack again, on this node and on a fresh one, and appends nothing', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async commands => {
      let now = 0;
      const store = new MemoryEventStore(() => now);
      const node = () => createConversationCommands({ store, serializer, keys, clock: { now: () => now } });
      const asked = ({ command, actor }: Step, i: number) => request(`c${i}`, command, { actor });
      const first = node();
      const acks: (CommandAck | undefined)[] = [];
      for (const [i, step] of commands.entries()) {
        now = i * 1_000;
        acks.push(await ackOf(first.handle(asked(step, i))));
      }
      const { head } = await store.streamBounds('conversation-acme.42');
      for (const [i, step] of commands.entries()) {
        const ack = acks[i];
        if (ack === undefined || ack.first === null) continue;
        const again = { ...ack, duplicate: true };
        expect(await first.handle(asked(step, i))).toEqual(again);
        expect(await node().handle(asked(step, i))).toEqual(again);
        expect(ack.last).toBeLessThanOrEqual(head);
      }
      expect((await store.streamBounds('conversation-acme.42')).head).toBe(head);
    }),
    { numRuns: 50 },
  );
});
