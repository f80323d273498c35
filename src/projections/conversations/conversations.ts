/** The fold of conversations' summaries: one document each, from its start on. */
import type { ConversationEvent, Handling, Status } from '../../domain/conversation/events.ts';
import type { Actor, Recorded } from '../../domain/decider.ts';
import type { Personal } from '../../domain/personal.ts';
import type { CollectionSchema } from '../../read-store/read-store.ts';
import { isoTimeOf } from '../iso-time.ts';
import { defineFold } from '../projection.ts';
import type { Content, ProjectedEvent } from '../projection.ts';
import type { ConversationDocument, LastMessage } from './conversation-document.ts';
import { PREVIEW_UNITS_MAX } from './conversation-document.ts';
import { CONVERSATION_LISTS } from './conversation-lists.ts';
import { NOTHING_UNREAD, isStaff, unreadAfterPost, unreadAfterReceipt } from './unread.ts';
import type { Unread } from './unread.ts';
import { volumeFacts } from './volume-facts.ts';
import type { VolumeFact } from './volume-facts.ts';

export const CONVERSATIONS: CollectionSchema = {
  name: 'conversations',
  indexes: [
    ...CONVERSATION_LISTS.map(({ index }) => index),
    { name: 'changes', fields: ['tenant', 'position', '_id'] },
    { name: 'changes_of_visitor', fields: ['tenant', 'visitor', 'position', '_id'] },
    { name: 'by_subject', fields: ['tenant', 'subjects', '_id'] },
  ],
};

type Draft = { -readonly [Field in keyof Content<ConversationDocument>]: Content<ConversationDocument>[Field] };

const NONE: readonly string[] = [];

/** That something was delivered shows in no summary. */
function keys({ tenant, conversation, recorded: { event } }: ProjectedEvent): readonly string[] {
  if (event.type === 'ReceiptRecorded' && event.data.kind === 'delivered') return NONE;
  return [`${tenant}/${conversation}`];
}

/** Without a start there is no conversation, and nothing to sum up. */
function evolve(
  before: ConversationDocument | undefined,
  projected: ProjectedEvent,
): Content<ConversationDocument> | undefined {
  const { recorded } = projected;
  const { event, actor, at } = recorded;
  if (event.type === 'ConversationStarted') return before ?? started(projected, event.data);
  if (before === undefined) return undefined;
  if (event.type === 'ReceiptRecorded') {
    const { kind, seq } = event.data;
    return kind === 'read' ? withUnread(before, unreadAfterReceipt(before, actor, seq)) : before;
  }
  const draft: Draft = { ...before, lastActivityAt: isoTimeOf(at) };
  apply(draft, event, recorded);
  return draft;
}

function withUnread(before: ConversationDocument, unread: Unread): Content<ConversationDocument> {
  return unread === before ? before : { ...before, unread: unread.unread, unreadSeqs: unread.unreadSeqs };
}

function started(
  { tenant, conversation, recorded: { at } }: ProjectedEvent,
  { channel, visitor, topic, attributes }: ConversationEvent<'ConversationStarted'>['data'],
): Content<ConversationDocument> {
  const startedAt = isoTimeOf(at);
  // One literal: putting it together from several costs a multiple of all else that is done here.
  const draft: Draft = {
    tenant,
    conversation,
    subjects: [visitor ?? conversation],
    status: 'open',
    statusSince: startedAt,
    channel,
    visitor: visitor ?? null,
    visitorRemoved: false,
    handling: 'none',
    handlingSince: startedAt,
    queue: null,
    assignee: null,
    priority: 'normal',
    tags: NONE,
    attributes: attributes ?? {},
    participants: NONE,
    startedAt,
    closedAt: null,
    lastActivityAt: startedAt,
    lastMessageAt: null,
    lastMessageOrStartAt: startedAt,
    lastMessage: null,
    messages: 0,
    notes: 0,
    unread: NOTHING_UNREAD.unread,
    unreadSeqs: NOTHING_UNREAD.unreadSeqs,
    firstVisitorMessageAt: null,
    firstResponseAt: null,
    resolutions: 0,
    rating: null,
  };
  if (topic !== undefined) draft.topic = topic;
  return draft;
}

type Change = Exclude<ConversationEvent, { readonly type: 'ConversationStarted' | 'ReceiptRecorded' }>;

