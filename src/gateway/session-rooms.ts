/** The rooms of one session: subscribe, unsubscribe, history, typing and receipts, and what ends a subscription. */
import type { Claims } from '../domain/claims.ts';
import type { Access } from '../domain/conversation/access.ts';
import { viewOf } from '../domain/conversation/view.ts';
import { streamName } from '../domain/stream-name.ts';
import type { StreamBounds } from '../event-store/event-store.ts';
import { RequestError, UnavailableError } from '../errors.ts';
import { CatchUp } from './catch-up.ts';
import type { HistoryFrame, ReceiptFrame, SubscribeFrame, TypingFrame } from './client-frames.ts';
import type { GatewayContext } from './context.ts';
import { historyPageFrame } from './event-frames.ts';
import { roomFault } from './room-fault.ts';
import type { Outbox } from './outbox.ts';
import { askAccess, conversationOf, ROOM_SHAPE } from './room-access.ts';
import type { RoomSubscription, Subscriber } from './room.ts';
import { errorFrame, wireRevision, type ServerFrame } from './server-frames.ts';

/** What the rooms need of their session. */
export interface RoomsSession {
  /** Correlates what the session caused. */
  readonly id: string;
  readonly outbox: Outbox;
  /** As the last accepted token says. */
  readonly claims: Claims;
  fail(error: unknown): void;
  /** Answers a frame with what went wrong. */
  refuse(
    error: unknown,
    frame: { readonly op: string; readonly ref?: string | undefined; readonly room: string },
  ): void;
}

type ResetReason = Extract<ServerFrame, { op: 'reset' }>['reason'];

export class SessionRooms implements Subscriber {
  readonly outbox: Outbox;
  private readonly context: GatewayContext;
  private readonly session: RoomsSession;
  private readonly subscriptions = new Map<string, RoomSubscription>();
  private readonly catchUp: CatchUp;
  private closed = false;

  constructor(context: GatewayContext, session: RoomsSession) {
    this.context = context;
    this.session = session;
    this.outbox = session.outbox;
    this.catchUp = new CatchUp(context, this);
  }

  get claims(): Claims {
    return this.session.claims;
  }

  /** @throws RequestError and what the store and the commands throw: the subscription then does not exist */
  async subscribe(frame: SubscribeFrame): Promise<void> {
    const { room } = frame;
    const conversation = this.known(room);
    if (this.subscriptions.has(room))
      throw new RequestError('bad-request', 'Already subscribed; unsubscribe first.', { path: 'room' });
    const { rooms } = this.context.limits;
    if (this.subscriptions.size >= rooms)
      throw new RequestError('rate-limited', `A connection has at most ${rooms} rooms.`, { path: 'room' });
    const stream = streamName('conversation', this.claims.tenant, conversation);
    if (this.claims.role === 'visitor') await this.readForState(stream, room);
    const { send } = await this.permitted(conversation);
    if (this.isClosed()) return;
    const settled = this.context.admission.resume();
    const subscription = this.context.hub.join(stream, room, this, viewOf(this.claims.role), send);
    subscription.settled = settled;
    this.subscriptions.set(room, subscription);
    try {
      const bounds = await this.bounds(stream, frame);
      if (subscription.phase === 'ended') throw forbidden();
      this.open(subscription, frame, bounds);
    } catch (error) {
      this.drop(subscription);
      if (!this.isClosed()) throw error;
    }
  }

  /**
   * A visitor's access is asked of the room's state, for which all of it is read: where that is one page, the tail comes
   * from the same read. What fails here fails again, and is told, where it is needed.
   */
  private async readForState(stream: string, room: string): Promise<void> {
    const { tails, folds } = this.context;
    if (folds && !folds.isFolded(stream) && !tails.get(stream))
      await tails.open(stream, room, { after: -1n }).catch(() => undefined);
  }

