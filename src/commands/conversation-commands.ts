/** The conversation as the command handler's aggregate, and whose keys seal what is said in it. */
import type { ConversationCommand } from '../domain/conversation/commands.ts';
import { conversationDecider } from '../domain/conversation/decider.ts';
import type { ConversationEvent } from '../domain/conversation/events.ts';
import type { ConversationState } from '../domain/conversation/state.ts';
import { createCommandHandler } from './command-handler.ts';
import type { CommandHandler, CommandHandlerOptions } from './command-handler.ts';
import type { CommandRequest } from './commands.ts';
import type { Aggregate } from './decision.ts';

export type ConversationRequest = CommandRequest<ConversationCommand>;

const conversation: Aggregate<ConversationCommand, ConversationEvent, ConversationState> = {
  category: 'conversation',
  decider: conversationDecider,
  /** The visitor of the conversation, from its start on, else the conversation itself. */
  subjectsOf: (events, state, { id, actor }) => {
    const started = events.find(event => event.type === 'ConversationStarted');
    return { visitor: started?.data.visitor ?? state.visitor ?? id, author: actor.id };
  },
};

export type ConversationCommandsOptions = CommandHandlerOptions<ConversationEvent>;

export function createConversationCommands(
  options: ConversationCommandsOptions,
): CommandHandler<ConversationCommand, ConversationState, ConversationEvent> {
  return createCommandHandler(conversation, options);
}
