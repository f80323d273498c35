/**
 * A client of `verbatim.v1` over one raw WebSocket: the model for clients in other languages. It keeps two things across
 * every cut: a cursor a room, and the commands that have no answer yet. All exactness follows from those two.
 *
 * States:  closed ──connect──> connecting ──hello──> online ──cut/close──> waiting ──backoff──> connecting
 *          `waiting` returns by itself; `closed` (by `cut`) and `ended` (the server said: do not come back) wait for `connect`.
 *
 * Reading: an `events` frame covers (after, upTo]. It is applied only when its `after` is our cursor, which then becomes
 *          `upTo`. Anything else would be a gap or a repeat: the socket is dropped and the room resumed from the cursor.
 * Writing: a command keeps its id until it is acked. After a cut it is sent again under the same id; the server
 *          answers `duplicate: true` if it had it already.
 */
import { parseServerFrame } from './frames.ts';
import type { ClientFrame, ServerFrame } from './frames.ts';
import type { ConnectionListener, ConnectionState } from './listener.ts';
import type { OpenSocket, Socket, Timers } from './socket.ts';
import { RoomCursors } from './room-cursors.ts';
import type { RoomStart } from './room-cursors.ts';
import { Outbox } from './outbox.ts';

export interface ConnectionOptions {
  readonly url: string;
  /** Asked before each attempt, so that an expired token is never used twice. */
  readonly token: () => Promise<string>;
  readonly openSocket: OpenSocket;
  readonly timers: Timers;
  /** In [0, 1): spreads the reconnects of many clients. */
  readonly random: () => number;
  readonly newId: () => string;
  readonly listener: ConnectionListener;
}

const SUBPROTOCOL = 'verbatim.v1';
/** From the first attempt to `hello`, and from a `send` to any answer. */
const ANSWER_TIMEOUT_MS = 10_000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 10_000;
/** Tells an error about a receipt from one about its room. */
const RECEIPT_REF = 'receipt';

