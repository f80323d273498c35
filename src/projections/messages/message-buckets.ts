/**
 * The messages of a conversation, a hundred to a document, as they are by now: edits and redactions reach theirs by its
 * `seq`. A conversation's first bucket is there from its start on, and names whose texts they are.
 */
import type { Attachment, ConversationEvent } from '../../domain/conversation/events.ts';
import type { Actor, Recorded } from '../../domain/decider.ts';
import type { Personal } from '../../domain/personal.ts';
import type { CollectionSchema, StoredDocument } from '../../read-store/read-store.ts';
import { isoTimeOf } from '../iso-time.ts';
import { defineFold } from '../projection.ts';
import type { Content, ProjectedEvent } from '../projection.ts';

/** Messages to a document: at worst, of 10,000 characters each, some 3 MB. */
export const BUCKET_MESSAGES = 100;

/** A change of a message: `rev` is the revision of its event, `at` is ISO 8601 UTC with milliseconds. */
interface MessageChange {
  readonly rev: number;
  readonly at: string;
  readonly by: Actor;
}

export interface BucketMessage {
  /** Its ordinal in the conversation, from 0. */
  readonly seq: number;
  /** The revision of the event that posted it, and that event's id. */
  readonly rev: number;
  readonly id: string;
  /** ISO 8601 UTC with milliseconds. */
  readonly at: string;
  readonly actor: Actor;
  readonly commandId?: string;
  /** By its last edit. Null once it is redacted, or its subject erased; `redacted` tells the two apart. */
  readonly text: Personal;
  readonly format: 'plain';
  /** `seq` of the message that it answers. */
  readonly replyTo?: number;
  /** Their names go with the text. */
  readonly attachments: readonly Attachment[];
  /** The words of the file that it was imported from; the author goes with the text. */
  readonly source?: { readonly id: string; readonly author: Personal; readonly replyTo?: string };
  /** Its last edit. */
  readonly edited?: MessageChange;
  readonly redacted?: MessageChange & { readonly reason?: Personal };
}

export interface MessageBucket extends StoredDocument {
  readonly tenant: string;
  readonly conversation: string;
  /**
   * Under whose keys its texts may be sealed: in the first bucket the visitor, or the conversation's own id where it has
   * none; in every one the authors of its imported messages.
   */
  readonly subjects: readonly string[];
  /** From 0: of the messages with `seq` from `bucket * BUCKET_MESSAGES` on. */
  readonly bucket: number;
  /** `seq` of its first message, also while it has none. */
  readonly firstSeq: number;
  /** Messages in it; 0 only in the first bucket of a conversation in which nothing was said yet. */
  readonly count: number;
  /** Of its first and last post, ISO 8601 UTC with milliseconds; while it has none, of the conversation's start. */
  readonly firstAt: string;
  readonly lastAt: string;
  /** Revisions of its first and last post; while it has none, of the conversation's start. */
  readonly firstRev: number;
  readonly lastRev: number;
  /** By `seq`. */
  readonly messages: readonly BucketMessage[];
}

export const MESSAGE_BUCKETS: CollectionSchema = {
  name: 'message_buckets',
  indexes: [
    { name: 'by_seq', fields: ['tenant', 'conversation', 'bucket', '_id'] },
    { name: 'by_rev', fields: ['tenant', 'conversation', 'lastRev', '_id'] },
    { name: 'by_time', fields: ['tenant', 'conversation', 'lastAt', '_id'] },
    { name: 'by_subject', fields: ['tenant', 'subjects', '_id'] },
  ],
};

const BUCKET_DIGITS = 8;
const NO_KEYS: readonly string[] = [];

type Bucket = Content<MessageBucket>;
type Draft<Shape> = { -readonly [Field in keyof Shape]: Shape[Field] };

/** The `_id` of a conversation's bucket, from 0. */
export function bucketId(tenant: string, conversation: string, bucket: number): string {
  return `${tenant}/${conversation}/${String(bucket).padStart(BUCKET_DIGITS, '0')}`;
}

const bucketOf = (seq: number): number => Math.floor(seq / BUCKET_MESSAGES);

function keys({ tenant, conversation, recorded: { event } }: ProjectedEvent): readonly string[] {
  switch (event.type) {
    case 'ConversationStarted':
      return [bucketId(tenant, conversation, 0)];
    case 'MessagePosted':
    case 'MessageEdited':
    case 'MessageRedacted':
      return [bucketId(tenant, conversation, bucketOf(event.data.seq))];
    default:
      return NO_KEYS;
  }
}