  /** Where the room begins and ends, for what the frame asks; the room's tail says it where it reaches so far. */
  private async bounds(
    stream: string,
    { room, after = -1n, tail: last, live, log }: SubscribeFrame,
  ): Promise<StreamBounds> {
    const { tails, roomLog } = this.context;
    const isOurs = log === undefined || log === this.context.log;
    if (live === true && isOurs) {
      const bounds = await roomLog.bounds(stream);
      // Nothing of it can be read: because all was truncated, or because it was deleted, which reading it tells.
      if (bounds.head >= 0n && bounds.first > bounds.head) await tails.open(stream, room, { last: 0 });
      return bounds;
    }
    if (!isOurs) return roomLog.bounds(stream);
    const wanted = last === undefined ? { after } : { last };
    const tail = await tails.open(stream, room, wanted).catch((error: unknown) => {
      // The log may say it all the same, and if it does, catching up tries for longer.
      if (error instanceof UnavailableError) return undefined;
      throw error;
    });
    const cursor = last === undefined || !tail ? after : tail.head - BigInt(last);
    // As they are now: the feed may cut the tail before whoever asked goes on.
    return tail?.covers(cursor) ? { first: tail.first, head: tail.head } : roomLog.bounds(stream);
  }

  /** From here to the first frame everything is one turn. */
  private open(subscription: RoomSubscription, frame: SubscribeFrame, bounds: StreamBounds): void {
    const { room, ref } = frame;
    const { log } = this.context;
    // The feed may be ahead of a replica that was asked.
    const head = bounds.head > subscription.room.feedHead ? bounds.head : subscription.room.feedHead;
    const reset = (reason: ResetReason) => {
      this.reset(subscription, reason, { first: bounds.first, head }, ref);
    };
    if (frame.log !== undefined && frame.log !== log) {
      reset('other-log');
      return;
    }
    let after = frame.after ?? -1n;
    if (frame.live === true) after = head;
    if (frame.tail !== undefined) {
      const wanted = head - BigInt(frame.tail);
      after = wanted > bounds.first - 1n ? wanted : bounds.first - 1n;
    }
    if (after > head) reset('beyond-head');
    else if (after < bounds.first - 1n) reset('truncated');
    else {
      const wire = { head: wireRevision(head), after: wireRevision(after) };
      this.outbox.answer({ op: 'subscribed', ref, room, log, ...wire });
      subscription.cursor = after;
      subscription.phase = 'catching-up';
      if (frame.live === true) this.goLive(subscription);
      else this.catchUp.add(subscription);
    }
  }

  /** The head was asked for while the room was open, so whatever becomes durable above it is brought by the feed. */
  private goLive(subscription: RoomSubscription): void {
    const { room, cursor } = subscription;
    room.goLive(subscription);
    this.outbox.answer({ op: 'caught-up', room: room.name, upTo: wireRevision(cursor) });
  }

  unsubscribe(room: string, ref: string | undefined): void {
    this.known(room);
    const subscription = this.subscriptions.get(room);
    if (subscription) this.drop(subscription);
    this.outbox.answer({ op: 'unsubscribed', ref, room });
  }

  async history(frame: HistoryFrame): Promise<void> {
    const { room, ref, before, limit } = frame;
    const conversation = this.known(room);
    await this.permitted(conversation);
    const { roomLog, limits } = this.context;
    await this.outbox.roomFor(0);
    const stream = streamName('conversation', this.claims.tenant, conversation);
    const page = await roomLog.history(stream, before, Math.min(limit, limits.historyRevisions));
    // Asked again, because the page may hold what has changed the answer.
    await this.permitted(conversation);
    const bytes = historyPageFrame({ room, ref, page, view: viewOf(this.claims.role), frameBytes: limits.frameBytes });
    await this.outbox.roomFor(bytes.length);
    this.outbox.answerEncoded(bytes);
  }

  typing({ room, on }: TypingFrame): void {
    this.known(room);
    const subscription = this.subscriptions.get(room);
    if (!subscription)
      throw new RequestError('forbidden', 'Only who has subscribed to a room may type in it.', { path: 'room' });
    if (!subscription.maySend)
      throw new RequestError('forbidden', 'This user may not send into the room.', { path: 'room' });
    if (on || subscription.typing) subscription.room.relayTyping(subscription, on);
  }

