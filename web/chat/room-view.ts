/** What one side shows of one room: its transcript, what is still on its way, and the check of what came over the wire. */
import { Coverage } from '../protocol/coverage.ts';
import type { Ack, Nack } from '../protocol/frames.ts';
import { Transcript } from './transcript.ts';

/** `queued`: there is no connection. `sending`: on the wire, not acked. `acked`: durable, its event not yet seen here. */
export type OnItsWay = 'queued' | 'sending' | 'acked' | 'refused';

export interface PendingPost {
  readonly id: string;
  readonly text: string;
  readonly state: OnItsWay;
  readonly why: string | undefined;
}

export interface PendingChange {
  readonly id: string;
  /** Undefined: a redaction. */
  readonly text: string | undefined;
}

export interface Receipt {
  readonly rev: number;
  /** The server had the command already: the ack, not the message, was what the cut had lost. */
  readonly duplicate: boolean;
}

/** Acks remembered for display. */
const RECEIPTS_MAX = 500;

export class RoomView {
  readonly room: string;
  readonly transcript = new Transcript();
  readonly coverage: Coverage;
  readonly posts = new Map<string, PendingPost>();
  /** By `seq`. */
  readonly changes = new Map<number, PendingChange>();
  readonly receipts = new Map<string, Receipt>();
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
  otherTyping = false;

  constructor(room: string, everythingVisible: boolean) {
    this.room = room;
    this.coverage = new Coverage({ everythingVisible });
  }

  /** A conversation that nobody has started takes no messages. */
  get started(): boolean {
    return (this.coverage.upTo ?? -1) >= 0;
  }

  acked(frame: Ack): void {
    if (frame.first !== null) this.receipts.set(frame.id, { rev: frame.last, duplicate: frame.duplicate });
    if (this.receipts.size > RECEIPTS_MAX) {
      const oldest = this.receipts.keys().next();
      if (!oldest.done) this.receipts.delete(oldest.value);
    }
    const post = this.posts.get(frame.id);
    if (post) this.posts.set(frame.id, { ...post, state: 'acked' });
    for (const [seq, change] of this.changes) if (change.id === frame.id) this.changes.delete(seq);
    this.settle();
  }

  refused(frame: Nack): void {
    const post = this.posts.get(frame.id);
    if (post) this.posts.set(frame.id, { ...post, state: 'refused', why: frame.reason ?? frame.code });
    for (const [seq, change] of this.changes) if (change.id === frame.id) this.changes.delete(seq);
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
  }
}
