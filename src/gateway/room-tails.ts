/**
 * The tails of rooms that this node has at hand (GW-11), so that a storm of resumes is no storm of reads. A room's tail
 * is read once, backwards from the head down to what is asked for, by one read that all who ask meanwhile wait for; from
 * then on the live feed keeps it at its head. A room is in one of these states:
 *   absent    nothing is known; the feed passes it by unless somebody is subscribed
 *   reading   one read is under way; what the feed brings meanwhile waits, to be joined to it
 *   held      every revision from the tail's `first` on, up to the last that the feed brought
 * absent -> reading -> held -> absent (pushed out by others, unused, or no longer true); reading -> absent (failed).
 *
 * A tail is dropped, never mended, whenever it might not be the log's own word any more: the feed passed a revision that
 * it did not bring, the stream was truncated or deleted, or somebody's data was erased.
 */
import type { View } from '../domain/conversation/view.ts';
import type { Clock } from '../domain/clock.ts';
import { UnavailableError } from '../errors.ts';
import type { StreamBounds } from '../event-store/event-store.ts';
import { EncodedRun, eventFrames, type EventFrame } from './event-frames.ts';
import type { RoomLog, Run } from './room-log.ts';
import type { GatewayLimits } from './limits.ts';
import { RoomTail } from './room-tail.ts';
import { delay, type Timers } from './timers.ts';

/** Reads of one tail until it and the feed meet: a replica may lag behind what the feed has brought. */
const READS_MAX = 6;
const LAG_MS = 50;
/** A tail read while the feed is away is not kept true by it, so it is read again after so much. */
const UNFED_MS = 1_000;
/** A tail begins with so many revisions, or all there are, even if nobody asked for so many: others have missed a few more. */
const TAIL_EVENTS_MIN = 32;

/** What is kept of rooms' states beside, by the command handler. */
export interface RoomFolds {
  /** Whether the state of this stream is there, without a read. */
  isFolded(stream: string): boolean;
  /** All of a stream, from revision 0 to its durable head; may hold an event twice. */
  takeWhole(stream: string, events: Run): void;
}

export interface RoomTailsOptions {
  readonly roomLog: RoomLog;
  readonly limits: GatewayLimits;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Whether somebody on this node is subscribed to the room of this stream. */
  readonly isOpen: (stream: string) => boolean;
  /** False while the live feed waits to be subscribed again. */
  readonly isFed: () => boolean;
  readonly folds?: RoomFolds | undefined;
}

export interface RoomTailsStats {
  /** Rooms whose tail is held. */
  readonly tails: number;
  readonly tailBytes: number;
  /** Resumes that no read was made for, since the start. */
  readonly tailHits: number;
}

/** What follows a cursor. */
export type Following =
  | { readonly kind: 'frames'; readonly frames: readonly EventFrame[] }
  /** The log no longer has it. */
  | { readonly kind: 'truncated'; readonly bounds: StreamBounds };

/** What somebody asks a tail for: what follows a cursor, or so many of the last revisions. */
export type TailWanted = { readonly after: bigint } | { readonly last: number };

interface Reading {
  readonly tail: Promise<RoomTail>;
  /** What those who wait for it want of it at the most; undefined: nobody has named a cursor. */
  after: bigint | undefined;
  last: number;
  /** What the feed brought since it began. */
  readonly brought: EncodedRun[];
  broughtEvents: number;
  /** The last revision that the feed passed without bringing it. */
  passed: bigint;
  /** What it reads may not be true any more. */
  spoiled: boolean;
}

interface Held {
  readonly tail: RoomTail;
  readonly heldAt: number;
  usedAt: number;
  bytes: number;
}

/** Reads of what lies before a room's tail: one at a time. */
interface DeepReads {
  readonly byCursor: Map<string, Promise<Following>>;
  last: Promise<unknown>;
}

export class RoomTails {
  private readonly options: RoomTailsOptions;
  /** In the order of use, the oldest first. */
  private readonly held = new Map<string, Held>();
  private readonly reading = new Map<string, Reading>();
  private readonly deep = new Map<string, DeepReads>();
  private bytes = 0;
  private hits = 0;

  constructor(options: RoomTailsOptions) {
    this.options = options;
  }

