/**
 * One of the two people of the page: a connection of their own, the rooms they look at, and what they do. The page's
 * components read it and call it; every change ends in `changed`.
 */
import { browserTimers, openBrowserSocket } from '../protocol/browser-socket.ts';
import { Connection } from '../protocol/connection.ts';
import type { ClientFrame, ServerFrame } from '../protocol/frames.ts';
import type { ConnectionListener, ConnectionState } from '../protocol/listener.ts';
import { nameOf } from './people.ts';
import { Receipts } from './receipts.ts';
import { describe } from './resume-words.ts';
import { RoomCommands } from './room-commands.ts';
import type { ReceiptKind } from './room-state.ts';
import { RoomView } from './room-view.ts';
import type { Writing } from './room-view.ts';
import type { SideName, WireLog } from './wire-log.ts';

export interface SideOptions {
  readonly name: SideName;
  readonly sub: string;
  readonly room: string;
  readonly gatewayUrl: string;
  readonly token: () => Promise<string>;
  readonly wire: WireLog;
  readonly changed: () => void;
}

/** How long "typing" stands without being said again. */
const TYPING_STANDS_MS = 6_000;
const HISTORY_REVISIONS = 40;
/** Where a long room is entered. */
const TAIL_REVISIONS = 40;

export class Side {
  readonly name: SideName;
  readonly sub: string;
  /** What the person does in the room on display. */
  readonly commands: RoomCommands;
  /** The room both sides share. */
  readonly home: RoomView;
  /** The room on display: the shared one, or for the agent one of the sample. */
  view: RoomView;
  /** The server has said not to come back: before the next attempt, the token is asked for anew. */
  refused = false;
  /** When the page will reconnect a connection that was cut for a while, ms since 1970. */
  backAt: number | undefined;
  readonly #options: SideOptions;
  readonly #connection: Connection;
  #started = false;
  #resuming = false;
  #wasOnline = false;
  #cancelBack: () => void = () => undefined;
  #cancelTyping: () => void = () => undefined;

