/**
 * Folded states of the streams used last. Bounded by their number and by the events folded into them all, which their
 * memory follows (some 400 bytes an event); the one used last stays, however large.
 */
import type { Folded } from '../domain/decider.ts';

export interface FoldCacheLimits {
  readonly foldsMax: number;
  readonly foldedEventsMax: number;
}

interface Entry<State> {
  readonly folded: Folded<State>;
  events: number;
}

export class FoldCache<State> {
  private readonly limits: FoldCacheLimits;
  /** In the order of use, the oldest first. */
  private readonly entries = new Map<string, Entry<State>>();
  private events = 0;

  constructor(limits: FoldCacheLimits) {
    this.limits = limits;
  }

  get(stream: string): Folded<State> | undefined {
    const entry = this.entries.get(stream);
    if (entry === undefined) return undefined;
    this.entries.delete(stream);
    this.entries.set(stream, entry);
    return entry.folded;
  }

  /** Puts a fold in, or takes note that it has grown. */
  set(stream: string, folded: Folded<State>): void {
    this.delete(stream);
    const events = Number(folded.revision) + 1;
    this.entries.set(stream, { folded, events });
    this.events += events;
    for (const oldest of this.entries.keys()) {
      const over = this.entries.size > this.limits.foldsMax || this.events > this.limits.foldedEventsMax;
      if (!over || this.entries.size === 1) break;
      this.delete(oldest);
    }
  }

  delete(stream: string): void {
    const entry = this.entries.get(stream);
    if (entry === undefined) return;
    this.entries.delete(stream);
    this.events -= entry.events;
  }

  stats(): { readonly folds: number; readonly foldedEvents: number } {
    return { folds: this.entries.size, foldedEvents: this.events };
  }
}
