/** A row of the table "Conversation": what one command needs and what it decides. */
import type { Actor, DecisionContext, Role } from '../decider.ts';
import type { ConversationCommandData, ConversationCommandType } from './commands.ts';
import type { ConversationEvent } from './events.ts';
import type { ConversationState } from './state.ts';

/** What remains of a row once its role and status are right. Pure. @throws Rejection */
export type Decide<Type extends ConversationCommandType> = (
  data: ConversationCommandData[Type],
  state: Readonly<ConversationState>,
  context: DecisionContext,
) => readonly ConversationEvent[];

export interface Row<Type extends ConversationCommandType> {
  /** `visitor` stands for the conversation's own, as long as it is not removed. */
  readonly who: readonly Role[];
  /** Where the role alone does not settle who may: what it may ask for. */
  readonly as?: (data: ConversationCommandData[Type], actor: Actor) => boolean;
  readonly when: readonly ConversationState['status'][];
  readonly decide: Decide<Type>;
}

/** Times in events are ISO 8601 UTC with milliseconds. */
export const isoTime = (ms: number): string => new Date(ms).toISOString();