  /** The room's tail where it is held. */
  get(stream: string): RoomTail | undefined {
    const held = this.held.get(stream);
    if (!held) return undefined;
    const { clock, isFed } = this.options;
    const now = clock.now();
    if (!isFed() && now - held.heldAt >= UNFED_MS) {
      this.drop(stream);
      return undefined;
    }
    held.usedAt = now;
    this.held.delete(stream);
    this.held.set(stream, held);
    return held.tail;
  }

  /**
   * The room's tail, read if it is not held: it ends at a durable head of no earlier than when somebody first asked, and
   * reaches down to what is wanted by those who ask until it is read, as far as a page goes.
   *
   * @throws StreamDeletedError, UnavailableError, and what opening its last event throws
   */
  open(stream: string, room: string, wanted: TailWanted): Promise<RoomTail> {
    const held = this.get(stream);
    if (held) {
      this.hits += 1;
      return Promise.resolve(held);
    }
    const reading = this.reading.get(stream);
    if (reading) want(reading, wanted);
    return (reading ?? this.read(stream, room, wanted)).tail;
  }

  /** What follows the cursor, as far as a page goes, where the tail is held and has it. */
  after(stream: string, cursor: bigint, view: View): readonly EventFrame[] | undefined {
    const tail = this.get(stream);
    if (!tail?.covers(cursor)) return undefined;
    const frames = tail.framesAfter(cursor, view);
    const held = this.held.get(stream);
    if (held) this.account(held);
    return frames;
  }

  /** What follows a cursor below the tail. Those who ask for the same meanwhile share one read. */
  before(stream: string, room: string, cursor: bigint, view: View): Promise<Following> {
    let deep = this.deep.get(stream);
    if (!deep) this.deep.set(stream, (deep = { byCursor: new Map(), last: Promise.resolve() }));
    const key = `${view}${String(cursor)}`;
    const known = deep.byCursor.get(key);
    if (known) return known;
    const page = deep.last.then(() => this.readFrom(stream, room, cursor, view));
    deep.byCursor.set(key, page);
    const { byCursor } = deep;
    const over = (): void => {
      byCursor.delete(key);
      if (byCursor.size === 0 && this.deep.get(stream)?.byCursor === byCursor) this.deep.delete(stream);
    };
    deep.last = page.then(over, over);
    return page;
  }

  /** Whether the feed is to bring the events of this room though nobody may be subscribed to it. */
  follows(stream: string): boolean {
    if (this.reading.has(stream)) return true;
    const held = this.held.get(stream);
    if (!held) return false;
    if (this.options.isOpen(stream)) return true;
    if (this.options.clock.now() - held.usedAt < this.options.limits.tailKeptMs) return true;
    this.drop(stream);
    return false;
  }

  /** The feed brought it. */
  brought(stream: string, run: EncodedRun): void {
    const reading = this.reading.get(stream);
    if (reading) {
      const { pageEvents } = this.options.limits;
      reading.broughtEvents += run.run.length;
      if (reading.broughtEvents <= pageEvents) reading.brought.push(run);
      else this.note(reading, run.run.at(-1)?.revision);
    }
    const held = this.held.get(stream);
    if (!held) return;
    if (!held.tail.append(run)) this.drop(stream);
    else this.account(held);
  }

  /** The feed passed it without bringing it. */
  passed(stream: string, revision: bigint): void {
    const reading = this.reading.get(stream);
    if (reading) this.note(reading, revision);
    const held = this.held.get(stream);
    if (held && held.tail.head < revision) this.drop(stream);
  }

  /** Its last subscriber left: the tail is kept for those who come back soon. */
  left(stream: string): void {
    const held = this.held.get(stream);
    if (held) held.usedAt = this.options.clock.now();
  }

  /** What is held of the room, or being read, may not be the log's word any more. */
  forget(stream: string): void {
    this.drop(stream);
    // Reads below the tail that are under way end for those who have asked; who asks from now on shares none of them.
    this.deep.delete(stream);
    const reading = this.reading.get(stream);
    if (reading) reading.spoiled = true;
  }

  /** `forget`, for each room whose stream's name begins so. */
  forgetAll(prefix = ''): void {
    for (const stream of [...this.held.keys(), ...this.reading.keys(), ...this.deep.keys()])
      if (stream.startsWith(prefix)) this.forget(stream);
  }

  stats(): RoomTailsStats {
    return { tails: this.held.size, tailBytes: this.bytes, tailHits: this.hits };
  }

