/**
 * A client of the kill storm: subscribed to all its rooms on one connection, it posts, edits, redacts, takes notes and
 * sends receipts; it keeps a cursor a room and sends what is not acknowledged again, in its old order, after each cut.
 */
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import type { Frame, WireEvent } from '../support/wire-client.ts';
import type { SeenEvent } from './checker.ts';
import type { JournalFile, Note } from './kill-journal.ts';
import { roomKey } from './kill-plan.ts';
import type { Person } from './kill-plan.ts';

const RECONNECT_MS = 30;
const BEAT_MS = 20;
const COMMANDS_A_SECOND = 14;
/** Voluntary cuts, beside those that the server's death brings. */
const CUTS_A_SECOND = 0.3;
const READS_A_SECOND = 2;
const IN_FLIGHT_MAX = 8;
const UNACKED_MAX = 24;
const OWN_KEPT_MAX = 40;
const RETRY_MS = 50;

export interface TalkerOptions {
  readonly person: Person;
  readonly token: string;
  readonly gatewayUrl: string;
  readonly journals: JournalFile;
  readonly random: () => number;
  /** Tells of each acked revision, so that readers know what they must see. */
  readonly acked: (room: string, last: number, postId: string | undefined) => void;
}

interface Room {
  readonly name: string;
  readonly conversation: string;
  readonly note: Note;
  cursor: number;
  lastSeq: number;
  /** Own messages that may be edited or redacted, by `seq`: how many of the own commands on each are not acked yet. */
  readonly own: Map<number, number>;
}

interface Unacked {
  readonly room: Room;
  readonly command: string;
  readonly data: { readonly text?: string; readonly seq?: number };
  /** Not to be sent again before. */
  heldUntil: number;
}

export class Talker {
  private readonly options: TalkerOptions;
  private readonly rooms: Map<string, Room>;
  private readonly unacked = new Map<string, Unacked>();
  private readonly inFlight = new Set<string>();
  private socket: WebSocket | undefined;
  private log: string | undefined;
  private composed = 0;
  private settling = false;
  private ended = false;

  constructor(options: TalkerOptions) {
    this.options = options;
    const { tenant, sub, role, rooms } = options.person;
    this.rooms = new Map(
      rooms.map(conversation => {
        const view = role === 'visitor' ? 'visitor' : 'staff';
        const note = options.journals.begin({
          ...{ client: sub, view },
          reads: 'all',
          room: roomKey(tenant, conversation),
        });
        const name = `conversation:${conversation}`;
        return [name, { ...{ name, conversation, note }, cursor: -1, lastSeq: -1, own: new Map() }];
      }),
    );
  }

  async run(): Promise<void> {
    const beat = setInterval(() => {
      this.beat();
    }, BEAT_MS);
    while (!this.ended) {
      await this.converse();
      await delay(RECONNECT_MS * (0.5 + this.options.random()));
    }
    clearInterval(beat);
  }

  /** Composes nothing more and cuts nothing more. */
  settle(): void {
    this.settling = true;
  }

  isSettled(): boolean {
    return this.unacked.size === 0;
  }

  hasSeen(heads: ReadonlyMap<string, number>): boolean {
    const { tenant } = this.options.person;
    return [...this.rooms.values()].every(room => room.cursor >= (heads.get(roomKey(tenant, room.conversation)) ?? -1));
  }

  end(): void {
    this.ended = true;
    this.socket?.close();
  }

