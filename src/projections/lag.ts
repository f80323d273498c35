/**
 * How far behind a projection is. The log's positions are no counts (bytes of a file, in one engine), so events are
 * estimated from the mean distance of those that were seen.
 */
import type { EventStore } from '../event-store/event-store.ts';
import type { Checkpoint } from '../read-store/read-store.ts';
import { isTaken, PROJECTED } from './feed.ts';
import type { FeedItem } from './feed.ts';

export interface Lag {
  readonly events: number;
  readonly seconds: number;
}

/** Until two events were seen nothing is known of distances: then at most so many are told. */
const EVENTS_UNSEEN_MAX = 10_000;

/** Events that are looked at for the last one: each look takes so many times more, up to … */
const LOOK_GROWTH = 16;
/** … so many. */
const LOOK_EVENTS_MAX = 1_024;

const NONE: Lag = { events: 0, seconds: 0 };

export class LagMeter {
  private readonly store: Pick<EventStore, 'readAll'>;
  /** The last event known to be in the log that projections take. */
  private end: Checkpoint | undefined;
  /** The first event of what is being worked on. */
  private inHand: Checkpoint | undefined;
  private last: number | undefined;
  private events = 0;
  private distance = 0;

  constructor(store: Pick<EventStore, 'readAll'>) {
    this.store = store;
  }

  /** @throws UnavailableError */
  async lookForEnd(): Promise<void> {
    const end = await lastEvent(this.store);
    if (end !== undefined) this.reaches(end);
  }

  /** From another place of the log on. */
  restarted(): void {
    this.last = undefined;
    this.inHand = undefined;
  }

  received(item: FeedItem): void {
    if (item.kind === 'caught-up') {
      // Nothing is said of the end: that may have moved on since the feed was there.
      this.inHand = undefined;
      return;
    }
    const places = item.kind === 'erasure' ? [item.at] : item.inputs.map(placeOf);
    const [first, last] = [places[0], places.at(-1)];
    if (first === undefined || last === undefined) return;
    this.inHand = first;
    if (this.last !== undefined) {
      this.distance += last.position - this.last;
      this.events += places.length;
    }
    this.last = last.position;
    this.reaches(last);
  }

  /** Of a projection that stands there. */
  behind(checkpoint: Checkpoint | undefined, nowMs: number): Lag {
    const { end, inHand } = this;
    const position = checkpoint?.position ?? -1;
    if (end === undefined || position >= end.position) return NONE;
    const mean = this.events === 0 ? 1 : this.distance / this.events;
    const distance = Math.ceil((end.position - Math.max(0, position)) / mean);
    const oldest = inHand !== undefined && inHand.position > position ? inHand : (checkpoint ?? end);
    return {
      events: Math.max(1, Math.min(this.events === 0 ? EVENTS_UNSEEN_MAX : Infinity, distance)),
      seconds: Math.max(0, (nowMs - oldest.createdMs) / 1_000),
    };
  }

  private reaches(end: Checkpoint): void {
    if (end.position > (this.end?.position ?? -1)) this.end = end;
  }
}

function placeOf({ event: { position }, createdMs }: { event: { position: number }; createdMs: number }): Checkpoint {
  return { position, createdMs };
}

/**
 * The last event that projections take, which their checkpoints come to. Mostly it is the first that is looked at.
 *
 * @throws UnavailableError
 */
export async function lastEvent(store: Pick<EventStore, 'readAll'>): Promise<Checkpoint | undefined> {
  let from: bigint | 'end' = 'end';
  for (let maxCount = 1; ; maxCount = Math.min(maxCount * LOOK_GROWTH, LOOK_EVENTS_MAX)) {
    let looked = 0;
    for await (const event of store.readAll({ direction: 'backwards', from, maxCount, filter: PROJECTED })) {
      if (isTaken(event)) return { position: Number(event.position), createdMs: event.createdMs };
      from = event.position;
      looked += 1;
    }
    if (looked < maxCount) return undefined;
  }
}
