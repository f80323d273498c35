/**
 * Brings the subscriptions of one session from their cursors to the durable head, and then live: one page of one room
 * at a time, round robin, so that a session never holds more than one page, however many rooms it has. It waits for
 * the socket before it asks for a page, and before each frame.
 *
 * The step to live is safe because it is one turn: the cursor is at the head of the room's tail (room-tails.ts), which
 * was at the durable head when it was read, and has been given everything that the feed brought since. Whatever becomes
 * durable later is given to the tail and to the room in one turn, either before this one (then the tail's head is above
 * the cursor, and the next page is asked for) or after it (then the subscription is live).
 */
import { UnavailableError } from '../errors.ts';
import { askAccess, conversationOf } from './room-access.ts';
import type { GatewayContext } from './context.ts';
import type { EventFrame } from './event-frames.ts';
import type { RoomSubscription, Subscriber } from './room.ts';
import type { Following } from './room-tails.ts';
import { wireRevision } from './server-frames.ts';
import { delay } from './timers.ts';

/** Attempts at a page while the store is not available; the pause before each next one doubles from 250 ms. */
const ATTEMPTS_MAX = 6;
const RETRY_MS = 250;
/** Pause before a head is looked at again that the client has seen and this node has not (a lagging replica). */
const LAG_MS = 50;

/** What catching up needs of its session beyond what rooms need. */
export interface CatchUpSession extends Subscriber {
  /** The log no longer has what follows the subscription's cursor. */
  truncated(subscription: RoomSubscription, bounds: { readonly first: bigint; readonly head: bigint }): void;
  /** Ends the session, resumably. */
  fail(error: unknown): void;
}

export class CatchUp {
  private readonly context: GatewayContext;
  private readonly session: CatchUpSession;
  private queue: RoomSubscription[] = [];
  private running = false;

  constructor(context: GatewayContext, session: CatchUpSession) {
    this.context = context;
    this.session = session;
  }

  /** For a subscription in the phase `catching-up`. */
  add(subscription: RoomSubscription): void {
    this.queue.push(subscription);
    if (!this.running) void this.run();
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      for (let next = this.queue.shift(); next; next = this.queue.shift())
        if (next.phase === 'catching-up' && !(await this.step(next))) this.queue.push(next);
    } catch (error) {
      this.session.fail(error);
    } finally {
      this.running = false;
      // An array that was used keeps its room, and the session may be idle for days.
      if (this.queue.length === 0) this.queue = [];
    }
  }

  /** One page; true once the subscription needs no more of them. */
  private async step(subscription: RoomSubscription): Promise<boolean> {
    const { outbox } = this.session;
    if (!outbox.hasRoomFor(0)) await outbox.roomFor(0);
    if (isOver(subscription)) return true;
    let following: Following | undefined;
    let see: boolean;
    try {
      following = this.held(subscription) ?? (await this.read(subscription));
      if (isOver(subscription)) return true;
      // Asked after the page is there: it is sent under an access that knows of everything in it.
      const { name } = subscription.room;
      const allowed = askAccess(this.context.commands, this.session.claims, conversationOf(name) ?? '');
      ({ see } = allowed instanceof Promise ? await allowed : allowed);
    } catch (error) {
      if (isOver(subscription)) return true;
      if (error instanceof UnavailableError) throw error;
      this.session.unreadable(subscription, error);
      return true;
    }
    if (isOver(subscription)) return true;
    if (!see) {
      this.session.forbid(subscription);
      return true;
    }
    if (following?.kind === 'truncated') {
      this.session.truncated(subscription, following.bounds);
      return true;
    }
    if (following) await this.send(subscription, following.frames);
    else await this.lag(subscription);
    return isOver(subscription) || this.goLive(subscription);
  }

  /** The client has seen what this node has not: the feed brings it in a moment, or a read has missed it. */
  private async lag({ room, cursor }: RoomSubscription): Promise<void> {
    const { tails, timers } = this.context;
    await delay(timers, LAG_MS);
    const tail = tails.get(room.stream);
    if (tail && tail.head < cursor) tails.forget(room.stream);
  }

  /** What follows the cursor, without a read. */
  private held({ room, cursor, view }: RoomSubscription): Following | undefined {
    const frames = this.context.tails.after(room.stream, cursor, view);
    return frames && { kind: 'frames', frames };
  }

  /** Undefined: nothing yet, the node lags behind the cursor. */
  private async read(subscription: RoomSubscription): Promise<Following | undefined> {
    const { tails, timers, random } = this.context;
    const { room, cursor, view } = subscription;
    for (let attempt = 1; ; attempt++) {
      try {
        const tail = await tails.open(room.stream, room.name, { after: cursor });
        if (cursor > tail.head) return undefined;
        if (tail.covers(cursor)) return { kind: 'frames', frames: tail.framesAfter(cursor, view) };
        return await tails.before(room.stream, room.name, cursor, view);
      } catch (error) {
        if (!(error instanceof UnavailableError) || attempt >= ATTEMPTS_MAX || isOver(subscription)) throw error;
      }
      await delay(timers, RETRY_MS * 2 ** (attempt - 1) * (0.5 + random() / 2));
    }
  }

  private async send(subscription: RoomSubscription, frames: readonly EventFrame[]): Promise<void> {
    const { outbox } = this.session;
    for (const frame of frames) {
      const { length } = frame.bytes;
      if (!outbox.hasRoomFor(length)) await outbox.roomFor(length);
      if (isOver(subscription)) return;
      if (!outbox.offerEvents(frame.bytes)) throw new Error('A socket with room in its queue took no frame.');
      subscription.cursor = frame.upTo;
    }
  }

  /** False: there is more to be read first. */
  private goLive(subscription: RoomSubscription): boolean {
    const { room, cursor } = subscription;
    const head = this.context.tails.get(room.stream)?.head;
    if (head !== cursor || cursor < room.feedHead) return false;
    room.goLive(subscription);
    this.session.outbox.answer({ op: 'caught-up', room: room.name, upTo: wireRevision(cursor) });
    return true;
  }
}

/** A function of its own, because the phase changes during every wait. */
function isOver(subscription: RoomSubscription): boolean {
  return subscription.phase === 'ended';
}
