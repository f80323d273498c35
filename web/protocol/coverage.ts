/**
 * An independent check of what a room's frames promise: it looks at the raw frames, before the connection has accepted or
 * refused any, and counts what it finds. A revision is seen once or it is a duplicate; a revision passed over without
 * being covered is a gap. In the staff view nothing is hidden, so a covered revision that was not sent is a gap too.
 */
import type { ServerFrame } from './frames.ts';

export type Arrival = 'backlog' | 'live' | 'resumed' | 'hidden';

export interface Resume {
  /** The cursor it resumed from. */
  readonly after: number;
  /** The cursor it had when it was caught up; undefined while it is still catching up. */
  readonly upTo: number | undefined;
  readonly revisions: number;
  readonly gaps: number;
  readonly duplicates: number;
}

/** Revisions remembered for display, newest last. Counting needs only the highest. */
const ARRIVALS_MAX = 240;

export class Coverage {
  readonly arrivals = new Map<number, Arrival>();
  readonly #everythingVisible: boolean;
  #highest: number | undefined;
  #phase: 'backlog' | 'live' | 'resumed' = 'backlog';
  #gaps = 0;
  #duplicates = 0;
  #resume: Resume | undefined;
  #atResume = { gaps: 0, duplicates: 0 };

  constructor(options: { readonly everythingVisible: boolean }) {
    this.#everythingVisible = options.everythingVisible;
  }

  get gaps(): number {
    return this.#gaps;
  }

  get duplicates(): number {
    return this.#duplicates;
  }

  /** The highest revision covered; undefined before the first `subscribed`. */
  get upTo(): number | undefined {
    return this.#highest;
  }

  get lastResume(): Resume | undefined {
    return this.#resume;
  }

  /** Takes the next raw frame of the room. Others are not its business. */
  observe(frame: ServerFrame): void {
    switch (frame.op) {
      case 'subscribed':
        this.#begin(frame.after);
        return;
      case 'events':
        this.#cover(frame);
        return;
      case 'caught-up':
        if (this.#resume && this.#phase === 'resumed') this.#resume = { ...this.#resume, upTo: frame.upTo };
        this.#phase = 'live';
        return;
      case 'reset':
        this.#highest = undefined;
        this.#resume = undefined;
        this.arrivals.clear();
        return;
      default:
        return;
    }
  }

  #begin(after: number): void {
    if (this.#highest === undefined) {
      this.#highest = after;
      this.#phase = 'backlog';
      return;
    }
    this.#phase = 'resumed';
    this.#atResume = { gaps: this.#gaps, duplicates: this.#duplicates };
    this.#resume = { after, upTo: undefined, revisions: 0, gaps: 0, duplicates: 0 };
  }

  #cover(frame: Extract<ServerFrame, { op: 'events' }>): void {
    const expected = this.#highest ?? frame.after;
    if (frame.after > expected) this.#gaps += frame.after - expected;
    let last = expected;
    let sent = 0;
    for (const { rev } of frame.events) {
      if (rev <= last) {
        this.#duplicates += 1;
        continue;
      }
      this.#pass(last, rev, frame.after);
      this.#arrived(rev, this.#phase);
      last = rev;
      sent += 1;
    }
    this.#pass(last, frame.upTo + 1, frame.after);
    this.#highest = Math.max(expected, frame.upTo, last);
    if (this.#resume && this.#phase === 'resumed') {
      this.#resume = {
        ...this.#resume,
        revisions: this.#resume.revisions + sent,
        gaps: this.#gaps - this.#atResume.gaps,
        duplicates: this.#duplicates - this.#atResume.duplicates,
      };
    }
  }

  /** Revisions strictly between `last` and `next` that this frame covers without sending them. */
  #pass(last: number, next: number, after: number): void {
    const first = Math.max(last, after) + 1;
    for (let rev = Math.max(first, next - ARRIVALS_MAX); rev < next; rev++) {
      if (!this.#everythingVisible) this.#arrived(rev, 'hidden');
    }
    if (this.#everythingVisible && next > first) this.#gaps += next - first;
  }

  #arrived(rev: number, how: Arrival): void {
    this.arrivals.set(rev, how);
    if (this.arrivals.size <= ARRIVALS_MAX) return;
    const oldest = this.arrivals.keys().next();
    if (!oldest.done) this.arrivals.delete(oldest.value);
  }
}