/** What an event does besides being activity. The draft is nobody else's yet; what it holds is shared, and stays as it is. */
function apply(draft: Draft, event: Change, { revision, actor }: Recorded): void {
  const at = draft.lastActivityAt;
  switch (event.type) {
    case 'MessagePosted':
      takePost(draft, event.data, Number(revision), actor);
      return;
    case 'MessageEdited': {
      const { lastMessage } = draft;
      if (lastMessage?.seq !== event.data.seq || lastMessage.redacted) return;
      draft.lastMessage = { ...lastMessage, text: previewOf(event.data.text) };
      return;
    }
    case 'MessageRedacted': {
      const { lastMessage } = draft;
      if (lastMessage?.seq === event.data.seq) draft.lastMessage = { ...lastMessage, text: null, redacted: true };
      return;
    }
    case 'NoteAdded':
      draft.notes = event.data.seq + 1;
      return;

    case 'ParticipantJoined':
      draft.participants = [...without(draft.participants, event.data.participant), event.data.participant];
      return;
    case 'ParticipantLeft':
      draft.participants = without(draft.participants, event.data.participant);
      return;
    case 'VisitorRemoved':
      draft.visitorRemoved = true;
      return;

    case 'TagAdded':
      draft.tags = [...without(draft.tags, event.data.tag), event.data.tag].sort();
      return;
    case 'TagRemoved':
      draft.tags = without(draft.tags, event.data.tag);
      return;
    case 'PrioritySet':
      draft.priority = event.data.priority;
      return;
    case 'AttributesSet': {
      const { attributes, removed } = event.data;
      const kept = Object.entries(draft.attributes).filter(([name]) => !removed.includes(name));
      draft.attributes = { ...Object.fromEntries(kept), ...attributes };
      return;
    }

    case 'ConversationQueued':
      draft.queue = event.data.queue;
      handOver(draft, { kind: 'queued', queue: event.data.queue }, at);
      return;
    case 'ConversationAssigned':
      handOver(draft, { kind: 'assigned', agent: event.data.agent }, at);
      return;
    case 'ConversationUnassigned':
      handOver(draft, { kind: 'none' }, at);
      return;
    case 'AssignmentRequested':
    case 'ConversationTransferred':
      return;

    case 'ConversationSnoozed':
      become(draft, 'snoozed', at);
      return;
    case 'ConversationUnsnoozed':
    case 'ConversationReopened':
      become(draft, 'open', at);
      return;
    case 'ConversationResolved':
      draft.resolutions = event.data.resolution + 1;
      become(draft, 'resolved', at);
      return;
    case 'ConversationClosed':
      draft.closedAt = at;
      become(draft, 'closed', at);
      return;
    case 'ConversationRated': {
      const { resolution, score, comment } = event.data;
      draft.rating = comment === undefined ? { resolution, score, at } : { resolution, score, comment, at };
      return;
    }
  }
}

function takePost(
  draft: Draft,
  { seq, text }: ConversationEvent<'MessagePosted'>['data'],
  rev: number,
  { id, role }: Actor,
): void {
  const at = draft.lastActivityAt;
  const lastMessage: LastMessage = { seq, rev, at, actor: { id, role }, text: previewOf(text) };
  draft.lastMessage = lastMessage;
  draft.lastMessageAt = at;
  draft.lastMessageOrStartAt = at;
  draft.messages = seq + 1;
  const { unread, unreadSeqs } = unreadAfterPost(draft, role, seq);
  draft.unread = unread;
  draft.unreadSeqs = unreadSeqs;
  if (role === 'visitor') draft.firstVisitorMessageAt ??= at;
  else if (isStaff(role) && draft.firstVisitorMessageAt !== null) draft.firstResponseAt ??= at;
}

function become(draft: Draft, status: Status, at: string): void {
  draft.status = status;
  draft.statusSince = at;
}

function handOver(draft: Draft, handling: Handling, at: string): void {
  draft.handling = handling.kind;
  draft.handlingSince = at;
  draft.assignee = handling.kind === 'assigned' ? handling.agent : null;
}

function without(names: readonly string[], name: string): readonly string[] {
  return names.includes(name) ? names.filter(other => other !== name) : names;
}

const HIGH_SURROGATE = { min: 0xd800, max: 0xdbff };

function previewOf(text: Personal): Personal {
  if (text === null || text.length <= PREVIEW_UNITS_MAX) return text;
  const last = text.charCodeAt(PREVIEW_UNITS_MAX - 1);
  const isCut = last >= HIGH_SURROGATE.min && last <= HIGH_SURROGATE.max;
  return text.slice(0, isCut ? PREVIEW_UNITS_MAX - 1 : PREVIEW_UNITS_MAX);
}

export const conversations = defineFold<ConversationDocument, VolumeFact>({
  collection: CONVERSATIONS,
  keys,
  evolve,
  facts: volumeFacts,
});
