/** What an event does to the state its conversation decides on. Updates the state in place: the fold owns it. */
import type { Recorded } from '../decider.ts';
import type { ConversationEvent } from './events.ts';
import type { ConversationState } from './state.ts';

export function initialState(): ConversationState {
  return { status: 'not-started', visitor: undefined, messages: [], seqBySourceId: new Map() };
}

export function evolve(state: ConversationState, { event, actor }: Recorded<ConversationEvent>): ConversationState {
  switch (event.type) {
    case 'ConversationStarted':
      state.status = 'open';
      state.visitor = event.data.visitor;
      return state;
    case 'MessagePosted': {
      const { seq, source } = event.data;
      state.messages[seq] = { author: actor.id, redacted: false };
      if (source !== undefined) state.seqBySourceId.set(source.id, seq);
      return state;
    }
    case 'MessageEdited':
      return state;
    case 'MessageRedacted': {
      const message = state.messages[event.data.seq];
      if (message !== undefined) message.redacted = true;
      return state;
    }
  }
}
