/** What one side shows of one room: its transcript, what is still on its way, and the check of what came over the wire. */
import { Coverage } from '../protocol/coverage.ts';
import type { Ack, HistoryPage, Nack, RoomEvent } from '../protocol/frames.ts';
import { numberOf } from './fields.ts';
import type { Receipts } from './receipts.ts';
import { refusalWords } from './refusal-words.ts';
import { Transcript } from './transcript.ts';

/** `queued`: there is no connection. `sending`: on the wire, not acked. `acked`: durable, its event not yet seen here. */
export type OnItsWay = 'queued' | 'sending' | 'acked' | 'refused';

export type Writing = 'message' | 'note';

export interface PendingPost {
  readonly id: string;
  readonly kind: Writing;
  readonly text: string;
  readonly state: OnItsWay;
  readonly why: string | undefined;
}

export interface PendingChange {
  readonly id: string;
  /** Undefined: a redaction. */
  readonly text: string | undefined;
}

export interface AckSeen {
  readonly rev: number;
  /** The server had the command already: the ack, not the message, was what the cut had lost. */
  readonly duplicate: boolean;
}

/** Acks remembered for display. */
const ACKS_MAX = 500;

export interface RoomViewOptions {
  /** Whether the side is shown every revision. */
  readonly everythingVisible: boolean;
  readonly sub: string;
  /** Absent where nothing is told of how far this side has come. */
  readonly receipts?: Receipts;
}

export class RoomView {
  readonly room: string;
  readonly transcript = new Transcript();
  readonly coverage: Coverage;
  readonly posts = new Map<string, PendingPost>();
  /** By `seq`. */
  readonly changes = new Map<number, PendingChange>();
  readonly acks = new Map<string, AckSeen>();
  /** Commands without an answer that neither write nor change a message. */
  readonly acts = new Set<string>();
  /** Why the last of those was refused. */
  problem: string | undefined;
  caughtUp = false;
  /** Why the room is closed to this side. */
  closed: string | undefined;
  /** The first revision that the subscription covers. */
  followedFrom: number | undefined;
  /** The first revision known here; older ones are asked for as `history`. */
  from: number | undefined;
  /** Whether the log has older ones. */
  hasOlder = false;
  loadingHistory = false;
  /** Who is writing, by name. */
  otherTyping: string | undefined;

  readonly #sub: string;
  readonly #receipts: Receipts | undefined;

  constructor(room: string, options: RoomViewOptions) {
    this.room = room;
    this.coverage = new Coverage(options);
    this.#sub = options.sub;
    this.#receipts = options.receipts;
  }

  /** A conversation that nobody has started takes no messages. */
  get started(): boolean {
    return (this.coverage.upTo ?? -1) >= 0;
  }

  /** Only then is what the conversation has come to known, and not what its last revisions alone would make of it. */
  get knownWhole(): boolean {
    return this.started && this.from === 0;
  }

  /** The subscription begins after this revision; where it began before, this changes nothing. */
  entered(after: number): void {
    if (this.from !== undefined) return;
    this.from = after + 1;
    this.followedFrom = this.from;
    this.hasOlder = this.from > 0;
  }

  append(events: readonly RoomEvent[]): void {
    this.transcript.append(events);
    this.settle();
    for (const event of events) this.#noteReach(event);
  }

  historyPage({ from, events, more }: HistoryPage): void {
    this.loadingHistory = false;
    this.transcript.prepend(events);
    this.from = from;
    this.hasOlder = more;
  }

  allHere(): void {
    this.caughtUp = true;
    this.#receipts?.caughtUp();
  }

  /** A message of somebody else was on the screen. */
  seen(seq: number): void {
    this.#receipts?.seen(seq);
  }

  /** What was shown no longer holds; `from` is the first revision that follows. */
  reset(from: number): void {
    this.transcript.clear();
    this.caughtUp = false;
    this.followedFrom = from;
    this.from = from;
    this.hasOlder = false;
    this.#receipts?.reset();
  }

  acked(frame: Ack): void {
    if (frame.first !== null) this.acks.set(frame.id, { rev: frame.last, duplicate: frame.duplicate });
    if (this.acks.size > ACKS_MAX) {
      const oldest = this.acks.keys().next();
      if (!oldest.done) this.acks.delete(oldest.value);
    }
    const post = this.posts.get(frame.id);
    if (post) this.posts.set(frame.id, { ...post, state: 'acked' });
    this.#answered(frame.id);
    this.settle();
  }

  refused(frame: Nack): void {
    const post = this.posts.get(frame.id);
    if (post) this.posts.set(frame.id, { ...post, state: 'refused', why: refusalWords(frame) });
    else this.problem = refusalWords(frame);
    this.#answered(frame.id);
  }

  /** A post whose event has come, and whose ack has too, stands in the transcript from now on. */
  settle(): void {
    for (const [id, post] of this.posts) if (post.state !== 'refused' && this.transcript.has(id)) this.posts.delete(id);
  }

  /** Posts follow the connection: what was on the wire when it broke is waiting again. */
  online(online: boolean): void {
    for (const [id, post] of this.posts) {
      if (post.state === 'queued' || post.state === 'sending') {
        this.posts.set(id, { ...post, state: online ? 'sending' : 'queued' });
      }
    }
    if (online) return;
    this.loadingHistory = false;
    this.otherTyping = undefined;
    this.#receipts?.disconnected();
  }

  #noteReach({ type, actor, data }: RoomEvent): void {
    const seq = numberOf(data.seq);
    if (seq === undefined) return;
    if (type === 'MessagePosted' && actor.id !== this.#sub) {
      this.otherTyping = undefined;
      this.#receipts?.arrived(seq);
    }
    const { reader, kind } = data;
    if (type === 'ReceiptRecorded' && reader === this.#sub && (kind === 'read' || kind === 'delivered'))
      this.#receipts?.recorded(kind, seq);
  }

  #answered(id: string): void {
    this.acts.delete(id);
    for (const [seq, change] of this.changes) if (change.id === id) this.changes.delete(seq);
  }
}
