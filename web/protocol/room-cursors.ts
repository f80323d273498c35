/**
 * One cursor a room: the `upTo` of the last frame applied. It moves by frames that tile onto it and by nothing else, so
 * that `subscribe {after: cursor}` after a cut continues without a gap or a repeat.
 */
import type { CaughtUp, ClientFrame, Events, ServerFrame } from './frames.ts';

/** Where to begin in a room never seen before: its last `tail` revisions, else its first. */
export interface RoomStart {
  readonly tail?: number;
}

interface Room {
  readonly start: RoomStart;
  /** Undefined until the first `subscribed` answered. */
  cursor: number | undefined;
  /** The log that the cursor belongs to: a restored or replaced log has another id. */
  log: string | undefined;
  /** Resets since it was last caught up. */
  resets: number;
}

interface RoomListener {
  events?(frame: Events): void;
  caughtUp?(frame: CaughtUp): void;
  reset?(room: string, reason: string, from: number): void;
  roomClosed?(room: string, why: string): void;
}

type RoomFrame = Extract<ServerFrame, { op: 'subscribed' | 'events' | 'caught-up' | 'reset' | 'unsubscribed' }>;

/** A room that is reset this often without once being caught up is given up. */
const RESETS_MAX = 3;

export class RoomCursors {
  readonly #rooms = new Map<string, Room>();
  /** Asked to be closed, not yet confirmed: what still arrives for them is not ours to apply. */
  readonly #closing = new Set<string>();
  readonly #send: (frame: ClientFrame) => void;
  readonly #listener: RoomListener;

  constructor(send: (frame: ClientFrame) => void, listener: RoomListener) {
    this.#send = send;
    this.#listener = listener;
  }

  open(room: string, start: RoomStart): void {
    if (this.#rooms.has(room)) return;
    this.#rooms.set(room, { start, cursor: undefined, log: undefined, resets: 0 });
    if (!this.#closing.has(room)) this.#subscribe(room);
  }

  close(room: string): void {
    if (!this.#rooms.delete(room)) return;
    this.#closing.add(room);
    this.#send({ op: 'unsubscribe', room });
  }

  /** An error the server will not take back: the room is not asked for again. */
  fail(room: string, why: string): void {
    if (this.#rooms.delete(room)) this.#listener.roomClosed?.(room, why);
  }

  resumeAll(): void {
    for (const room of this.#rooms.keys()) this.#subscribe(room);
  }

  disconnected(): void {
    this.#closing.clear();
  }

  /** @returns false where the frame does not continue at the cursor: the caller must resume, never go on */
  apply(frame: RoomFrame): boolean {
    if (frame.op === 'unsubscribed' && this.#closing.delete(frame.room)) {
      if (this.#rooms.has(frame.room)) this.#subscribe(frame.room);
      return true;
    }
    const room = this.#rooms.get(frame.room);
    if (room === undefined || this.#closing.has(frame.room)) return true;
    switch (frame.op) {
      case 'subscribed':
        room.cursor ??= frame.after;
        room.log = frame.log;
        return frame.after === room.cursor;
      case 'events':
        if (frame.after !== room.cursor || frame.upTo < frame.after) return false;
        room.cursor = frame.upTo;
        this.#listener.events?.(frame);
        return true;
      case 'caught-up':
        room.resets = 0;
        this.#listener.caughtUp?.(frame);
        return frame.upTo === room.cursor;
      case 'reset':
        this.#reset(room, frame);
        return true;
      case 'unsubscribed':
        this.fail(frame.room, frame.code ?? 'unsubscribed');
        return true;
    }
  }

  /** The log cannot serve our cursor. Said aloud, then continued where it can: never skipped silently. */
  #reset(room: Room, frame: Extract<RoomFrame, { op: 'reset' }>): void {
    room.resets += 1;
    if (room.resets > RESETS_MAX) {
      this.fail(frame.room, `reset again and again: ${frame.reason}`);
      return;
    }
    const truncated = frame.reason === 'truncated';
    room.cursor = truncated ? frame.from - 1 : undefined;
    room.log = truncated ? frame.log : undefined;
    this.#listener.reset?.(frame.room, frame.reason, truncated ? frame.from : 0);
    this.#subscribe(frame.room);
  }

  #subscribe(name: string): void {
    const room = this.#rooms.get(name);
    if (room === undefined) return;
    const { cursor, log, start } = room;
    if (cursor !== undefined) {
      this.#send({ op: 'subscribe', room: name, after: cursor, ...(log === undefined ? {} : { log }) });
    } else {
      this.#send({ op: 'subscribe', room: name, ...(start.tail === undefined ? {} : { tail: start.tail }) });
    }
  }
}
