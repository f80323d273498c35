/**
 * What queries must answer, said by whole histories and not by folds: each field is looked up in the events of a
 * conversation, as staff is shown them, by a definition of its own. So that an error of the folds is not repeated here.
 */
import type { WireEvent } from '../support/wire-client.ts';

const PREVIEW_UNITS = 200;
const UNREAD_MAX = 100;

type Data = Readonly<Record<string, unknown>>;
type Post = WireEvent & { readonly data: Data & { readonly seq: number; readonly text: string | null } };

const STATUSES: Readonly<Record<string, string>> = {
  ...{ ConversationStarted: 'open', ConversationSnoozed: 'snoozed', ConversationUnsnoozed: 'open' },
  ...{ ConversationResolved: 'resolved', ConversationReopened: 'open', ConversationClosed: 'closed' },
};
const HANDLINGS: Readonly<Record<string, string>> = {
  ...{ ConversationStarted: 'none', ConversationUnassigned: 'none' },
  ...{ ConversationQueued: 'queued', ConversationAssigned: 'assigned' },
};
const STAFF_ROLES = ['agent', 'supervisor'];

const isIn =
  (types: Readonly<Record<string, string>>) =>
  ({ type }: WireEvent): boolean =>
    Object.hasOwn(types, type);
const isStaff = ({ actor }: WireEvent): boolean => STAFF_ROLES.includes(actor.role);
const isVisitor = ({ actor }: WireEvent): boolean => actor.role === 'visitor';

function ofType(events: readonly WireEvent[], type: string): WireEvent[] {
  return events.filter(event => event.type === type);
}

function postsOf(events: readonly WireEvent[]): Post[] {
  return ofType(events, 'MessagePosted') as Post[];
}

/** As a list shows it to staff. Undefined while it has not been started. */
export function expectedSummary(conversation: string, events: readonly WireEvent[]): Data | undefined {
  const start = ofType(events, 'ConversationStarted')[0];
  if (start === undefined) return undefined;
  const posts = postsOf(events);
  const status = events.findLast(isIn(STATUSES)) ?? start;
  const handling = events.findLast(isIn(HANDLINGS)) ?? start;
  const kind = HANDLINGS[handling.type] ?? '';
  const queue = (ofType(events, 'ConversationQueued').at(-1)?.data.queue ?? null) as string | null;
  const firstOfVisitor = posts.find(isVisitor);
  const firstResponse = firstOfVisitor && posts.find(post => isStaff(post) && post.rev > firstOfVisitor.rev);
  return plain({
    ...{ conversation, channel: start.data.channel, visitor: start.data.visitor ?? null, topic: start.data.topic },
    visitorRemoved: ofType(events, 'VisitorRemoved').length > 0,
    participants: joinedOf(events),
    startedAt: start.at,
    closedAt: ofType(events, 'ConversationClosed')[0]?.at ?? null,
    lastMessageAt: posts.at(-1)?.at ?? null,
    lastMessage: lastMessageOf(events, posts.at(-1)),
    messages: posts.length,
    rating: ratingOf(events),
    status: STATUSES[status.type],
    handling: { kind, agent: handling.data.agent, queue: kind === 'queued' ? handling.data.queue : undefined },
    unread: {
      staff: unread(events, posts.filter(isVisitor), isStaff),
      visitor: unread(
        events,
        posts.filter(post => !isVisitor(post)),
        isVisitor,
      ),
    },
    staff: {
      ...{ statusSince: status.at, handlingSince: handling.at, queue },
      lastActivityAt: events.findLast(({ type }) => type !== 'ReceiptRecorded')?.at,
      priority: ofType(events, 'PrioritySet').at(-1)?.data.priority ?? 'normal',
      ...{ tags: tagsOf(events), attributes: attributesOf(events) },
      notes: ofType(events, 'NoteAdded').length,
      resolutions: ofType(events, 'ConversationResolved').length,
      firstVisitorMessageAt: firstOfVisitor?.at ?? null,
      firstResponseAt: firstResponse?.at ?? null,
    },
  });
}

/** Of a side's posts those behind everything that the other side has read: by a receipt, or by posting itself. */
function unread(events: readonly WireEvent[], posts: readonly Post[], isReader: (event: WireEvent) => boolean): number {
  const read = events.filter(isReader).flatMap(({ type, data }) => {
    if (type === 'MessagePosted') return [Number(data.seq) - 1];
    return type === 'ReceiptRecorded' && data.kind === 'read' ? [Number(data.seq)] : [];
  });
  const upTo = read.reduce((most, seq) => Math.max(most, seq), -1);
  return Math.min(UNREAD_MAX, posts.filter(({ data }) => data.seq > upTo).length);
}

function joinedOf(events: readonly WireEvent[]): string[] {
  const changes = events.filter(({ type }) => type === 'ParticipantJoined' || type === 'ParticipantLeft');
  const lastOf = (name: unknown): WireEvent | undefined => changes.findLast(({ data }) => data.participant === name);
  return changes
    .filter(event => event.type === 'ParticipantJoined' && lastOf(event.data.participant) === event)
    .map(({ data }) => String(data.participant));
}

function tagsOf(events: readonly WireEvent[]): string[] {
  const changes = events.filter(({ type }) => type === 'TagAdded' || type === 'TagRemoved');
  const tags = [...new Set(changes.map(({ data }) => String(data.tag)))];
  return tags.filter(tag => changes.findLast(({ data }) => data.tag === tag)?.type === 'TagAdded').sort();
}

