/**
 * What each read model must hold, by its definition (docs/read-models.md) and with no fold: every field is looked up
 * afresh in the whole history. Slow, and written to be read against the definitions.
 */
import type { ConversationEvent, ConversationEventType } from '../../src/domain/conversation/events.ts';
import type { Role } from '../../src/domain/decider.ts';
import type { ProjectedEvent } from '../../src/projections/projection.ts';
import { columnsOf } from './volume-columns.ts';

type Documents = Map<string, object>;
type Of<Type extends ConversationEventType> = ProjectedEvent & {
  readonly recorded: { readonly event: ConversationEvent<Type> };
};

const LONE_SURROGATE = /\p{Surrogate}/u;
const STAFF: readonly Role[] = ['agent', 'supervisor'];

/** The events of these types, in order. */
function only<Type extends ConversationEventType>(events: readonly ProjectedEvent[], ...types: Type[]): Of<Type>[] {
  return events.filter(({ recorded: { event } }) => (types as string[]).includes(event.type)) as Of<Type>[];
}

const iso = ({ recorded }: ProjectedEvent): string => new Date(recorded.at).toISOString();
const revOf = ({ recorded }: ProjectedEvent): number => Number(recorded.revision);
const actorOf = ({ recorded: { actor } }: ProjectedEvent) => ({ id: actor.id, role: actor.role });
const dataOf = <Type extends ConversationEventType>({ recorded }: Of<Type>) => recorded.event.data;

/** Without the fields that are undefined, at any depth: as JSON has it. */
function stored(value: object): object {
  return JSON.parse(JSON.stringify(value)) as object;
}

export function histories(log: readonly ProjectedEvent[]): ProjectedEvent[][] {
  const conversations = [...new Set(log.map(({ conversation }) => conversation))];
  return conversations.map(name => log.filter(({ conversation }) => conversation === name));
}

function subjectOf(history: readonly ProjectedEvent[]): string | undefined {
  const [start] = only(history, 'ConversationStarted');
  return start && (dataOf(start).visitor ?? start.conversation);
}

function messageOf(history: readonly ProjectedEvent[], post: Of<'MessagePosted'>) {
  const { seq, text, source, attachments, ...rest } = dataOf(post);
  const edit = only(history, 'MessageEdited').findLast(each => dataOf(each).seq === seq);
  const redaction = only(history, 'MessageRedacted').find(each => dataOf(each).seq === seq);
  const change = (event: ProjectedEvent) => ({ rev: revOf(event), at: iso(event), by: actorOf(event) });
  const isShown = redaction === undefined;
  return {
    ...{ seq, rev: revOf(post), id: post.recorded.id, at: iso(post), actor: actorOf(post), ...rest },
    commandId: post.recorded.commandId,
    text: isShown ? (edit === undefined ? text : dataOf(edit).text) : null,
    attachments: attachments.map(({ name, ...each }) => ({ ...each, name: isShown ? name : null })),
    source: source && { ...source, author: isShown ? source.author : null },
    edited: edit && change(edit),
    redacted: redaction && { ...change(redaction), reason: dataOf(redaction).reason },
  };
}

export function messageBuckets(log: readonly ProjectedEvent[]): Documents {
  const documents: Documents = new Map();
  for (const history of histories(log)) {
    const [start] = only(history, 'ConversationStarted');
    const posts = only(history, 'MessagePosted');
    const buckets = Math.max(1, Math.ceil(posts.length / 100));
    for (let bucket = 0; bucket < buckets; bucket++) {
      const own = posts.filter(post => Math.floor(dataOf(post).seq / 100) === bucket);
      const [first, last] = own.length === 0 ? [start, start] : [own[0], own.at(-1)];
      if (start === undefined || first === undefined || last === undefined) continue;
      const authors = own.filter(post => dataOf(post).source !== undefined).map(post => post.recorded.actor.id);
      const { tenant, conversation } = start;
      const document = {
        ...{ tenant, conversation, bucket, firstSeq: bucket * 100, count: own.length },
        subjects: [...new Set([...(bucket === 0 ? [subjectOf(history)] : []), ...authors])],
        ...{ firstAt: iso(first), lastAt: iso(last), firstRev: revOf(first), lastRev: revOf(last) },
        messages: own.map(post => messageOf(history, post)),
      };
      documents.set(`${tenant}/${conversation}/${String(bucket).padStart(8, '0')}`, stored(document));
    }
  }
  return documents;
}

