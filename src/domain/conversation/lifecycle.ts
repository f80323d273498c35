/** The life of a conversation: started, snoozed, resolved, rated, reopened, closed. */
import type { Actor } from '../decider.ts';
import type { ConversationCommandData } from './commands.ts';
import { ATTRIBUTES_MAX, alreadyRated, notResolved, tooManyAttributes, untilPast } from './rejections.ts';
import { isoTime } from './row.ts';
import type { Decide } from './row.ts';
import type { ConversationState } from './state.ts';
import type { ConversationEvent, Status } from './events.ts';

/** A visitor starts no conversation of another. */
export function startsForItself({ visitor }: ConversationCommandData['StartConversation'], actor: Actor): boolean {
  return actor.role !== 'visitor' || visitor === undefined || visitor === actor.id;
}

export const start: Decide<'StartConversation'> = (data, _state, { actor }) => {
  if (Object.keys(data.attributes ?? {}).length > ATTRIBUTES_MAX) throw tooManyAttributes();
  const visitor = actor.role === 'visitor' ? actor.id : data.visitor;
  return [{ type: 'ConversationStarted', data: visitor === data.visitor ? data : { ...data, visitor } }];
};

export const snooze: Decide<'SnoozeConversation'> = ({ until }, state, { at }) => {
  const ends = Date.parse(until);
  if (!(ends > at)) throw untilPast(until);
  return [{ type: 'ConversationSnoozed', data: { until: isoTime(ends), ...left(state) } }];
};

/** Whoever has it in hand, or the queue it waits in, has it no more. */
export const resolve: Decide<'ResolveConversation'> = ({ outcome }, state) => {
  const resolved: ConversationEvent = {
    type: 'ConversationResolved',
    data: { resolution: state.resolutions, ...(outcome === undefined ? {} : { outcome }), ...left(state) },
  };
  const { handling } = state;
  if (handling.kind === 'none') return [resolved];
  const since = isoTime(state.handlingSince);
  return [resolved, { type: 'ConversationUnassigned', data: { from: handling, since } }];
};

export const reopen: Decide<'ReopenConversation'> = ({ reason }, state) => [
  { type: 'ConversationReopened', data: { reason, ...left(state) } },
];

/** What a message does before it is posted: it wakes a conversation that sleeps or was thought to be done. */
export function woken(state: Readonly<ConversationState>): readonly ConversationEvent[] {
  if (state.status === 'resolved') return [{ type: 'ConversationReopened', data: left(state) }];
  if (state.status === 'snoozed') return [{ type: 'ConversationUnsnoozed', data: left(state) }];
  return [];
}

export const close: Decide<'CloseConversation'> = (_data, state) => [{ type: 'ConversationClosed', data: left(state) }];

/** Once a resolution: while it stands, or after the conversation was opened again. */
export const rate: Decide<'RateConversation'> = ({ score, comment }, state) => {
  if (state.resolutions === 0) throw notResolved(state.status);
  if (state.rated) throw alreadyRated();
  const rating = { resolution: state.resolutions - 1, score };
  return [{ type: 'ConversationRated', data: comment === undefined ? rating : { ...rating, comment } }];
};

/** Rows are asked only once the conversation is started. */
function left(state: Readonly<ConversationState>): { readonly from: Status; readonly since: string } {
  return { from: state.status as Status, since: isoTime(state.statusSince) };
}
