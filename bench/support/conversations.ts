/**
 * Conversations of the shape the product sees, made up from a seed: a start, a queue, an agent, some 6.5 messages of some
 * 90 characters, receipts, tags, now and then an edit, and mostly a resolution. Many are under way at a time, by turns.
 */
import { randomUUID } from 'node:crypto';
import type { ConversationEvent, Handling } from '../../src/domain/conversation/events.ts';
import type { Actor } from '../../src/domain/decider.ts';
import type { EventData } from '../../src/event-store/event-store.ts';
import type { EventSerializer } from '../../src/schemas/event-serializer.ts';
import type { ProjectedEvent } from '../../src/projections/projection.ts';

export const TENANT = 'bench';
export const AGENTS = 200;
export const QUEUES = [
  'sales',
  'support',
  'billing',
  'returns',
  'technical',
  'onboarding',
  'partners',
  'abuse',
] as const;
export const TAGS = Array.from({ length: 30 }, (_, i) => `tag-${i}`);
const CHANNELS = ['web', 'web', 'web', 'email', 'whatsapp', 'sms'] as const;
const MESSAGES_MEAN = 6.5;
/** What the ids of long conversations begin with. */
export const LONG = 'long-';
const WORDS =
  'the my order does not boot after update kernel panics and it says no such file please try again with sudo thanks which version are you on I get an error when printing from network screen'.split(
    ' ',
  );

export interface MadeEvent {
  readonly conversation: string;
  readonly visitor: string;
  readonly actor: Actor;
  readonly event: ConversationEvent;
  /** When it happened: ms since 1970, UTC. */
  readonly at: number;
}

export interface TrafficOptions {
  readonly seed: number;
  /** Conversations under way at a time. */
  readonly active: number;
  readonly beginMs: number;
  /** From one event of the traffic to the next. */
  readonly stepMs: number;
  /** One conversation of so many has so many messages. Default: none is made long. */
  readonly long?: { readonly oneOf: number; readonly messages: number };
}

type Random = () => number;

/** Mulberry32: the same numbers from the same seed. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Events without an end. */
export function* traffic({ seed, active, beginMs, stepMs, long }: TrafficOptions): Generator<MadeEvent, never> {
  const random = seeded(seed);
  let made = 0;
  const begin = (): Conversation => {
    made += 1;
    const isLong = long !== undefined && made % long.oneOf === 0;
    return new Conversation(`${isLong ? LONG : ''}c-${seed}-${made}`, random, isLong ? long.messages : undefined);
  };
  const rooms = Array.from({ length: active }, begin);
  for (let at = beginMs; ; at += stepMs) {
    const index = Math.floor(random() * active);
    let room = rooms[index];
    let next = room?.next(at);
    if (room === undefined || next === undefined) {
      room = rooms[index] = begin();
      next = room.next(at);
    }
    if (next !== undefined) yield next;
  }
}

/** One text, of 20 to 160 characters. */
export function textOf(random: Random): string {
  const length = 20 + random() * 140;
  let text = '';
  while (text.length < length) text += `${WORDS[Math.floor(random() * WORDS.length)] ?? ''} `;
  return text.trimEnd();
}

function messagesOf(random: Random): number {
  return Math.max(1, Math.round(-Math.log(1 - random()) * (MESSAGES_MEAN - 0.5) + 0.5));
}

class Conversation {
  private readonly conversation: string;
  private readonly visitor: string;
  private readonly agent: string;
  private readonly steps: Generator<Said>;
  private at = 0;

  constructor(conversation: string, random: Random, messages: number | undefined) {
    this.conversation = conversation;
    this.visitor = `visitor-${conversation}`;
    this.agent = `agent-${Math.floor(random() * AGENTS)}`;
    this.steps = this.script(random, messages ?? messagesOf(random));
  }

  next(at: number): MadeEvent | undefined {
    this.at = at;
    const next = this.steps.next();
    if (next.done === true) return undefined;
    const [by, event] = next.value;
    const actor: Actor =
      by === 'visitor'
        ? { id: this.visitor, role: 'visitor' }
        : by === 'agent'
          ? { id: this.agent, role: 'agent' }
          : { id: 'routing', role: 'service' };
    return { conversation: this.conversation, visitor: this.visitor, actor, event, at };
  }

