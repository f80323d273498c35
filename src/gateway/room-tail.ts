/**
 * The last revisions of one room as the wire has them, in both views: contiguous from `first` to `head`, and grown by
 * what the live feed brings. What follows a cursor is encoded once and shared by all who resume there.
 */
import type { View } from '../domain/conversation/view.ts';
import { eventFrames, type EncodedRun, type EventFrame } from './event-frames.ts';

/** What an event costs beside its text: two places in arrays, and its share of the string's own head. */
const EVENT_BYTES = 64;
/** The part of its bound that a tail which grew over it is cut to. */
const TRIMMED_TO = 0.75;
/** A tail that is nothing yet. */
const TAIL_BYTES = 1_024;

export interface TailLimits {
  readonly frameBytes: number;
  /** The frames given out at once hold about so much. */
  readonly pageBytes: number;
  /** The oldest revisions go once a tail is larger. */
  readonly tailBytes: number;
}

export class RoomTail {
  private readonly room: string;
  private readonly limits: TailLimits;
  private firstRevision: bigint;
  private readonly staff: string[] = [];
  private readonly visitor: string[] = [];
  private eventBytes = 0;
  /** Frames by view and cursor, of the head as it is. */
  private readonly shared = new Map<string, readonly EventFrame[]>();
  private sharedBytes = 0;

  /** `first`: the revision that the first event to be appended has. */
  constructor(room: string, first: bigint, limits: TailLimits) {
    this.room = room;
    this.firstRevision = first;
    this.limits = limits;
  }

  get first(): bigint {
    return this.firstRevision;
  }

  /** The last revision it holds; `first` - 1 where it holds none. */
  get head(): bigint {
    return this.firstRevision + BigInt(this.staff.length) - 1n;
  }

  get bytes(): number {
    return TAIL_BYTES + this.eventBytes + this.sharedBytes;
  }

  /** Takes what follows the head; false where something is missing in between. What it has already is left out. */
  append(encoded: EncodedRun): boolean {
    const { run } = encoded;
    const start = run[0]?.revision;
    if (start === undefined) return true;
    const next = this.head + 1n;
    if (start > next) return false;
    const known = Number(next - start);
    if (known >= run.length) return true;
    const [staff, visitor] = [encoded.in('staff'), encoded.in('visitor')];
    for (let i = known; i < run.length; i++) {
      const full = staff[i] ?? '';
      const seen = visitor[i] ?? '';
      this.staff.push(full);
      // Most events look the same to both, and then one string serves.
      this.visitor.push(seen === full ? full : seen);
      this.eventBytes += cost(full, seen);
    }
    this.forgetShared();
    this.trim();
    return true;
  }

  /** Takes what ends right before it, where there is room for all of it; what was read once is asked for again. */
  prepend(encoded: EncodedRun): void {
    const first = encoded.run[0]?.revision;
    if (first === undefined || encoded.run.at(-1)?.revision !== this.firstRevision - 1n) return;
    const staff = encoded.in('staff');
    const visitor = encoded.in('visitor').map((seen, i) => (seen === staff[i] ? staff[i] : seen));
    const bytes = staff.reduce((sum, full, i) => sum + cost(full, visitor[i] ?? ''), 0);
    if (this.eventBytes + bytes > this.limits.tailBytes * TRIMMED_TO) return;
    this.staff.unshift(...staff);
    this.visitor.unshift(...visitor);
    this.eventBytes += bytes;
    this.firstRevision = first;
    this.forgetShared();
  }

  /** Whether it has everything that follows the cursor. */
  covers(cursor: bigint): boolean {
    return cursor >= this.firstRevision - 1n && cursor <= this.head;
  }

  /** What follows a cursor that it covers, or as much of it as a page holds. */
  framesAfter(cursor: bigint, view: View): readonly EventFrame[] {
    const key = `${view}${String(cursor)}`;
    const known = this.shared.get(key);
    if (known) return known;
    const { frameBytes, pageBytes, tailBytes } = this.limits;
    const encoded = this[view];
    const from = Number(cursor - this.firstRevision) + 1;
    const source = { room: this.room, first: this.firstRevision, encoded, from, to: encoded.length };
    const frames = eventFrames(source, frameBytes, pageBytes);
    const bytes = frames.reduce((sum, frame) => sum + frame.bytes.length, key.length);
    if (this.sharedBytes + bytes > tailBytes) this.forgetShared();
    this.shared.set(key, frames);
    this.sharedBytes += bytes;
    return frames;
  }

  private forgetShared(): void {
    this.shared.clear();
    this.sharedBytes = 0;
  }

  /** So far down that it is not done for each event; the last event stays, however large. */
  private trim(): void {
    const { tailBytes } = this.limits;
    if (this.eventBytes <= tailBytes) return;
    let gone = 0;
    while (gone < this.staff.length - 1 && this.eventBytes > tailBytes * TRIMMED_TO) {
      this.eventBytes -= cost(this.staff[gone] ?? '', this.visitor[gone] ?? '');
      gone += 1;
    }
    this.staff.splice(0, gone);
    this.visitor.splice(0, gone);
    this.firstRevision += BigInt(gone);
  }
}

/** At most two bytes a unit, as V8 stores text beyond Latin-1. */
function cost(staff: string, visitor: string): number {
  return EVENT_BYTES + 2 * (staff.length + (visitor === staff ? 0 : visitor.length));
}