/** `seq` of what others posted behind everything that this side posted, or has a receipt of having read; the latest hundred. */
function unreadOf(history: readonly ProjectedEvent[], side: readonly Role[], others: readonly Role[]): number[] {
  const bySide = history.filter(({ recorded }) => side.includes(recorded.actor.role));
  const read = only(bySide, 'ReceiptRecorded').filter(receipt => dataOf(receipt).kind === 'read');
  const known = Math.max(-1, ...[...read, ...only(bySide, 'MessagePosted')].map(each => dataOf(each).seq));
  const posts = only(history, 'MessagePosted').filter(({ recorded }) => others.includes(recorded.actor.role));
  return posts
    .map(post => dataOf(post).seq)
    .filter(seq => seq > known)
    .slice(-100);
}

function lastMessageOf(history: readonly ProjectedEvent[], post: Of<'MessagePosted'> | undefined) {
  if (post === undefined) return null;
  const { seq, rev, at, actor, text, redacted } = messageOf(history, post);
  let preview = text;
  if (preview !== null) {
    preview = preview.slice(0, 200);
    // Half of a pair that is whole in the text was cut.
    if (LONE_SURROGATE.test(preview) && !LONE_SURROGATE.test(text ?? '')) preview = preview.slice(0, -1);
  }
  return { seq, rev, at, actor, text: preview, redacted: redacted && true };
}

function handlingOf(history: readonly ProjectedEvent[], start: ProjectedEvent) {
  const turn = only(history, 'ConversationQueued', 'ConversationAssigned', 'ConversationUnassigned').at(-1);
  const { event } = turn?.recorded ?? {};
  const [queued] = only(history, 'ConversationQueued').slice(-1);
  return {
    handling:
      event?.type === 'ConversationQueued' ? 'queued' : event?.type === 'ConversationAssigned' ? 'assigned' : 'none',
    handlingSince: iso(turn ?? start),
    queue: queued === undefined ? null : dataOf(queued).queue,
    assignee: event?.type === 'ConversationAssigned' ? event.data.agent : null,
  };
}

function statusOf(history: readonly ProjectedEvent[]) {
  const statuses = {
    ConversationStarted: 'open',
    ConversationReopened: 'open',
    ConversationUnsnoozed: 'open',
    ConversationSnoozed: 'snoozed',
    ConversationResolved: 'resolved',
    ConversationClosed: 'closed',
  } as const;
  const [turn] = only(history, ...(Object.keys(statuses) as (keyof typeof statuses)[])).slice(-1);
  return turn && { status: statuses[turn.recorded.event.type], statusSince: iso(turn) };
}

/** Those for whom the last word was that they are in. */
function inside(
  history: readonly ProjectedEvent[],
  enter: 'TagAdded' | 'ParticipantJoined',
  leave: 'TagRemoved' | 'ParticipantLeft',
): string[] {
  const name = (event: ProjectedEvent): string => Object.values(event.recorded.event.data as object)[0] as string;
  const last = only(history, enter, leave).toReversed();
  const firstOfEach = last.filter((event, i) => last.findIndex(other => name(other) === name(event)) === i);
  return firstOfEach
    .filter(({ recorded }) => recorded.event.type === enter)
    .toReversed()
    .map(name);
}

