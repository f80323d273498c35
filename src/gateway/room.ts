/**
 * A room that somebody on this node is subscribed to, and its subscriptions. What the feed brings is encoded once a
 * view and sent once a socket (GW-10).
 *
 * A subscription is in one of these phases:
 *   opening      `subscribed` is not sent yet
 *   catching-up  read from the log, from its cursor (catch-up.ts); live events pass it by
 *   live         gets what the feed brings, as long as it follows its cursor without a gap
 *   ended        never sent anything again
 * opening -> catching-up -> live -> catching-up (fell behind) -> live …; any -> ended.
 */
import type { Claims } from '../domain/claims.ts';
import { access, accessChange, type AccessState } from '../domain/conversation/access.ts';
import type { View } from '../domain/conversation/view.ts';
import { eventFrames, type EncodedRun, type EventFrame } from './event-frames.ts';
import type { Outbox } from './outbox.ts';
import type { ServerFrame } from './server-frames.ts';

/** What a room knows of the session behind a subscription. */
export interface Subscriber {
  readonly outbox: Outbox;
  readonly claims: Claims;
  /** Takes all rooms of the session out of the live fan-out, and reads on from their cursors. */
  fallBehind(): void;
  /** The session may no longer see the room. */
  forbid(subscription: RoomSubscription): void;
  /** The room cannot be read: ends this subscription, and says why. */
  unreadable(subscription: RoomSubscription, error: unknown): void;
}

export class RoomSubscription {
  readonly room: Room;
  readonly subscriber: Subscriber;
  readonly view: View;
  phase: 'opening' | 'catching-up' | 'live' | 'ended' = 'opening';
  /** The last `upTo` sent. */
  cursor = -1n;
  maySend: boolean;
  typing = false;
  /** Called once when it first goes live or ends: the resume is over. */
  settled: (() => void) | undefined;

  constructor(room: Room, subscriber: Subscriber, view: View, maySend: boolean) {
    this.room = room;
    this.subscriber = subscriber;
    this.view = view;
    this.maySend = maySend;
  }
}

const VIEWS = ['staff', 'visitor'] as const satisfies readonly View[];

export class Room {
  readonly stream: string;
  /** `conversation:42` */
  readonly name: string;
  readonly subscriptions = new Set<RoomSubscription>();
  /** The last revision the feed has brought since the room was opened; nobody goes live below it. */
  feedHead = -1n;
  /** Frames of live events that sockets took. */
  fannedOut = 0;
  private readonly live = { staff: new Set<RoomSubscription>(), visitor: new Set<RoomSubscription>() };
  private readonly frameBytes: number;

  constructor(stream: string, name: string, frameBytes: number) {
    this.stream = stream;
    this.name = name;
    this.frameBytes = frameBytes;
  }

  /** Only for a subscription whose cursor is at the durable head and not below `feedHead`, in the same turn. */
  goLive(subscription: RoomSubscription): void {
    settle(subscription);
    subscription.phase = 'live';
    this.live[subscription.view].add(subscription);
  }

  leaveLive(subscription: RoomSubscription, phase: 'catching-up' | 'ended'): void {
    if (phase === 'ended') settle(subscription);
    subscription.phase = phase;
    this.live[subscription.view].delete(subscription);
  }

  /** What the feed brought: contiguous, and the next after what it brought before. */
  dispatch(encoded: EncodedRun): void {
    const { run } = encoded;
    this.noteHead(run.at(-1)?.revision ?? -1n);
    let delivered = 0;
    run.forEach((recorded, i) => {
      const change = accessChange(recorded.event);
      if (change === undefined) return;
      const end = change.seenByLosers ? i + 1 : i;
      this.deliver(encoded, delivered, end);
      delivered = end;
      this.askAccess(change.state);
    });
    this.deliver(encoded, delivered, run.length);
  }

  /** The feed passed so far, without its events: whoever is live below it reads them from the log. */
  noteHead(revision: bigint): void {
    if (revision > this.feedHead) this.feedHead = revision;
  }

  /** The feed skipped events up to this revision, because the room was opened while they passed. */
  skipTo(revision: bigint): void {
    this.noteHead(revision);
    for (const view of VIEWS)
      for (const subscription of this.live[view])
        if (subscription.cursor < revision) subscription.subscriber.fallBehind();
  }

  private askAccess(state: AccessState): void {
    for (const subscription of this.subscriptions) {
      const { see, send } = access(subscription.subscriber.claims, state, this.name);
      subscription.maySend = send;
      if (!see) subscription.subscriber.forbid(subscription);
    }
  }

  private deliver(run: EncodedRun, from: number, to: number): void {
    const first = run.run[0]?.revision;
    if (first === undefined) return;
    for (const view of VIEWS) {
      const live = this.live[view];
      if (live.size === 0) continue;
      const source = { room: this.name, first, encoded: run.in(view), from, to };
      for (const frame of eventFrames(source, this.frameBytes))
        for (const subscription of live) {
          if (subscription.cursor === frame.after) offer(subscription, frame);
          else if (subscription.cursor < frame.after) subscription.subscriber.fallBehind();
          else if (subscription.cursor < frame.upTo) {
            // It caught up to somewhere inside this frame: the rest of the run is cut for it alone.
            const rest = { ...source, from: Number(subscription.cursor - first) + 1 };
            for (const own of eventFrames(rest, this.frameBytes)) if (!offer(subscription, own)) break;
          }
        }
    }
  }

  /** To everybody live but the one who types. */
  relayTyping(from: RoomSubscription, on: boolean): void {
    from.typing = on;
    const { sub: user, role } = from.subscriber.claims;
    const frame: ServerFrame = { op: 'typing', room: this.name, user, role, on };
    const bytes = Buffer.from(JSON.stringify(frame), 'utf8');
    for (const view of VIEWS)
      for (const { subscriber } of this.live[view])
        if (subscriber !== from.subscriber) subscriber.outbox.offerEphemeral(bytes);
  }
}

function settle(subscription: RoomSubscription): void {
  const { settled } = subscription;
  subscription.settled = undefined;
  settled?.();
}

/** Sends one frame that follows the subscription's cursor; false: the session fell behind instead. */
function offer(subscription: RoomSubscription, frame: EventFrame): boolean {
  if (!subscription.subscriber.outbox.offerEvents(frame.bytes)) {
    subscription.subscriber.fallBehind();
    return false;
  }
  subscription.cursor = frame.upTo;
  subscription.room.fannedOut += 1;
  return true;
}
