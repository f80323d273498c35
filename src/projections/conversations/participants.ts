/**
 * Who took part in which conversation: one document for each pair. Receipts move what was read and delivered, and nothing
 * else, so that they touch no index.
 */
import type { Role } from '../../domain/decider.ts';
import type { Personal } from '../../domain/personal.ts';
import type { CollectionSchema, StoredDocument } from '../../read-store/read-store.ts';
import { isoTimeOf } from '../iso-time.ts';
import { defineFold } from '../projection.ts';
import type { Content, ProjectedEvent } from '../projection.ts';

export interface ParticipantDocument extends StoredDocument {
  readonly tenant: string;
  readonly participant: string;
  readonly conversation: string;
  /** Under whose key the name is sealed: the participant itself. */
  readonly subjects: readonly string[];
  /** In which it acted last; of those that did not act yet, as what they were named. */
  readonly role: Role;
  /** As the imported file has it; absent where nothing was imported, null once erased. */
  readonly name?: Personal;
  /** How many it posted, redacted ones among them. */
  readonly messages: number;
  /**
   * Of its first and last part in it, ISO 8601 UTC with milliseconds: the start as its visitor, a post, joining, leaving,
   * being assigned. Receipts are none, but for somebody of whom nothing else is known.
   */
  readonly firstAt: string;
  readonly lastAt: string;
  /** Staff that joined and did not leave. */
  readonly joined: boolean;
  /** Every message up to and with this `seq`, by its own receipts; null: none. */
  readonly read: number | null;
  readonly delivered: number | null;
}

export const PARTICIPANTS: CollectionSchema = {
  name: 'participants',
  indexes: [
    { name: 'by_conversation', fields: ['tenant', 'conversation', '_id'] },
    { name: 'by_participant', fields: ['tenant', 'participant', 'lastAt', '_id'] },
    { name: 'by_subject', fields: ['tenant', 'subjects', '_id'] },
  ],
};

type Participant = Content<ParticipantDocument>;
type Draft = { -readonly [Field in keyof Participant]: Participant[Field] };

const NO_KEYS: readonly string[] = [];

/** The `_id`: a participant's id may hold a `/`, a conversation's never does. */
export function participantId(tenant: string, participant: string, conversation: string): string {
  return `${tenant}/${participant}/${conversation}`;
}

function keys(projected: ProjectedEvent): readonly string[] {
  const participant = participantOf(projected.recorded);
  if (participant === undefined) return NO_KEYS;
  return [participantId(projected.tenant, participant, projected.conversation)];
}

/** Whose part the event is. */
function participantOf({ event, actor }: ProjectedEvent['recorded']): string | undefined {
  switch (event.type) {
    case 'ConversationStarted':
      return event.data.visitor;
    case 'MessagePosted':
      return actor.id;
    case 'ParticipantJoined':
    case 'ParticipantLeft':
      return event.data.participant;
    case 'ReceiptRecorded':
      return event.data.reader;
    case 'ConversationAssigned':
      return event.data.agent;
    default:
      return undefined;
  }
}

function evolve(before: ParticipantDocument | undefined, projected: ProjectedEvent): Participant | undefined {
  const { event, actor, at } = projected.recorded;
  const participant = participantOf(projected.recorded);
  if (participant === undefined) return before;
  if (event.type === 'ReceiptRecorded') {
    const { kind, seq } = event.data;
    return { ...(before ?? begun(projected, participant)), [kind]: seq };
  }
  const draft: Draft = { ...(before ?? begun(projected, participant)) };
  draft.lastAt = isoTimeOf(at);
  if (actor.id === participant) draft.role = actor.role;
  if (event.type === 'ParticipantJoined') draft.joined = true;
  if (event.type === 'ParticipantLeft') draft.joined = false;
  if (event.type === 'MessagePosted') {
    draft.messages += 1;
    if (event.data.source !== undefined) draft.name = event.data.source.author;
  }
  return draft;
}

function begun(
  { tenant, conversation, recorded: { event, actor, at } }: ProjectedEvent,
  participant: string,
): Participant {
  const named: Role = event.type === 'ConversationStarted' ? 'visitor' : 'agent';
  const isoAt = isoTimeOf(at);
  return {
    tenant,
    participant,
    conversation,
    subjects: [participant],
    role: actor.id === participant ? actor.role : named,
    messages: 0,
    firstAt: isoAt,
    lastAt: isoAt,
    joined: false,
    read: null,
    delivered: null,
  };
}

export const participants = defineFold<ParticipantDocument>({ collection: PARTICIPANTS, keys, evolve });