function evolve(bucket: MessageBucket | undefined, projected: ProjectedEvent): Bucket | undefined {
  const { recorded } = projected;
  const { event } = recorded;
  switch (event.type) {
    case 'ConversationStarted':
      return bucket ?? begun(projected, 0, [event.data.visitor ?? projected.conversation]);
    case 'MessagePosted': {
      const number = bucketOf(event.data.seq);
      // Only a message without a start, which no decider lets happen, finds no first bucket.
      const subjects = number === 0 ? [projected.conversation] : [];
      return appended(bucket ?? begun(projected, number, subjects), posted(recorded, event.data));
    }
    case 'MessageEdited':
      return changed(bucket, event.data.seq, message => edited(message, event.data.text, changeBy(recorded)));
    case 'MessageRedacted': {
      const { seq, reason } = event.data;
      const redaction = { ...changeBy(recorded), ...(reason === undefined ? {} : { reason }) };
      return changed(bucket, seq, message => redacted(message, redaction));
    }
    default:
      return bucket;
  }
}

function begun({ tenant, conversation, recorded }: ProjectedEvent, bucket: number, subjects: string[]): Bucket {
  const at = isoTimeOf(recorded.at);
  const rev = Number(recorded.revision);
  return {
    tenant,
    conversation,
    subjects,
    bucket,
    firstSeq: bucket * BUCKET_MESSAGES,
    count: 0,
    firstAt: at,
    lastAt: at,
    firstRev: rev,
    lastRev: rev,
    messages: [],
  };
}

function posted(
  { revision, id, at, actor, commandId }: Recorded,
  { seq, text, format, attachments, replyTo, source }: ConversationEvent<'MessagePosted'>['data'],
): BucketMessage {
  const message: Draft<BucketMessage> = {
    seq,
    rev: Number(revision),
    id,
    at: isoTimeOf(at),
    actor: { id: actor.id, role: actor.role },
    text,
    format,
    attachments,
  };
  if (commandId !== undefined) message.commandId = commandId;
  if (replyTo !== undefined) message.replyTo = replyTo;
  if (source !== undefined) {
    const words = { id: source.id, author: source.author };
    message.source = source.replyTo === undefined ? words : { ...words, replyTo: source.replyTo };
  }
  return message;
}

/** One new list of at most a hundred references, whatever the texts weigh. */
function appended(bucket: Bucket, message: BucketMessage): Bucket {
  const messages = bucket.messages.slice();
  messages.push(message);
  const draft: Draft<Bucket> = { ...bucket, messages, count: messages.length };
  if (bucket.count === 0) {
    draft.firstAt = message.at;
    draft.firstRev = message.rev;
  }
  draft.lastAt = message.at;
  draft.lastRev = message.rev;
  // A name is sealed under its author's key.
  const author = message.actor.id;
  if (message.source !== undefined && !bucket.subjects.includes(author)) draft.subjects = [...bucket.subjects, author];
  return draft;
}

function changed(
  bucket: MessageBucket | undefined,
  seq: number,
  change: (message: BucketMessage) => BucketMessage,
): Bucket | undefined {
  const at = bucket?.messages.findIndex(message => message.seq === seq) ?? -1;
  const message = bucket?.messages[at];
  if (bucket === undefined || message === undefined || message.redacted !== undefined) return bucket;
  return { ...bucket, messages: bucket.messages.with(at, change(message)) };
}

function edited(message: BucketMessage, text: Personal, change: MessageChange): BucketMessage {
  return { ...message, text, edited: change };
}

/** What remains says that there was a message, by whom and when, and with how many attachments of what kind. */
function redacted(message: BucketMessage, redaction: NonNullable<BucketMessage['redacted']>): BucketMessage {
  const attachments = message.attachments.map(attachment => ({ ...attachment, name: null }));
  const without = { ...message, text: null, attachments, redacted: redaction };
  return message.source === undefined ? without : { ...without, source: { ...message.source, author: null } };
}

function changeBy({ revision, at, actor }: Recorded): MessageChange {
  return { rev: Number(revision), at: isoTimeOf(at), by: { id: actor.id, role: actor.role } };
}

export const messageBuckets = defineFold<MessageBucket>({ collection: MESSAGE_BUCKETS, keys, evolve });
