/** One node's sessions and the rooms they are subscribed to, fed with what the log's live feed brings. */
import type { Recorded } from '../domain/decider.ts';
import type { ConversationEvent } from '../domain/conversation/events.ts';
import type { View } from '../domain/conversation/view.ts';
import { EncodedRun } from './event-frames.ts';
import { Room, RoomSubscription, type Subscriber } from './room.ts';

export interface HubStats {
  readonly rooms: number;
  readonly subscriptions: number;
  readonly catchingUp: number;
  /** Frames of live events that sockets took, since the start. */
  readonly fannedOut: number;
}

/** Who else follows what passes the hub, whether or not somebody is subscribed to the room. */
export interface RoomFollower {
  brought(stream: string, run: EncodedRun): void;
  passed(stream: string, revision: bigint): void;
  /** Its last subscriber left. */
  left(stream: string): void;
}

export class Hub {
  private readonly rooms = new Map<string, Room>();
  private readonly frameBytes: number;
  /** Of rooms that are no more. */
  private fannedOutBefore = 0;
  private readonly roomFailed: (stream: string, error: unknown) => void;
  /** Told before the room is, in the same turn. */
  follower: RoomFollower | undefined;

  /**
   * `frameBytes`: what an `events` frame aims not to be above. `roomFailed` is told of a fault in one room, whose
   * sessions it ends resumably: no other room, nor the feed, may stand still for it.
   */
  constructor(options: { readonly frameBytes: number; readonly roomFailed: (stream: string, error: unknown) => void }) {
    this.frameBytes = options.frameBytes;
    this.roomFailed = options.roomFailed;
  }

  /** From here on the room's head is followed, so that what is appended while the subscription opens is not missed. */
  join(stream: string, name: string, subscriber: Subscriber, view: View, maySend: boolean): RoomSubscription {
    let room = this.rooms.get(stream);
    if (!room) this.rooms.set(stream, (room = new Room(stream, name, this.frameBytes)));
    const subscription = new RoomSubscription(room, subscriber, view, maySend);
    room.subscriptions.add(subscription);
    return subscription;
  }

  leave(subscription: RoomSubscription): void {
    const { room } = subscription;
    room.leaveLive(subscription, 'ended');
    if (!room.subscriptions.delete(subscription)) return;
    if (subscription.typing) room.relayTyping(subscription, false);
    if (room.subscriptions.size > 0) return;
    this.rooms.delete(room.stream);
    this.follower?.left(room.stream);
    this.fannedOutBefore += room.fannedOut;
  }

  hasRoom(stream: string): boolean {
    return this.rooms.has(stream);
  }

  /** The log's events in its order; each room gets its own as one run, or as several where revisions are missing. */
  dispatch(events: readonly Recorded<ConversationEvent>[]): void {
    const runs = new Map<string, Recorded<ConversationEvent>[]>();
    for (const recorded of events) {
      const { stream } = recorded;
      const run = runs.get(stream);
      if (!run) runs.set(stream, [recorded]);
      else if (run.at(-1)?.revision === recorded.revision - 1n) run.push(recorded);
      else {
        this.dispatchTo(stream, run);
        runs.set(stream, [recorded]);
      }
    }
    for (const [stream, run] of runs) this.dispatchTo(stream, run);
  }

  private dispatchTo(stream: string, run: readonly Recorded<ConversationEvent>[]): void {
    const encoded = new EncodedRun(run);
    try {
      this.follower?.brought(stream, encoded);
      this.rooms.get(stream)?.dispatch(encoded);
    } catch (error) {
      this.roomFailed(stream, error);
    }
  }

  /** For events that passed without being dispatched. */
  skip(stream: string, revision: bigint): void {
    this.follower?.passed(stream, revision);
    this.rooms.get(stream)?.skipTo(revision);
  }

  /** The room cannot be read any further: whoever has been brought up to there is told. */
  unreadable(stream: string, error: unknown): void {
    for (const subscription of [...(this.rooms.get(stream)?.subscriptions ?? [])])
      if (subscription.phase !== 'opening') subscription.subscriber.unreadable(subscription, error);
  }

  /** Everybody who is subscribed to the room of this stream. */
  subscribers(stream: string): Set<Subscriber> {
    const subscribers = new Set<Subscriber>();
    for (const subscription of this.rooms.get(stream)?.subscriptions ?? []) subscribers.add(subscription.subscriber);
    return subscribers;
  }

  stats(): HubStats {
    let subscriptions = 0;
    let catchingUp = 0;
    let fannedOut = this.fannedOutBefore;
    for (const room of this.rooms.values()) {
      fannedOut += room.fannedOut;
      for (const { phase } of room.subscriptions) {
        subscriptions += 1;
        if (phase === 'catching-up') catchingUp += 1;
      }
    }
    return { rooms: this.rooms.size, subscriptions, catchingUp, fannedOut };
  }
}