function attributesOf(events: readonly WireEvent[]): Data {
  const changes = events.filter(({ type }) => type === 'ConversationStarted' || type === 'AttributesSet');
  const setBy = ({ data }: WireEvent): Data => (data.attributes ?? {}) as Data;
  const isAbout = (name: string) => (event: WireEvent) =>
    Object.hasOwn(setBy(event), name) || ((event.data.removed ?? []) as string[]).includes(name);
  const names = [...new Set(changes.flatMap(event => Object.keys(setBy(event))))];
  return Object.fromEntries(
    names.flatMap(name => {
      const last = changes.findLast(isAbout(name));
      return last !== undefined && Object.hasOwn(setBy(last), name) ? [[name, setBy(last)[name]]] : [];
    }),
  );
}

function ratingOf(events: readonly WireEvent[]): Data | null {
  const rated = ofType(events, 'ConversationRated').at(-1);
  if (rated === undefined) return null;
  const { resolution, score, comment } = rated.data;
  return { resolution, score, comment, at: rated.at };
}

function lastMessageOf(events: readonly WireEvent[], post: Post | undefined): Data | null {
  if (post === undefined) return null;
  const { text, redaction } = asItReads(events, post);
  const { rev, at, actor } = post;
  const shown = text?.slice(
    0,
    /^[\uD800-\uDBFF]/.test(text.slice(PREVIEW_UNITS - 1)) ? PREVIEW_UNITS - 1 : PREVIEW_UNITS,
  );
  return { seq: post.data.seq, rev, at, actor, text: shown ?? null, redacted: redaction && true };
}

interface Reading {
  readonly text: string | null;
  readonly edit: WireEvent | undefined;
  readonly redaction: WireEvent | undefined;
}

function asItReads(events: readonly WireEvent[], post: Post): Reading {
  const { seq } = post.data;
  const redaction = ofType(events, 'MessageRedacted').find(({ data }) => data.seq === seq);
  const edit = ofType(events, 'MessageEdited').findLast(({ data }) => data.seq === seq);
  const text = redaction === undefined ? ((edit ?? post).data.text as string | null) : null;
  return { text, edit, redaction };
}

/** As a transcript shows each to staff, in order. */
export function expectedMessages(events: readonly WireEvent[]): Data[] {
  const changed = events.filter(({ type }) => type === 'MessageEdited' || type === 'MessageRedacted');
  return postsOf(events).map(post => {
    const { rev, id, at, actor, commandId, data } = post;
    const { text, edit, redaction } = asItReads(changed, post);
    const attachments = data.attachments as readonly Data[];
    const source = data.source as Data | undefined;
    return plain({
      ...{ seq: data.seq, rev, id, at, actor, commandId, text, format: data.format, replyTo: data.replyTo },
      attachments: redaction === undefined ? attachments : attachments.map(each => ({ ...each, name: null })),
      source: source && (redaction === undefined ? source : { ...source, author: null }),
      edited: edit && { rev: edit.rev, at: edit.at, by: edit.actor },
      redacted: redaction && {
        ...{ rev: redaction.rev, at: redaction.at, by: redaction.actor },
        reason: redaction.data.reason,
      },
      erased: text === null && redaction === undefined ? true : undefined,
    });
  });
}

/** Everybody who took part, by id. */
export function expectedParticipants(conversation: string, events: readonly WireEvent[]): Data[] {
  const parts = events.flatMap(event => {
    const participant = whosePart(event);
    return participant === undefined ? [] : [{ participant, event }];
  });
  const everybody = [...new Set(parts.map(({ participant }) => participant))];
  return everybody.map(participant => {
    const own = parts.filter(part => part.participant === participant).map(({ event }) => event);
    const deeds = own.filter(({ type }) => type !== 'ReceiptRecorded');
    const acted = [own[0], ...deeds].findLast(event => event?.actor.id === participant);
    const receipt = (kind: string): unknown =>
      own.findLast(({ type, data }) => type === 'ReceiptRecorded' && data.kind === kind)?.data.seq ?? null;
    const imported = own.filter(({ type, data }) => type === 'MessagePosted' && data.source !== undefined).at(-1);
    return plain({
      ...{ participant, conversation },
      role: acted?.actor.role ?? (own[0]?.type === 'ConversationStarted' ? 'visitor' : 'agent'),
      name: imported && (imported.data.source as Data).author,
      messages: postsOf(own).length,
      firstAt: own[0]?.at,
      lastAt: (deeds.at(-1) ?? own[0])?.at,
      joined: own.findLast(({ type }) => /^Participant(Joined|Left)$/.test(type))?.type === 'ParticipantJoined',
      ...{ read: receipt('read'), delivered: receipt('delivered') },
    });
  });
}

function whosePart({ type, actor, data }: WireEvent): string | undefined {
  if (type === 'MessagePosted') return actor.id;
  const named = { ConversationStarted: 'visitor', ReceiptRecorded: 'reader', ConversationAssigned: 'agent' }[type];
  const who = data[named ?? (/^Participant(Joined|Left)$/.test(type) ? 'participant' : '')];
  return typeof who === 'string' ? who : undefined;
}

/** What the volume counts of these events. */
export function expectedVolume(events: readonly WireEvent[]): Record<string, number> {
  const posts = postsOf(events);
  const by = (...roles: string[]): number => posts.filter(({ actor }) => roles.includes(actor.role)).length;
  const count = (type: string): number => ofType(events, type).length;
  return {
    messages: posts.length,
    ...{ visitorMessages: by('visitor'), staffMessages: by(...STAFF_ROLES) },
    ...{ botMessages: by('bot'), serviceMessages: by('service') },
    ...{ started: count('ConversationStarted'), reopened: count('ConversationReopened') },
    ...{ resolved: count('ConversationResolved'), closed: count('ConversationClosed') },
  };
}

/** As JSON has it: without what is undefined. */
function plain(value: object): Data {
  return JSON.parse(JSON.stringify(value)) as Data;
}
