/**
 * Brings the subscriptions of one session from their cursors to the durable head, and then live: one page of one room
 * at a time, round robin, so that a session never holds more than one page, however many rooms it has. It waits for
 * the socket before it reads, and before each frame.
 *
 * The step to live is safe because it is one turn: the page reached the durable head at a time when the room was
 * already open; whatever became durable later is dispatched to the room by the feed, either before this turn (then
 * `feedHead` is above the cursor and the next page is read) or after it (then the subscription is live).
 */
import { UnavailableError } from '../errors.ts';
import { askAccess, conversationOf } from './room-access.ts';
import type { GatewayContext } from './context.ts';
import { encodeEvents, eventFrames } from './event-frames.ts';
import type { RoomSubscription, Subscriber } from './room.ts';
import { wireRevision } from './server-frames.ts';
import type { Page, Run } from './room-log.ts';
import { delay } from './timers.ts';

/** Attempts at a page while the store is not available; the pause before each next one doubles from 250 ms. */
const ATTEMPTS_MAX = 6;
const RETRY_MS = 250;
/** Pause before a head is looked at again that the feed has seen and a read has not (a lagging replica). */
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
  private readonly queue: RoomSubscription[] = [];
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
    }
  }

  /** One page; true once the subscription needs no more of them. */
  private async step(subscription: RoomSubscription): Promise<boolean> {
    const { outbox } = this.session;
    await outbox.roomFor(0);
    if (isOver(subscription)) return true;
    const { room } = subscription;
    const page = await this.read(room.stream, subscription);
    if (isOver(subscription)) return true;
    // Asked after the read: the page is sent under an access that knows of everything in it.
    const allowed = askAccess(this.context.commands, this.session.claims, conversationOf(room.name) ?? '');
    const { see } = allowed instanceof Promise ? await allowed : allowed;
    if (isOver(subscription)) return true;
    if (!see) {
      this.session.forbid(subscription);
      return true;
    }
    if (page.kind === 'truncated') {
      this.session.truncated(subscription, page.bounds);
      return true;
    }
    await this.send(subscription, page.run);
    if (isOver(subscription)) return true;
    if (page.atHead && subscription.cursor >= room.feedHead) {
      this.caughtUp(subscription);
      return true;
    }
    // One empty page is a race with an append; a second is a read that lags behind what was seen already.
    subscription.emptyPages = page.run.length > 0 ? 0 : subscription.emptyPages + 1;
    if (subscription.emptyPages > 1) await delay(this.context.timers, LAG_MS);
    return false;
  }

  private async read(stream: string, subscription: RoomSubscription): Promise<Page> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.context.roomLog.page(stream, subscription.cursor);
      } catch (error) {
        if (!(error instanceof UnavailableError) || attempt >= ATTEMPTS_MAX || isOver(subscription)) throw error;
      }
      await delay(this.context.timers, RETRY_MS * 2 ** (attempt - 1) * (0.5 + this.context.random() / 2));
    }
  }

  private async send(subscription: RoomSubscription, run: Run): Promise<void> {
    const { room, view } = subscription;
    const { outbox } = this.session;
    const encoded = encodeEvents(run, view);
    for (const frame of eventFrames(room.name, run, encoded, 0, this.context.limits.frameBytes)) {
      const { length } = frame.bytes;
      if (!outbox.hasRoomFor(length)) await outbox.roomFor(length);
      if (isOver(subscription)) return;
      if (!outbox.offerEvents(frame.bytes)) throw new Error('A socket with room in its queue took no frame.');
      subscription.cursor = frame.upTo;
    }
  }

  private caughtUp(subscription: RoomSubscription): void {
    const { room, cursor } = subscription;
    subscription.emptyPages = 0;
    room.goLive(subscription);
    this.session.outbox.answer({ op: 'caught-up', room: room.name, upTo: wireRevision(cursor) });
  }
}

/** A function of its own, because the phase changes during every wait. */
function isOver(subscription: RoomSubscription): boolean {
  return subscription.phase === 'ended';
}
