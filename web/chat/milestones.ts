/** The events that stand between messages as one quiet line each, in words. */
import type { RoomEvent } from '../protocol/frames.ts';
import { fieldsOf, numberOf, stringOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { nameOf } from './people.ts';

type Words = (data: Fields, who: string) => string;

const person = (id: unknown): string => nameOf(stringOf(id) ?? '');

function target(to: unknown): string {
  const { queue, agent } = fieldsOf(to);
  return stringOf(queue) ?? person(agent);
}

/** What a view leaves out of an event's data is left out of the sentence. */
const WORDS: ReadonlyMap<string, Words> = new Map<string, Words>([
  ['ConversationResolved', (_data, who) => `Resolved by ${who}`],
  ['ConversationReopened', (_data, who) => `Reopened by ${who}`],
  ['ConversationClosed', (_data, who) => `Closed by ${who}`],
  ['ConversationSnoozed', (_data, who) => `Snoozed by ${who}`],
  ['ConversationUnsnoozed', () => 'Awake again'],
  ['ConversationQueued', queued],
  ['ConversationAssigned', ({ agent }) => `Assigned to ${person(agent)}`],
  ['ConversationUnassigned', () => 'Assigned to nobody'],
  ['ConversationTransferred', ({ to }) => `Transferred to ${target(to)}`],
  ['ParticipantJoined', ({ participant }) => `${person(participant)} joined`],
  ['ParticipantLeft', ({ participant }) => `${person(participant)} left`],
  ['VisitorRemoved', () => 'The visitor was removed'],
  ['ConversationRated', rated],
]);

function queued({ queue }: Fields): string {
  const name = stringOf(queue);
  return name === undefined ? 'Waiting for an agent' : `Queued in ${name}`;
}

function rated({ score, comment }: Fields, who: string): string {
  const given = `${who} rated it ${String(numberOf(score) ?? '?')} of 5`;
  if (comment === null) return `${given}, in words since erased`;
  const words = stringOf(comment) ?? '';
  return words === '' ? given : `${given}: “${words}”`;
}

export function isMilestone({ type }: RoomEvent): boolean {
  return WORDS.has(type);
}

export function milestoneWords({ type, data, actor }: RoomEvent): string {
  return WORDS.get(type)?.(data, nameOf(actor.id, actor.role)) ?? type;
}