function attributesOf(history: readonly ProjectedEvent[]): object {
  const set = new Map<string, string | null>();
  for (const event of only(history, 'ConversationStarted', 'AttributesSet')) {
    const { data, type } = event.recorded.event;
    if (type === 'AttributesSet') for (const name of data.removed) set.delete(name);
    for (const [name, value] of Object.entries(data.attributes ?? {})) set.set(name, value);
  }
  return Object.fromEntries(set);
}

export function conversations(log: readonly ProjectedEvent[]): Documents {
  const documents: Documents = new Map();
  for (const history of histories(log)) {
    const [start] = only(history, 'ConversationStarted');
    if (start === undefined) continue;
    const { tenant, conversation } = start;
    const { channel, topic, visitor } = dataOf(start);
    const posts = only(history, 'MessagePosted');
    const visitorPost = posts.find(({ recorded }) => recorded.actor.role === 'visitor');
    const answer = posts.find(
      post => STAFF.includes(post.recorded.actor.role) && visitorPost !== undefined && revOf(post) > revOf(visitorPost),
    );
    const active = history.filter(({ recorded }) => recorded.event.type !== 'ReceiptRecorded').at(-1) ?? start;
    const closed = only(history, 'ConversationClosed').at(-1);
    const rated = only(history, 'ConversationRated').at(-1);
    const last = posts.at(-1);
    const unreadSeqs = {
      staff: unreadOf(history, STAFF, ['visitor']),
      visitor: unreadOf(history, ['visitor'], [...STAFF, 'bot', 'service']),
    };
    const document = {
      ...{ tenant, conversation, subjects: [subjectOf(history)], channel, topic },
      ...{ visitor: visitor ?? null, visitorRemoved: only(history, 'VisitorRemoved').length > 0 },
      ...{ ...statusOf(history), ...handlingOf(history, start) },
      priority: only(history, 'PrioritySet').map(dataOf).at(-1)?.priority ?? 'normal',
      tags: inside(history, 'TagAdded', 'TagRemoved').sort(),
      attributes: attributesOf(history),
      participants: inside(history, 'ParticipantJoined', 'ParticipantLeft'),
      ...{ startedAt: iso(start), closedAt: closed ? iso(closed) : null, lastActivityAt: iso(active) },
      ...{ lastMessageAt: last ? iso(last) : null, lastMessageOrStartAt: iso(last ?? start) },
      lastMessage: lastMessageOf(history, last),
      ...{ messages: posts.length, notes: only(history, 'NoteAdded').length, unreadSeqs },
      unread: { staff: unreadSeqs.staff.length, visitor: unreadSeqs.visitor.length },
      firstVisitorMessageAt: visitorPost ? iso(visitorPost) : null,
      firstResponseAt: answer ? iso(answer) : null,
      resolutions: only(history, 'ConversationResolved').length,
      rating: rated ? { ...dataOf(rated), at: iso(rated) } : null,
    };
    documents.set(`${tenant}/${conversation}`, stored(document));
  }
  return documents;
}

/** The parts that each took, receipts apart. */
function partsOf(history: readonly ProjectedEvent[], participant: string): ProjectedEvent[] {
  return only(
    history,
    'ConversationStarted',
    'MessagePosted',
    'ParticipantJoined',
    'ParticipantLeft',
    'ConversationAssigned',
  ).filter(part => {
    const { event, actor } = part.recorded;
    if (event.type === 'ConversationStarted') return event.data.visitor === participant;
    if (event.type === 'ConversationAssigned') return event.data.agent === participant;
    return actor.id === participant;
  });
}

