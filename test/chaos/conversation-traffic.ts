/**
 * People at work in conversations of their own: visitors, agents and a supervisor who post, edit, redact, tag, queue,
 * assign, resolve and reopen at random, over HTTP. A command is repeated under its key until it is answered for good, so that
 * whatever happens to the server meanwhile, what was answered is in the log once.
 */
import { setTimeout as delay } from 'node:timers/promises';

const RETRY_MS = 40;
const ANSWER_TIMEOUT_MS = 20_000;
/** By a rule, or because the visitor was removed. */
const REFUSALS = ['rejected', 'forbidden', 'not-found'];

export interface TrafficOptions {
  readonly httpUrl: string;
  readonly token: (role: string, sub: string) => string;
  readonly random: () => number;
  /** What its conversations and persons are called by: no two of one server share it. */
  readonly name: string;
  readonly conversations: number;
  /** Told of every ack, in the order of arrival. */
  readonly onAck?: (ack: Ack) => void;
}

export interface Ack {
  readonly conversation: string;
  /** Revisions; null where nothing was changed. */
  readonly first: number | null;
  readonly last: number;
  readonly position: string | null;
}

type Role = 'visitor' | 'agent' | 'supervisor';
type Data = Readonly<Record<string, unknown>>;

interface Room {
  readonly conversation: string;
  readonly visitor: string;
  started: boolean;
  posts: number;
  /** `seq` of the visitor's last post. */
  own: number;
}

type Deed = readonly [often: number, role: Role, command: string, data: (room: Room, random: () => number) => Data];

const AGENTS = ['ada', 'ben', 'cas'];
export const TAGS = ['billing', 'bug', 'praise', 'vip'];
export const QUEUES = ['desk', 'sales'];
const PRIORITIES = ['low', 'normal', 'high', 'urgent'];
const WORDS = ['it', 'does', 'not', 'start', 'since', 'the', 'update', 'of', 'yesterday', 'again', 'please', 'help'];

const pick = <Value>(values: readonly Value[], random: () => number): Value =>
  values[Math.floor(random() * values.length)] as Value;
const text = (random: () => number): string => Array.from({ length: 8 }, () => pick(WORDS, random)).join(' ');
const someSeq = ({ posts }: Room, random: () => number): number => Math.floor(random() * Math.max(1, posts));
const nothing = (): Data => ({});

/** What may be rejected is: the wrong moment is a part of it. */
const DEEDS: readonly Deed[] = [
  [30, 'visitor', 'PostMessage', (_, random) => ({ text: text(random) })],
  [24, 'agent', 'PostMessage', (_, random) => ({ text: text(random) })],
  [5, 'visitor', 'EditMessage', ({ own }, random) => ({ seq: Math.max(0, own), text: text(random) })],
  [2, 'supervisor', 'RedactMessage', (room, random) => ({ seq: someSeq(room, random) })],
  [5, 'visitor', 'MarkRead', (room, random) => ({ seq: someSeq(room, random) })],
  [5, 'agent', 'MarkRead', (room, random) => ({ seq: someSeq(room, random) })],
  [3, 'visitor', 'MarkDelivered', (room, random) => ({ seq: someSeq(room, random) })],
  [3, 'agent', 'AddNote', (_, random) => ({ text: text(random) })],
  [6, 'agent', 'AddTag', (_, random) => ({ tag: pick(TAGS, random) })],
  [4, 'agent', 'RemoveTag', (_, random) => ({ tag: pick(TAGS, random) })],
  [4, 'agent', 'SetPriority', (_, random) => ({ priority: pick(PRIORITIES, random) })],
  [2, 'agent', 'SetAttributes', (_, random) => ({ attributes: { mood: pick(WORDS, random) } })],
  [2, 'agent', 'JoinConversation', nothing],
  [1, 'agent', 'LeaveConversation', nothing],
  [6, 'agent', 'QueueConversation', (_, random) => ({ queue: pick(QUEUES, random) })],
  [6, 'supervisor', 'AssignConversation', (_, random) => ({ agent: pick(AGENTS, random), forced: true, why: 'free' })],
  [3, 'supervisor', 'UnassignConversation', nothing],
  [2, 'supervisor', 'TransferConversation', (_, random) => ({ to: { queue: pick(QUEUES, random) }, reason: 'late' })],
  [2, 'agent', 'SnoozeConversation', () => ({ until: '2099-01-01T00:00:00Z' })],
  [5, 'agent', 'ResolveConversation', nothing],
  [3, 'agent', 'ReopenConversation', () => ({ reason: 'asked again' })],
  [2, 'visitor', 'RateConversation', (_, random) => ({ score: 1 + Math.floor(random() * 5) })],
  [0.3, 'supervisor', 'CloseConversation', nothing],
  [0.3, 'supervisor', 'RemoveVisitor', () => ({ reason: 'rude' })],
];
const OFTEN = DEEDS.reduce((sum, [often]) => sum + often, 0);