export class Connection {
  #state: ConnectionState = { phase: 'closed' };
  #socket: Socket | undefined;
  /** Attempts since the last `hello`. */
  #attempts = 0;
  /** Tells a late token from the one of the attempt under way. */
  #generation = 0;
  /** Given by `drain`: when this client may come back. */
  #drainMs: number | undefined;
  #cancelTimer: () => void = () => undefined;
  readonly #options: ConnectionOptions;
  readonly #rooms: RoomCursors;
  readonly #outbox: Outbox;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const send = (frame: ClientFrame): void => {
      this.#transmit(frame);
    };
    this.#rooms = new RoomCursors(send, options.listener);
    this.#outbox = new Outbox(send, options.timers, ANSWER_TIMEOUT_MS, () => {
      this.#drop('no answer to a send');
    });
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Commands that have no final answer yet. */
  get pending(): number {
    return this.#outbox.size;
  }

  connect(): void {
    if (this.#state.phase === 'connecting' || this.#state.phase === 'online') return;
    this.#cancelTimer();
    this.#enter({ phase: 'connecting' });
    void this.#attempt();
  }

  /** Closes the socket at once, whatever is in flight, and stays closed until `connect`. */
  cut(): void {
    this.#detach();
    this.#enter({ phase: 'closed' });
  }

  /** Follows a room from its start, or from its last `tail` revisions; across cuts it resumes from its cursor. */
  subscribe(room: string, start: RoomStart = {}): void {
    this.#rooms.open(room, start);
  }

  unsubscribe(room: string): void {
    this.#rooms.close(room);
  }

  /**
   * Sends now, or as soon as there is a connection; again after every cut, until it is answered.
   * @returns the command's id, or undefined where too many are already waiting
   */
  send(room: string, command: string, data: object, id = this.#options.newId()): string | undefined {
    return this.#outbox.add({ op: 'send', id, room, command, data }) ? id : undefined;
  }

  /** Ephemeral: while there is no connection it is simply not said. */
  typing(room: string, on: boolean): void {
    this.#transmit({ op: 'typing', room, on });
  }

  /**
   * Every message up to and with `seq` is here, or was read. Never acked: the event that comes of it is the answer.
   * @returns false while there is no connection
   */
  receipt(room: string, kind: 'read' | 'delivered', seq: number): boolean {
    return this.#transmit({ op: kind, room, seq, ref: RECEIPT_REF });
  }

  /** Asks for revisions before `before`. @returns false while there is no connection */
  history(room: string, before: number, limit: number): boolean {
    return this.#transmit({ op: 'history', room, before, limit });
  }

  /** A newer token for the same person, without reconnecting. */
  refresh(token: string): void {
    this.#transmit({ op: 'refresh', token });
  }

  async #attempt(): Promise<void> {
    this.#attempts += 1;
    const generation = ++this.#generation;
    const superseded = (): boolean => this.#state.phase !== 'connecting' || generation !== this.#generation;
    this.#cancelTimer = this.#options.timers.after(ANSWER_TIMEOUT_MS, () => {
      this.#drop('no hello');
    });
    try {
      const token = await this.#options.token();
      if (superseded()) return;
      this.#socket = this.#options.openSocket(this.#options.url, [SUBPROTOCOL, `bearer.${token}`], {
        message: text => {
          this.#received(text);
        },
        closed: (code, reason) => {
          this.#closed(code, reason);
        },
      });
    } catch (error) {
      if (!superseded()) this.#drop(error instanceof Error ? error.message : String(error));
    }
  }

  #received(text: string): void {
    let frame: ServerFrame | undefined;
    try {
      frame = parseServerFrame(text);
    } catch (error) {
      this.#drop(error instanceof Error ? error.message : String(error));
      return;
    }
    this.#options.listener.frame?.('in', text, frame);
    if (frame !== undefined) this.#apply(frame);
  }

  #apply(frame: ServerFrame): void {
    const { listener } = this.#options;
    switch (frame.op) {
      case 'hello':
        this.#cancelTimer();
        this.#attempts = 0;
        this.#drainMs = undefined;
        this.#enter({ phase: 'online', session: frame.session });
        this.#rooms.resumeAll();
        this.#outbox.resume();
        return;
      case 'subscribed':
      case 'events':
      case 'caught-up':
      case 'reset':
      case 'unsubscribed':
        if (!this.#rooms.apply(frame)) this.#drop(`${frame.op} does not continue at our cursor`);
        return;
      case 'ack':
        this.#outbox.settle(frame.id);
        listener.acked?.(frame);
        return;
      case 'nack': {
        const refused = this.#outbox.refuse(frame);
        if (refused) listener.refused?.(frame, refused);
        return;
      }
      case 'history-page':
        listener.historyPage?.(frame);
        return;
      case 'typing':
        listener.typing?.(frame);
        return;
      case 'refreshed':
        return;
      case 'drain':
        this.#drainMs = frame.reconnectAfterMs;
        return;
      case 'error':
        // A receipt that was refused says nothing about the room.
        if (frame.room !== undefined && !frame.retryable && frame.ref !== RECEIPT_REF)
          this.#rooms.fail(frame.room, frame.code);
        return;
    }
  }

  /** The range of a close code says what to do: from 4500 on, coming back would change nothing. */
  #closed(code: number, reason: string): void {
    const why = reason === '' ? `closed with ${String(code)}` : `closed with ${String(code)} ${reason}`;
    if (code < 4500 || code > 4599) {
      this.#drop(why);
      return;
    }
    this.#detach();
    this.#enter({ phase: 'ended', why });
  }

  /** Gives this socket up and comes back after a growing, jittered wait. */
  #drop(why: string): void {
    this.#detach();
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(this.#attempts, 10));
    const retryInMs = this.#drainMs ?? Math.round(ceiling * (0.5 + this.#options.random() / 2));
    this.#drainMs = undefined;
    this.#enter({ phase: 'waiting', retryInMs, why });
    this.#cancelTimer = this.#options.timers.after(retryInMs, () => {
      this.connect();
    });
  }

  #detach(): void {
    this.#cancelTimer();
    this.#socket?.close();
    this.#socket = undefined;
    this.#rooms.disconnected();
    this.#outbox.disconnected();
  }

  #enter(state: ConnectionState): void {
    this.#state = state;
    this.#options.listener.stateChanged?.(state);
  }

  #transmit(frame: ClientFrame): boolean {
    if (this.#state.phase !== 'online' || this.#socket === undefined) return false;
    const text = JSON.stringify(frame);
    this.#options.listener.frame?.('out', text, frame);
    this.#socket.send(text);
    return true;
  }
}
