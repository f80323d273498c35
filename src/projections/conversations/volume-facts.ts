/** What a conversation tells the volume: that something is to be counted, when, and under which dimensions. */
import type { ConversationEventType } from '../../domain/conversation/events.ts';
import type { Recorded, Role } from '../../domain/decider.ts';
import { isoTimeOf } from '../iso-time.ts';
import type { Fact, ProjectedEvent } from '../projection.ts';
import type { ConversationDocument } from './conversation-document.ts';
import { isStaff } from './unread.ts';

/** `all` has the one value ``. */
export type VolumeDimension = 'all' | 'channel' | 'queue' | 'tag' | 'agent';

export type VolumeCounter =
  | 'messages'
  | 'visitorMessages'
  | 'staffMessages'
  | 'botMessages'
  | 'serviceMessages'
  | 'started'
  | 'reopened'
  | 'resolved'
  | 'closed';

/** Those that are not there are 0. */
export type VolumeCounters = Readonly<Partial<Record<VolumeCounter, number>>>;

/** Nothing personal: a fact is not told again after an erasure. */
export interface VolumeFact extends Fact {
  readonly kind: 'volume';
  /** Of when it happened, in UTC: `YYYY-MM-DD`. */
  readonly day: string;
  /** Quarter hours since the day began, 0 to 95. */
  readonly quarter: number;
  readonly counters: VolumeCounters;
  readonly dimensions: readonly (readonly [dimension: VolumeDimension, value: string])[];
}

const QUARTER_MS = 900_000;
const QUARTERS_A_DAY = 96;
const DAY = { begin: 0, end: 'YYYY-MM-DD'.length };

const STAFF_MESSAGE: VolumeCounters = { messages: 1, staffMessages: 1 };

/** An auditor posts nothing. */
const POSTED: Readonly<Record<Role, VolumeCounters>> = {
  visitor: { messages: 1, visitorMessages: 1 },
  agent: STAFF_MESSAGE,
  supervisor: STAFF_MESSAGE,
  bot: { messages: 1, botMessages: 1 },
  service: { messages: 1, serviceMessages: 1 },
  auditor: { messages: 1 },
};

const TRANSITIONS: { readonly [Type in ConversationEventType]?: VolumeCounters } = {
  ConversationStarted: { started: 1 },
  ConversationReopened: { reopened: 1 },
  ConversationResolved: { resolved: 1 },
  ConversationClosed: { closed: 1 },
};

const NO_FACTS: readonly VolumeFact[] = [];

/** Tags and queue are those of the moment before the event; a start, before which there is nothing, has its channel. */
export function volumeFacts(
  before: ConversationDocument | undefined,
  after: ConversationDocument | undefined,
  { tenant, recorded }: ProjectedEvent,
): readonly VolumeFact[] {
  const conversation = before ?? after;
  const counters = countersOf(recorded);
  if (conversation === undefined || counters === undefined) return NO_FACTS;
  const { event, actor, at } = recorded;
  const { channel, queue, tags } = conversation;
  const dimensions: (readonly [VolumeDimension, string])[] = [
    ['all', ''],
    ['channel', channel],
  ];
  if (queue !== null) dimensions.push(['queue', queue]);
  for (const tag of tags) dimensions.push(['tag', tag]);
  if (event.type === 'MessagePosted' && isStaff(actor.role)) dimensions.push(['agent', actor.id]);
  const quarter = Math.floor(at / QUARTER_MS) % QUARTERS_A_DAY;
  // Before 1970 the remainder is negative.
  const ofDay = quarter < 0 ? quarter + QUARTERS_A_DAY : quarter;
  return [{ kind: 'volume', tenant, day: dayOf(at), quarter: ofDay, counters, dimensions }];
}

function countersOf({ event, actor }: Recorded): VolumeCounters | undefined {
  return event.type === 'MessagePosted' ? POSTED[actor.role] : TRANSITIONS[event.type as ConversationEventType];
}

function dayOf(at: number): string {
  return isoTimeOf(at).slice(DAY.begin, DAY.end);
}