  /** Whether the room is subscribed to does not matter: what was read was read. */
  async receipt(frame: ReceiptFrame): Promise<void> {
    const { op: kind, room, seq } = frame;
    const conversation = this.known(room);
    const { claims, id: correlationId } = this.session;
    if (!(await askAccess(this.context.commands, claims, conversation)).send) throw forbidden();
    const { tenant, sub, role } = claims;
    const refuse = (error: unknown) => {
      this.session.refuse(error, frame);
    };
    const reader = { id: sub, role };
    this.context.receipts.note({ tenant, conversation, reader, kind, seq, correlationId, refuse });
  }

  /** After the claims changed. Where it cannot be asked the session ends, since it may hold what it no longer may see. */
  async askAccessAgain(): Promise<void> {
    try {
      for (const subscription of [...this.subscriptions.values()]) {
        const { name } = subscription.room;
        const { see, send } = await askAccess(this.context.commands, this.claims, conversationOf(name) ?? '');
        subscription.maySend = send;
        if (!see) this.forbid(subscription);
      }
    } catch (error) {
      this.fail(error);
    }
  }

  fallBehind(): void {
    this.context.counters.fellBehind += 1;
    for (const subscription of this.subscriptions.values()) {
      if (subscription.phase !== 'live') continue;
      subscription.room.leaveLive(subscription, 'catching-up');
      this.catchUp.add(subscription);
    }
  }

  forbid(subscription: RoomSubscription): void {
    const { phase, room } = subscription;
    if (phase === 'ended') return;
    this.drop(subscription);
    // While it opens, the subscribe itself is answered instead.
    if (phase !== 'opening') this.outbox.answer({ op: 'unsubscribed', room: room.name, code: 'forbidden' });
  }

  truncated(subscription: RoomSubscription, bounds: StreamBounds): void {
    this.reset(subscription, 'truncated', bounds, undefined);
  }

  /** No other room of the session suffers for it. */
  unreadable(subscription: RoomSubscription, error: unknown): void {
    const { phase, room } = subscription;
    if (phase === 'ended') return;
    this.drop(subscription);
    const fault = roomFault(error);
    if (fault.code === 'internal' || fault.code === 'unavailable')
      this.context.logger.error('a room cannot be read', { error, session: this.session.id, stream: room.stream });
    this.outbox.answer(errorFrame(fault, { room: room.name }));
  }

  fail(error: unknown): void {
    this.session.fail(error);
  }

  close(): void {
    this.closed = true;
    for (const subscription of [...this.subscriptions.values()]) this.drop(subscription);
  }

  /** A function, because it changes during every wait. */
  private isClosed(): boolean {
    return this.closed;
  }

  /** GW-4: the client is told why, where it can go on, and gets no more of this subscription. */
  private reset(
    subscription: RoomSubscription,
    reason: ResetReason,
    bounds: StreamBounds,
    ref: string | undefined,
  ): void {
    this.drop(subscription);
    this.context.counters.resets += 1;
    const wire = { from: wireRevision(bounds.first), head: wireRevision(bounds.head) };
    this.outbox.answer({ op: 'reset', ref, room: subscription.room.name, reason, ...wire, log: this.context.log });
  }

  private drop(subscription: RoomSubscription): void {
    const { name } = subscription.room;
    if (this.subscriptions.get(name) === subscription) this.subscriptions.delete(name);
    this.context.hub.leave(subscription);
  }

  private known(room: string): string {
    const conversation = conversationOf(room);
    if (conversation === undefined) throw new RequestError('unknown-room', ROOM_SHAPE, { path: 'room' });
    return conversation;
  }

  private async permitted(conversation: string): Promise<Access> {
    const access = await askAccess(this.context.commands, this.claims, conversation);
    if (!access.see) throw forbidden();
    return access;
  }
}

function forbidden(): RequestError {
  return new RequestError('forbidden', 'Not a room of this user.', { path: 'room' });
}
