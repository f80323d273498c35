/** What an event does to the state its conversation decides on. Updates the state in place: the fold owns it. */
import type { Recorded } from '../decider.ts';
import type { ConversationEvent, Handling, Status } from './events.ts';
import type { ConversationState } from './state.ts';

const NOBODY: Handling = { kind: 'none' };

export function initialState(): ConversationState {
  return {
    status: 'not-started',
    statusSince: 0,
    visitor: undefined,
    visitorRemoved: false,
    handling: NOBODY,
    handlingSince: 0,
    queue: undefined,
    priority: 'normal',
    tags: new Set(),
    attributes: new Set(),
    participants: new Set(),
    messages: [],
    seqBySourceId: new Map(),
    notes: 0,
    receipts: new Map(),
    resolutions: 0,
    rated: false,
  };
}

export function evolve(state: ConversationState, recorded: Recorded<ConversationEvent>): ConversationState {
  const { event, actor, at } = recorded;
  switch (event.type) {
    case 'ConversationStarted':
      state.visitor = event.data.visitor;
      for (const name of Object.keys(event.data.attributes ?? {})) state.attributes.add(name);
      state.handlingSince = at;
      return become(state, 'open', at);
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
    case 'NoteAdded':
      state.notes = event.data.seq + 1;
      return state;

    case 'ParticipantJoined':
      state.participants.add(event.data.participant);
      return state;
    case 'ParticipantLeft':
      state.participants.delete(event.data.participant);
      return state;
    case 'ReceiptRecorded': {
      const { reader, kind, seq } = event.data;
      const receipts = state.receipts.get(reader) ?? { read: -1, delivered: -1 };
      receipts[kind] = seq;
      state.receipts.set(reader, receipts);
      return state;
    }
    case 'VisitorRemoved':
      state.visitorRemoved = true;
      return state;

    case 'TagAdded':
      state.tags.add(event.data.tag);
      return state;
    case 'TagRemoved':
      state.tags.delete(event.data.tag);
      return state;
    case 'PrioritySet':
      state.priority = event.data.priority;
      return state;
    case 'AttributesSet':
      for (const name of event.data.removed) state.attributes.delete(name);
      for (const name of Object.keys(event.data.attributes)) state.attributes.add(name);
      return state;

    case 'ConversationQueued':
      state.queue = event.data.queue;
      return handOver(state, { kind: 'queued', queue: event.data.queue }, at);
    case 'ConversationAssigned':
      return handOver(state, { kind: 'assigned', agent: event.data.agent }, at);
    case 'ConversationUnassigned':
      return handOver(state, NOBODY, at);
    case 'AssignmentRequested':
    case 'ConversationTransferred':
      return state;

    case 'ConversationSnoozed':
      return become(state, 'snoozed', at);
    case 'ConversationUnsnoozed':
    case 'ConversationReopened':
      return become(state, 'open', at);
    case 'ConversationResolved':
      state.resolutions = event.data.resolution + 1;
      state.rated = false;
      return become(state, 'resolved', at);
    case 'ConversationClosed':
      return become(state, 'closed', at);
    case 'ConversationRated':
      state.rated = true;
      return state;
  }
}

function become(state: ConversationState, status: Status, at: number): ConversationState {
  state.status = status;
  state.statusSince = at;
  return state;
}

function handOver(state: ConversationState, handling: Handling, at: number): ConversationState {
  state.handling = handling;
  state.handlingSince = at;
  return state;
}
