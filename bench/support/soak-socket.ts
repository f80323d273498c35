/** One socket of a soak: in a few rooms, with a cursor each that it resumes from, until its time is over. */
import WebSocket from 'ws';
import type { SoakRoom, SoakRooms } from './soak-rooms.ts';

/** Counted by all sockets together. */
export interface SoakCounts {
  acks: number;
  nacks: number;
  /** Frames of events. */
  delivered: number;
  resumes: number;
  /** Frames that did not follow the cursor: none may. */
  gaps: number;
  histories: number;
  /** Connections that ended before their time, and sends that were never answered by it. */
  lost: number;
}

export interface SoakSocketOptions {
  readonly url: string;
  readonly token: string;
  readonly rooms: SoakRooms;
  readonly counts: SoakCounts;
  /** From each send to its ack, in ms. */
  readonly latencies: number[];
  readonly isSlow: boolean;
  readonly isScrolling: boolean;
  readonly stayMs: number;
  readonly closed: () => void;
}

const ROOMS_A_SOCKET = 5;
const SLOW_ROOMS_A_SOCKET = 20;
const RESUME_EVERY_MS = 15_000;
const PAUSE_MS = 4_000;
const HISTORY_EVERY_MS = 1_000;
const RECEIPT_EVERY_MS = 5_000;
const CLOSE_GRACE_MS = 1_000;

export class SoakSocket {
  private readonly options: SoakSocketOptions;
  private readonly cursors = new Map<string, number>();
  private readonly pending = new Map<string, { readonly sentAt: number; readonly room: SoakRoom }>();
  private readonly timers: NodeJS.Timeout[] = [];
  private socket: WebSocket;
  private isOpen = false;
  private leaving = false;
  private sent = 0;
  private readonly name = Math.random().toString(36).slice(2);

  constructor(options: SoakSocketOptions) {
    this.options = options;
    this.socket = this.connect();
    const { isSlow, isScrolling, stayMs } = options;
    this.every(RESUME_EVERY_MS, () => {
      // A cut without a word, as networks make them.
      if (this.pending.size === 0) this.socket.terminate();
    });
    if (isSlow)
      this.every(2 * PAUSE_MS, () => {
        this.socket.pause();
        setTimeout(() => {
          this.socket.resume();
        }, PAUSE_MS);
      });
    if (isScrolling) this.every(HISTORY_EVERY_MS, () => this.say({ op: 'history', room: this.anyRoom(), limit: 100 }));
    this.every(RECEIPT_EVERY_MS, () => this.say({ op: 'read', room: this.anyRoom(), seq: 0 }));
    setTimeout(() => {
      this.leave();
    }, stayMs);
  }

  maySend(): boolean {
    return this.isOpen && !this.leaving && !this.options.isSlow;
  }

  post(room: SoakRoom): void {
    const id = `${this.name}.${this.sent++}`;
    const name = `conversation:${room.conversation}`;
    if (!room.isBegun) {
      room.isBegun = true;
      this.say({ op: 'send', id: `start.${id}`, room: name, command: 'StartConversation', data: { channel: 'soak' } });
    }
    this.pending.set(id, { sentAt: performance.now(), room });
    this.say({ op: 'send', id, room: name, command: 'PostMessage', data: { text: `${id} ${'x'.repeat(120)}` } });
  }

  private connect(): WebSocket {
    const { url, token, counts } = this.options;
    const socket = new WebSocket(url, ['verbatim.v1'], {
      headers: { authorization: `Bearer ${token}` },
      perMessageDeflate: false,
    });
    socket.on('message', (data: Buffer) => {
      this.receive(data);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isOpen = false;
      counts.lost += this.pending.size;
      this.pending.clear();
      if (this.leaving) return;
      counts.resumes += 1;
      setTimeout(() => {
        if (!this.leaving) this.socket = this.connect();
      }, 200 * Math.random());
    });
    return socket;
  }

  private receive(data: Buffer): void {
    const { counts } = this.options;
    const head = data.toString('latin1', 0, 200);
    const events = /^\{"op":"events","room":"([^"]+)","after":(-?\d+),"upTo":(-?\d+)/.exec(head);
    if (events) {
      const [, room = '', after, upTo] = events;
      counts.delivered += 1;
      if (this.cursors.has(room) && this.cursors.get(room) !== Number(after)) counts.gaps += 1;
      this.cursors.set(room, Number(upTo));
      return;
    }
    const frame = JSON.parse(data.toString()) as { op: string; id: string; room: string; after: number; last: number };
    if (frame.op === 'hello') this.opened();
    else if (frame.op === 'subscribed') {
      // A tail begins where the server says; what was resumed, where it was left.
      const cursor = this.cursors.get(frame.room);
      if (cursor !== undefined && cursor !== frame.after) counts.gaps += 1;
      this.cursors.set(frame.room, frame.after);
    } else if (frame.op === 'history-page') counts.histories += 1;
    else if (frame.op === 'nack') {
      counts.nacks += 1;
      this.pending.delete(frame.id);
    } else if (frame.op === 'ack') this.acked(frame);
  }

  private acked({ id, last }: { id: string; last: number }): void {
    const sent = this.pending.get(id);
    if (!sent) return;
    this.pending.delete(id);
    sent.room.head = Math.max(sent.room.head, last);
    this.options.counts.acks += 1;
    this.options.latencies.push(performance.now() - sent.sentAt);
  }

  private opened(): void {
    this.isOpen = true;
    for (const [room, after] of this.cursors) this.say({ op: 'subscribe', room, after });
    const wanted = this.options.isSlow ? SLOW_ROOMS_A_SOCKET : ROOMS_A_SOCKET;
    for (let more = this.cursors.size; more < wanted; more++) {
      const room = this.options.rooms.toRead();
      const name = `conversation:${room?.conversation ?? ''}`;
      if (room && !this.cursors.has(name)) this.say({ op: 'subscribe', room: name, tail: 20 });
    }
  }

  private leave(): void {
    this.leaving = true;
    for (const timer of this.timers) clearInterval(timer);
    // What was sent is answered before it goes.
    setTimeout(() => {
      this.socket.terminate();
      this.options.closed();
    }, CLOSE_GRACE_MS);
  }

  private anyRoom(): string {
    const rooms = [...this.cursors.keys()];
    return rooms[Math.floor(Math.random() * rooms.length)] ?? 'conversation:soak-1';
  }

  private every(ms: number, run: () => void): void {
    this.timers.push(setInterval(run, ms * (0.5 + Math.random())));
  }

  private say(frame: object): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }
}