  private converse(): Promise<void> {
    return new Promise(resolve => {
      const headers = { Authorization: `Bearer ${this.options.token}` };
      const socket = new WebSocket(this.options.gatewayUrl, ['verbatim.v1'], { headers });
      this.inFlight.clear();
      socket.on('message', (data: Buffer) => {
        this.receive(socket, JSON.parse(data.toString('utf8')) as Frame);
      });
      // What a connection could not is told by its close, which always follows.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        if (this.socket === socket) {
          this.socket = undefined;
          for (const room of this.rooms.values()) room.note({ kind: 'lost' });
        }
        resolve();
      });
    });
  }

  private receive(socket: WebSocket, frame: Frame): void {
    const room = this.rooms.get(String(frame.room));
    switch (frame.op) {
      case 'hello':
        this.socket = socket;
        for (const each of this.rooms.values()) this.subscribe(socket, each);
        return;
      case 'subscribed':
        this.log = String(frame.log);
        // The cursor cannot have moved since it was asked for: a room's events come after its `subscribed`.
        room?.note({ kind: 'subscribed', asked: room.cursor, after: Number(frame.after) });
        return;
      case 'events':
        if (room) this.take(room, frame);
        return;
      case 'ack':
        this.acked(frame);
        return;
      case 'nack':
        this.nacked(frame);
        return;
      case 'error':
        this.refused(socket, room, frame);
        return;
      case 'caught-up':
      case 'drain':
        return;
      default:
        for (const each of room ? [room] : this.rooms.values())
          each.note({ kind: 'stray', detail: JSON.stringify(frame) });
    }
  }

  private subscribe(socket: WebSocket, { name, cursor }: Room): void {
    const log = this.log === undefined ? {} : { log: this.log };
    say(socket, { op: 'subscribe', ref: 'subscribe', room: name, after: cursor, ...log });
  }

  private take(room: Room, frame: Frame): void {
    const events = frame.events as WireEvent[];
    const upTo = Number(frame.upTo);
    room.note({ kind: 'events', after: Number(frame.after), upTo, events: events.map(seenEvent) });
    room.cursor = upTo;
    for (const { type, actor, data } of events) {
      if (type !== 'MessagePosted') continue;
      const seq = Number(data.seq);
      room.lastSeq = Math.max(room.lastSeq, seq);
      if (actor.id !== this.options.person.sub || room.own.size >= OWN_KEPT_MAX) continue;
      room.own.set(seq, 0);
    }
  }

  private acked(frame: Frame): void {
    const id = String(frame.id);
    const waiting = this.unacked.get(id);
    if (!waiting) return;
    const { room, command, data } = waiting;
    const last = Number(frame.last);
    const first = frame.first === null ? null : Number(frame.first);
    const position = typeof frame.position === 'string' ? frame.position : null;
    room.note({ ...{ kind: 'acked', id, first, last, position }, duplicate: frame.duplicate === true });
    this.options.acked(this.keyOf(room), last, command === 'PostMessage' ? id : undefined);
    this.forget(id);
    const busy = data.seq === undefined ? undefined : room.own.get(data.seq);
    if (data.seq !== undefined && busy !== undefined) room.own.set(data.seq, busy - 1);
  }

  private nacked(frame: Frame): void {
    const id = String(frame.id);
    const waiting = this.unacked.get(id);
    if (!waiting) return;
    const retryable = frame.retryable === true;
    waiting.room.note({ kind: 'nacked', id, code: `${String(frame.code)} ${String(frame.message)}`, retryable });
    this.inFlight.delete(id);
    if (retryable) waiting.heldUntil = Date.now() + Number(frame.retryAfterMs ?? RETRY_MS);
    else this.forget(id);
  }

  private refused(socket: WebSocket, room: Room | undefined, frame: Frame): void {
    if (frame.retryable !== true)
      for (const each of room ? [room] : this.rooms.values())
        each.note({ kind: 'error', detail: JSON.stringify(frame) });
    else if (room && frame.ref === 'subscribe')
      setTimeout(
        () => {
          if (this.socket === socket) this.subscribe(socket, room);
        },
        Number(frame.retryAfterMs ?? RETRY_MS),
      );
  }

  private forget(id: string): void {
    this.unacked.delete(id);
    this.inFlight.delete(id);
  }

  private beat(): void {
    const { socket } = this;
    if (!socket) return;
    const { random } = this.options;
    const inABeat = (perSecond: number): boolean => random() < (perSecond * BEAT_MS) / 1_000;
    if (!this.settling) {
      if (this.unacked.size < UNACKED_MAX && inABeat(COMMANDS_A_SECOND)) this.compose();
      if (inABeat(READS_A_SECOND)) this.sendReceipt(socket);
      if (inABeat(CUTS_A_SECOND)) {
        socket.terminate();
        return;
      }
    }
    const now = Date.now();
    const held = new Set<Room>();
    for (const [id, { room, command, data, heldUntil }] of this.unacked) {
      // A room's commands keep their order: what waits holds up those behind it.
      if (heldUntil > now) held.add(room);
      if (held.has(room) || this.inFlight.has(id)) continue;
      if (this.inFlight.size >= IN_FLIGHT_MAX) return;
      this.inFlight.add(id);
      room.note({ kind: 'sent', id, command, ...(data.text === undefined ? {} : { text: data.text }) });
      say(socket, { op: 'send', id, room: room.name, command, data });
    }
  }

  private compose(): void {
    const { random, person } = this.options;
    const rooms = [...this.rooms.values()];
    const room = rooms[Math.floor(random() * rooms.length)];
    if (!room) return;
    this.composed += 1;
    const id = `${person.sub}.${this.composed}`;
    const text = `${person.sub} ${this.composed} in ${room.name} ${'.'.repeat(Math.floor(random() ** 4 * 2_000))}`;
    const chance = random();
    const own = [...room.own].find(([, busy]) => busy === 0)?.[0];
    const heldUntil = 0;
    if (chance < 0.16 && own !== undefined) {
      room.own.set(own, 1);
      this.unacked.set(id, { room, command: 'EditMessage', data: { seq: own, text }, heldUntil });
    } else if (chance < 0.24 && own !== undefined) {
      room.own.delete(own);
      this.unacked.set(id, { room, command: 'RedactMessage', data: { seq: own }, heldUntil });
    } else if (chance < 0.32 && person.role !== 'visitor')
      this.unacked.set(id, { room, command: 'AddNote', data: { text }, heldUntil });
    else this.unacked.set(id, { room, command: 'PostMessage', data: { text }, heldUntil });
  }

  private sendReceipt(socket: WebSocket): void {
    const { random } = this.options;
    const rooms = [...this.rooms.values()].filter(({ lastSeq }) => lastSeq >= 0);
    const room = rooms[Math.floor(random() * rooms.length)];
    if (room)
      say(socket, { op: random() < 0.5 ? 'read' : 'delivered', ref: 'receipt', room: room.name, seq: room.lastSeq });
  }

  private keyOf({ conversation }: Room): string {
    return roomKey(this.options.person.tenant, conversation);
  }
}

function say(socket: WebSocket, frame: object): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
}

export function seenEvent({ rev, id, type, commandId, data }: WireEvent): SeenEvent {
  const text = typeof data.text === 'string' ? data.text : undefined;
  return { rev, id, type, ...(commandId === undefined ? {} : { commandId }), ...(text === undefined ? {} : { text }) };
}