export function participants(log: readonly ProjectedEvent[]): Documents {
  const documents: Documents = new Map();
  for (const history of histories(log)) {
    const { tenant, conversation } = history[0] ?? { tenant: '', conversation: '' };
    const receipts = only(history, 'ReceiptRecorded');
    const everybody = new Set([
      ...history.map(({ recorded }) => recorded.actor.id),
      ...only(history, 'ConversationStarted').map(start => dataOf(start).visitor ?? ''),
      ...only(history, 'ConversationAssigned').map(assigned => dataOf(assigned).agent),
    ]);
    for (const participant of everybody) {
      const parts = partsOf(history, participant);
      const own = receipts.filter(receipt => dataOf(receipt).reader === participant);
      const first = [...parts, ...own].sort((a, b) => revOf(a) - revOf(b))[0];
      if (first === undefined) continue;
      const posts = only(parts, 'MessagePosted');
      const ownPart = parts.findLast(({ recorded }) => recorded.actor.id === participant);
      const acted = ownPart ?? (first.recorded.event.type === 'ReceiptRecorded' ? first : undefined);
      const imported = posts.filter(post => dataOf(post).source !== undefined).at(-1);
      const highest = (kind: string): number | null =>
        own
          .filter(receipt => dataOf(receipt).kind === kind)
          .map(receipt => dataOf(receipt).seq)
          .at(-1) ?? null;
      const document = {
        ...{ tenant, participant, conversation, subjects: [participant] },
        role: acted?.recorded.actor.role ?? (first.recorded.event.type === 'ConversationStarted' ? 'visitor' : 'agent'),
        name: imported && dataOf(imported).source?.author,
        ...{ messages: posts.length, firstAt: iso(first), lastAt: iso(parts.at(-1) ?? first) },
        joined: inside(history, 'ParticipantJoined', 'ParticipantLeft').includes(participant),
        ...{ read: highest('read'), delivered: highest('delivered') },
      };
      documents.set(`${tenant}/${participant}/${conversation}`, stored(document));
    }
  }
  return documents;
}

const COUNTED: { readonly [Type in ConversationEventType]?: string } = {
  ConversationStarted: 'started',
  ConversationReopened: 'reopened',
  ConversationResolved: 'resolved',
  ConversationClosed: 'closed',
};

interface Day {
  readonly tenant: string;
  readonly dimension: string;
  readonly value: string;
  readonly day: string;
  readonly quarters: Record<string, Record<string, number | undefined> | undefined>;
}

/** Event by event, each with what its conversation was before it, as the whole history says. */
export function volume(log: readonly ProjectedEvent[]): Documents {
  const documents = new Map<string, Day>();
  const count = (event: ProjectedEvent, dimension: string, value: string, counter: string): void => {
    const [day = '', time = ''] = iso(event).split('T');
    const [hours = 0, minutes = 0] = time.split(':').map(Number);
    const id = `${event.tenant}/${dimension}/${encodeURIComponent(value)}/${day}`;
    const document: Day = documents.get(id) ?? { tenant: event.tenant, dimension, value, day, quarters: {} };
    documents.set(id, document);
    const quarter = (document.quarters[hours * 4 + Math.floor(minutes / 15)] ??= {});
    quarter[counter] = (quarter[counter] ?? 0) + 1;
  };
  for (const history of histories(log)) {
    const [start] = only(history, 'ConversationStarted');
    history.forEach((event, i) => {
      const {
        event: { type },
        actor: { id, role },
      } = event.recorded;
      const earlier = history.slice(0, i);
      const queue = only(earlier, 'ConversationQueued').at(-1);
      const isStaff = STAFF.includes(role);
      const counters = type === 'MessagePosted' ? ['messages', `${isStaff ? 'staff' : role}Messages`] : [COUNTED[type]];
      for (const counter of counters) {
        if (counter === undefined || start === undefined) continue;
        count(event, 'all', '', counter);
        count(event, 'channel', dataOf(start).channel, counter);
        if (queue !== undefined) count(event, 'queue', dataOf(queue).queue, counter);
        for (const tag of inside(earlier, 'TagAdded', 'TagRemoved')) count(event, 'tag', tag, counter);
        if (type === 'MessagePosted' && isStaff) count(event, 'agent', id, counter);
      }
    });
  }
  return new Map([...documents].map(([id, { quarters, ...day }]) => [id, { ...day, ...columnsOf(quarters) }]));
}