  private note(reading: Reading, revision: bigint | undefined): void {
    if (revision !== undefined && revision > reading.passed) reading.passed = revision;
  }

  private read(stream: string, room: string, wanted: TailWanted): Reading {
    const { promise, resolve, reject } = settleable<RoomTail>();
    const asked = { after: undefined, last: TAIL_EVENTS_MIN };
    const reading: Reading = { tail: promise, ...asked, brought: [], broughtEvents: 0, passed: -1n, spoiled: false };
    want(reading, wanted);
    this.reading.set(stream, reading);
    this.readUntilJoined(stream, room, reading).then(resolve, (error: unknown) => {
      this.reading.delete(stream);
      reject(error);
    });
    return reading;
  }

  /** The tail is held from the turn on in which it was found to be at the head: the feed may bring more in the next one. */
  private async readUntilJoined(stream: string, room: string, reading: Reading): Promise<RoomTail> {
    const { roomLog, limits, timers } = this.options;
    const enough = (revision: bigint, events: number): boolean =>
      events >= reading.last && (reading.after === undefined || revision <= reading.after + 1n);
    for (let reads = 1; reads <= READS_MAX; reads++) {
      const { first, run } = await roomLog.tail(stream, enough);
      const tail = new RoomTail(room, first, limits);
      tail.append(new EncodedRun(run));
      const joined = reading.brought.every(brought => tail.append(brought));
      if (joined && !reading.spoiled && tail.head >= reading.passed) {
        this.reading.delete(stream);
        this.hold(stream, tail);
        if (first === 0n) this.options.folds?.takeWhole(stream, [run, ...reading.brought.map(({ run }) => run)].flat());
        return tail;
      }
      const lags = !reading.spoiled && reading.broughtEvents <= limits.pageEvents;
      reading.spoiled = false;
      if (lags) await delay(timers, LAG_MS);
      else reading.brought.length = reading.broughtEvents = 0;
    }
    throw new UnavailableError(`Reads of ${stream} do not come to what the feed has brought.`);
  }

  private async readFrom(stream: string, room: string, cursor: bigint, view: View): Promise<Following> {
    const { roomLog, limits } = this.options;
    // What others asked for in the meantime may have brought it.
    const brought = this.after(stream, cursor, view);
    if (brought) return { kind: 'frames', frames: brought };
    const held = this.held.get(stream);
    const tail = held?.tail;
    const before = tail && tail.first > cursor + 1n ? tail.first : undefined;
    const page = await roomLog.page(stream, cursor, before);
    if (page.kind === 'truncated') return page;
    const run = new EncodedRun(page.run);
    // Still held, so nothing has happened meanwhile that would make untrue what was read.
    if (held && this.held.get(stream) === held) {
      held.tail.prepend(run);
      this.account(held);
    }
    return { kind: 'frames', frames: runFrames(room, run, view, limits.frameBytes) };
  }

  private hold(stream: string, tail: RoomTail): void {
    this.drop(stream);
    const now = this.options.clock.now();
    const held: Held = { tail, heldAt: now, usedAt: now, bytes: 0 };
    this.held.set(stream, held);
    this.account(held);
  }

  /** The one used last stays, however large, or nobody could ever be brought to its head. */
  private account(held: Held): void {
    const { bytes } = held.tail;
    this.bytes += bytes - held.bytes;
    held.bytes = bytes;
    for (const oldest of this.held.keys()) {
      if (this.bytes <= this.options.limits.tailsBytes || this.held.size === 1) break;
      this.drop(oldest);
    }
  }

  private drop(stream: string): void {
    const held = this.held.get(stream);
    if (!held) return;
    this.held.delete(stream);
    this.bytes -= held.bytes;
  }
}

function want(reading: Reading, wanted: TailWanted): void {
  if ('last' in wanted) reading.last = Math.max(reading.last, wanted.last);
  else if (reading.after === undefined || wanted.after < reading.after) reading.after = wanted.after;
}

function runFrames(room: string, run: EncodedRun, view: View, frameBytes: number): EventFrame[] {
  const encoded = run.in(view);
  const first = run.run[0]?.revision ?? 0n;
  return eventFrames({ room, first, encoded, from: 0, to: encoded.length }, frameBytes);
}

function settleable<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((a, b) => {
    [resolve, reject] = [a, b];
  });
  return { promise, resolve, reject };
}