  private *script(random: Random, messages: number): Generator<Said> {
    const { visitor, agent } = this;
    const pick = <One>(from: readonly [One, ...One[]]): One => from[Math.floor(random() * from.length)] ?? from[0];
    const since = (): string => new Date(this.at).toISOString();
    const begun = since();
    yield [
      'visitor',
      { type: 'ConversationStarted', data: { channel: pick(CHANNELS), visitor, topic: textOf(random) } },
    ];
    let handling: Handling = { kind: 'none' };
    let handlingSince = begun;
    const tags = new Set<string>();
    for (let seq = 0; seq < messages; seq++) {
      const by = seq === 0 || random() < 0.5 ? 'visitor' : 'agent';
      yield [by, { type: 'MessagePosted', data: { seq, text: textOf(random), format: 'plain', attachments: [] } }];
      if (seq === 0) {
        const queue = pick(QUEUES);
        const queued: Said = [
          'service',
          { type: 'ConversationQueued', data: { queue, from: handling, since: handlingSince } },
        ];
        yield queued;
        [handling, handlingSince] = [{ kind: 'queued', queue }, since()];
      }
      if (seq === 1) {
        const why = 'longest idle';
        yield ['service', { type: 'ConversationAssigned', data: { agent, why, from: handling, since: handlingSince } }];
        [handling, handlingSince] = [{ kind: 'assigned', agent }, since()];
        yield ['agent', { type: 'ParticipantJoined', data: { participant: agent } }];
      }
      if (random() < 0.3)
        yield [
          by === 'visitor' ? 'agent' : 'visitor',
          { type: 'ReceiptRecorded', data: { reader: by === 'visitor' ? agent : visitor, kind: 'read', seq } },
        ];
      if (random() < 0.03) yield [by, { type: 'MessageEdited', data: { seq, text: textOf(random) } }];
      const tag = TAGS[Math.floor(random() * TAGS.length * 10)];
      if (tag !== undefined && !tags.has(tag)) yield ['agent', { type: 'TagAdded', data: { tag } }];
      if (tag !== undefined) tags.add(tag);
    }
    if (random() > 0.7) return;
    yield ['agent', { type: 'ConversationResolved', data: { resolution: 0, from: 'open', since: begun } }];
    if (handling.kind !== 'none')
      yield ['agent', { type: 'ConversationUnassigned', data: { from: handling, since: handlingSince } }];
    if (random() < 0.2)
      yield ['visitor', { type: 'ConversationRated', data: { resolution: 0, score: 1 + Math.floor(random() * 5) } }];
  }
}

type Said = readonly [by: 'visitor' | 'agent' | 'service', event: ConversationEvent];

export const streamOf = (conversation: string): string => `conversation-${TENANT}.${conversation}`;

/** As it goes into the log: sealed under the visitor's key. */
export async function stored(
  serializer: EventSerializer<ConversationEvent>,
  { conversation, visitor, actor, event, at }: MadeEvent,
): Promise<EventData[]> {
  const commandId = randomUUID();
  return serializer.toEventData({
    ...{ stream: streamOf(conversation), events: [event], ids: [randomUUID()] },
    envelope: {
      ...{ correlationId: commandId, causationId: commandId, commandId, tenant: TENANT, commandDigest: 'x'.repeat(43) },
      ...{ actor, occurredAt: at, origin: 'live' },
    },
    subjects: { visitor, author: actor.id },
  });
}

/** As folds see it, without a log; `revision` of its stream. */
export function projected(made: MadeEvent, revision: number, position: number): ProjectedEvent {
  const { conversation, actor, event, at } = made;
  return {
    ...{ tenant: TENANT, conversation, position },
    recorded: {
      ...{ event, at, actor, id: `event-${position}`, stream: streamOf(conversation), origin: 'live' },
      ...{ revision: BigInt(revision), position: BigInt(position) },
      ...{ commandId: undefined, commandDigest: undefined },
    },
  };
}