  constructor(options: SideOptions) {
    this.#options = options;
    this.name = options.name;
    this.sub = options.sub;
    const tell = (kind: ReceiptKind, seq: number): boolean => this.#connection.receipt(options.room, kind, seq);
    // The shared room alone has receipts: whoever looks through the sample leaves no mark in it.
    this.home = this.#newView(options.room, new Receipts(tell, browserTimers));
    this.view = this.home;
    this.#connection = new Connection({
      url: options.gatewayUrl,
      token: options.token,
      openSocket: openBrowserSocket,
      timers: browserTimers,
      random: Math.random,
      newId: () => crypto.randomUUID(),
      listener: this.#listener(),
    });
    this.commands = new RoomCommands({
      send: (room, command, data) => this.#connection.send(room, command, data),
      view: () => this.view,
      online: () => this.online,
      changed: options.changed,
    });
    this.#connection.subscribe(options.room);
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  get personName(): string {
    return nameOf(this.sub, this.name);
  }

  get online(): boolean {
    return this.#connection.state.phase === 'online';
  }

  connect(): void {
    this.#cancelBack();
    this.backAt = undefined;
    this.#connection.connect();
  }

  /** Closes the socket, and with `forMs` opens it again after that long. */
  cut(forMs?: number): void {
    this.#cancelBack();
    this.#options.wire.mark(this.name, 'cut', 'you cut the connection', 'cut');
    this.backAt = forMs === undefined ? undefined : Date.now() + forMs;
    if (forMs !== undefined) {
      this.#cancelBack = browserTimers.after(forMs, () => {
        this.connect();
      });
    }
    this.#connection.cut();
  }

  refresh(token: string): void {
    this.#connection.refresh(token);
  }

  /** Sends and breaks the connection before the ack can come: what a client in a tunnel lives through. */
  writeAndLoseTheAck(kind: Writing, text: string, cutForMs: number): void {
    this.commands.write(kind, text);
    this.cut(cutForMs);
  }

  typing(on: boolean): void {
    this.#connection.typing(this.view.room, on);
  }

  /** Looks at another room. The shared one stays followed; any other is left. */
  show(room: string): void {
    if (room === this.view.room) return;
    if (this.view !== this.home) this.#connection.unsubscribe(this.view.room);
    this.view = room === this.home.room ? this.home : this.#newView(room);
    if (this.view !== this.home) this.#connection.subscribe(room, { tail: TAIL_REVISIONS });
    this.#options.changed();
  }

  older(): void {
    const { view } = this;
    if (view.loadingHistory || !view.hasOlder || view.from === undefined) return;
    view.loadingHistory = this.#connection.history(view.room, view.from, HISTORY_REVISIONS);
    this.#options.changed();
  }

  #newView(room: string, receipts?: Receipts): RoomView {
    const { name, sub } = this.#options;
    return new RoomView(room, { everythingVisible: name === 'agent', sub, ...(receipts ? { receipts } : {}) });
  }

  #viewOf(room: string): RoomView | undefined {
    return [this.view, this.home].find(view => view.room === room);
  }

  /** Applies to the room's view, if it is on display or shared, and shows it. */
  #with(room: string, act: (view: RoomView) => void): void {
    const view = this.#viewOf(room);
    if (view) act(view);
    this.#options.changed();
  }

  #listener(): ConnectionListener {
    return {
      stateChanged: state => {
        this.#stateChanged(state);
      },
      frame: (direction, text, frame) => {
        this.#frame(direction, text, frame);
      },
      events: ({ room, events }) => {
        this.#with(room, view => view.append(events));
      },
      caughtUp: ({ room, upTo }) => {
        this.#with(room, view => {
          view.allHere();
          this.#caughtUp(view, upTo);
        });
      },
      historyPage: frame => {
        this.#with(frame.room, view => view.historyPage(frame));
      },
      typing: ({ room, on, user, role }) => {
        if (user !== this.sub) this.#otherTyping(room, on ? nameOf(user, role) : undefined);
      },
      acked: frame => {
        this.#with(frame.room, view => view.acked(frame));
      },
      refused: (frame, command) => {
        this.#with(command.room, view => view.refused(frame));
      },
      reset: (room, _reason, from) => {
        if (room === this.home.room) this.#started = false;
        this.#with(room, view => view.reset(from));
      },
      roomClosed: (room, why) => {
        this.#with(room, view => {
          view.closed = why;
        });
      },
    };
  }

  #stateChanged(state: ConnectionState): void {
    const online = state.phase === 'online';
    if (online) this.#resuming = this.#wasOnline;
    this.#wasOnline ||= online;
    if (online || state.phase === 'ended') this.refused = !online;
    if (state.phase === 'waiting') {
      const seconds = (state.retryInMs / 1_000).toFixed(1);
      this.#options.wire.mark(this.name, 'lost', `${state.why}; again in ${seconds} s`, 'cut');
    }
    if (state.phase === 'ended') this.#options.wire.mark(this.name, 'ended', state.why, 'error');
    for (const view of new Set([this.home, this.view])) view.online(online);
    this.#options.changed();
  }

  #frame(direction: 'in' | 'out', text: string, frame: ServerFrame | ClientFrame | undefined): void {
    this.#options.wire.frame(this.name, direction, text, frame, this.#resuming);
    if (direction === 'in' && frame !== undefined) this.#check(frame as ServerFrame);
  }

  /** The page's own check sees every frame of a room, whatever the connection makes of it. */
  #check(frame: ServerFrame): void {
    if (!('room' in frame)) return;
    const view = this.#viewOf(frame.room);
    view?.coverage.observe(frame);
    if (frame.op === 'subscribed') view?.entered(frame.after);
  }

  #caughtUp(view: RoomView, upTo: number): void {
    if (view !== this.home) return;
    const { lastResume } = view.coverage;
    if (this.#resuming && lastResume) this.#options.wire.mark(this.name, 'resumed', describe(lastResume), 'resume');
    this.#resuming = false;
    if (upTo === -1 && this.name === 'visitor' && !this.#started) {
      this.#started = true;
      this.#connection.send(view.room, 'StartConversation', { channel: 'web' });
    }
  }

  #otherTyping(room: string, who: string | undefined): void {
    this.#cancelTyping();
    if (who !== undefined) {
      this.#cancelTyping = browserTimers.after(TYPING_STANDS_MS, () => {
        this.#otherTyping(room, undefined);
      });
    }
    this.#with(room, view => {
      view.otherTyping = who;
    });
  }
}
