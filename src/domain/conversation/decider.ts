import type { Decider } from '../decider.ts';
import type { ConversationCommand } from './commands.ts';
import { decide } from './decide.ts';
import type { ConversationEvent } from './events.ts';
import { evolve, initialState } from './evolve.ts';
import type { ConversationState } from './state.ts';

export const conversationDecider: Decider<ConversationCommand, ConversationEvent, ConversationState> = {
  initialState,
  decide,
  evolve,
  // Who reads along must not make a caller's expectation fail.
  isIncidental: ({ type }) => type === 'ReceiptRecorded',
};