export class ConversationTraffic {
  /** Commands that were answered for good, taken or refused. */
  answered = 0;
  /** Of those, the ones that were taken. */
  taken = 0;
  /** The highest that was acked; -1n: none yet. */
  position = -1n;
  private readonly options: TrafficOptions;
  private readonly rooms: readonly Room[];
  private readonly tokens = new Map<string, string>();
  private composed = 0;

  constructor(options: TrafficOptions) {
    this.options = options;
    this.rooms = Array.from({ length: options.conversations }, (_, i) => ({
      conversation: `${options.name}.${i}`,
      visitor: `${options.name}-visitor-${i}`,
      ...{ started: false, posts: 0, own: -1 },
    }));
  }

  /** Those that were begun. */
  conversations(): string[] {
    return this.rooms.filter(({ started }) => started).map(({ conversation }) => conversation);
  }

  /** Begins every conversation, and posts once in each. */
  async begin(atOnce: number): Promise<void> {
    await this.share(atOnce, async rooms => {
      for (const room of rooms) {
        await this.start(room);
        await this.perform(room, 'visitor', 'PostMessage', { text: text(this.options.random) });
      }
    });
  }

  /** `atOnce` people at work, each in conversations of its own, until the signal aborts and the last is answered. */
  async run(signal: AbortSignal, atOnce: number, pauseMs: number): Promise<void> {
    const { random } = this.options;
    await this.share(atOnce, async rooms => {
      while (!signal.aborted) {
        await this.step(pick(rooms, random));
        if (pauseMs > 0) await delay(pauseMs * 2 * random());
      }
    });
  }

  private async share(atOnce: number, work: (rooms: readonly Room[]) => Promise<void>): Promise<void> {
    const shares = Array.from({ length: Math.min(atOnce, this.rooms.length) }, (_, i) =>
      this.rooms.filter((_room, r) => r % Math.min(atOnce, this.rooms.length) === i),
    );
    await Promise.all(shares.map(work));
  }

  private async step(room: Room): Promise<void> {
    if (!room.started) {
      await this.start(room);
      return;
    }
    const { random } = this.options;
    let left = random() * OFTEN;
    const deed = DEEDS.find(([often]) => (left -= often) < 0) ?? DEEDS[0];
    if (deed === undefined) return;
    const [, role, command, data] = deed;
    await this.perform(room, role, command, data(room, random));
  }

  private async start(room: Room): Promise<void> {
    const data = { channel: pick(['web', 'mail'], this.options.random), visitor: room.visitor };
    await this.perform(room, 'agent', 'StartConversation', data);
    room.started = true;
  }

  private async perform(room: Room, role: Role, command: string, data: Data): Promise<void> {
    const { name, random, onAck } = this.options;
    const sub = role === 'visitor' ? room.visitor : role === 'supervisor' ? 'sue' : pick(AGENTS, random);
    this.composed += 1;
    const ack = await this.ask(room.conversation, { role, sub, command, data, id: `${name}-${this.composed}` });
    this.answered += 1;
    if (ack === undefined) return;
    this.taken += 1;
    if (ack.position !== null && BigInt(ack.position) > this.position) this.position = BigInt(ack.position);
    if (command === 'PostMessage') {
      if (role === 'visitor') room.own = room.posts;
      room.posts += 1;
    }
    onAck?.(ack);
  }

  /** Until it is answered for good; undefined where it was refused. */
  private async ask(
    conversation: string,
    { role, sub, command, data, id }: { role: Role; sub: string; command: string; data: Data; id: string },
  ): Promise<Ack | undefined> {
    const { httpUrl, token, random } = this.options;
    const known = this.tokens.get(sub) ?? token(role, sub);
    this.tokens.set(sub, known);
    for (;;) {
      const response = await fetch(`${httpUrl}/v1/conversations/${conversation}/commands/${command}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${known}`, 'content-type': 'application/json', 'idempotency-key': id },
        body: JSON.stringify(data),
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      })
        .then(async answer => ({ status: answer.status, text: await answer.text() }))
        .catch(() => undefined);
      if (response?.status === 200) return JSON.parse(response.text) as Ack;
      if (response !== undefined) {
        const problem = JSON.parse(response.text) as { readonly retryable: boolean; readonly code: string };
        if (REFUSALS.includes(problem.code)) return undefined;
        if (!problem.retryable || problem.code === 'internal')
          throw new Error(`${command} was answered ${response.status}: ${response.text}`);
      }
      await delay(RETRY_MS * (0.5 + random()));
    }
  }
}
