/** Appends on their way to the disk, in the whole node: past a bound the calls that bring more are paused. */
import type { AppendGate } from './batch-append.ts';

/** Half of what the store's own queue takes by default, so that a client is slowed and not refused. */
const BYTES_MAX = 16 * 1_048_576;

/** A stream of requests that can be held. */
interface Source {
  pause(): unknown;
  resume(): unknown;
}

export class InFlightGate implements AppendGate {
  private bytes = 0;
  private readonly paused = new Set<Source>();

  get isFull(): boolean {
    return this.bytes > BYTES_MAX;
  }

  entered(bytes: number): void {
    this.bytes += bytes;
  }

  left(bytes: number): void {
    this.bytes -= bytes;
    if (this.paused.size === 0 || this.bytes > BYTES_MAX / 2) return;
    const waiting = [...this.paused];
    this.paused.clear();
    for (const source of waiting) source.resume();
  }

  /** Until half of it has left. */
  pause(source: Source): void {
    source.pause();
    this.paused.add(source);
  }

  forget(source: Source): void {
    this.paused.delete(source);
  }
}
