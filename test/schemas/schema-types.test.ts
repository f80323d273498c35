/** Held by the compiler: a schema whose type is not the domain's makes `true` unassignable, and `npm run check` fails. */
import { expect, it } from 'vitest';
import type { z } from 'zod';
import type { ConversationCommand } from '../../src/domain/conversation/commands.ts';
import type { ConversationEvent } from '../../src/domain/conversation/events.ts';
import type { Actor, Origin } from '../../src/domain/decider.ts';
import type { conversationCommandSchemas } from '../../src/schemas/conversation-commands.ts';
import type { conversationEventSchemas } from '../../src/schemas/conversation-events.ts';
import type { StoredEnvelope } from '../../src/schemas/envelope.ts';

type Plain<T> = T extends readonly (infer Element)[]
  ? readonly Plain<Element>[]
  : T extends object
    ? { readonly [Key in keyof T]: Plain<T[Key]> }
    : T;
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- two generic functions are how the compiler compares types exactly
type Same<A, B> = (<T>() => T extends Plain<A> ? 1 : 2) extends <T>() => T extends Plain<B> ? 1 : 2 ? true : false;

type Events = typeof conversationEventSchemas;
type Stored = { [Type in keyof Events]: z.infer<Events[Type]['current']> };
type EventData = { [Event in ConversationEvent as Event['type']]: Event['data'] };

type Commands = typeof conversationCommandSchemas;
type Parsed = { [Type in keyof Commands]: z.infer<Commands[Type]> };
/** The source of a message comes from an import alone, so no wire shape has it. */
type OfTheWire<Data> = Data extends { source?: unknown } ? Omit<Data, 'source'> : Data;
type CommandData = { [Command in ConversationCommand as Command['type']]: OfTheWire<Command['data']> };

it('the schemas have the types of the domain', () => {
  const same: {
    events: Same<Stored, EventData>;
    commands: Same<Parsed, CommandData>;
    actor: Same<StoredEnvelope['actor'], Actor>;
    origin: Same<StoredEnvelope['origin'], Origin>;
  } = { events: true, commands: true, actor: true, origin: true };
  expect(Object.values(same)).toEqual([true, true, true, true]);

  // That the comparison can tell: an optional field more, another type, another optionality.
  const different: [
    Same<{ a: 1 }, { a: 1; b?: 2 }>,
    Same<{ a: { b: string }[] }, { a: { b: number }[] }>,
    Same<{ a: 1 | undefined }, { a?: 1 | undefined }>,
  ] = [false, false, false];
  expect(different).toEqual([false, false, false]);
});
