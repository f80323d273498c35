/** Who waits for the log's durable end to move: answers drawn from what is accepted but not durable, and subscribers. */
export class Durability {
  private readonly durableEnd: () => number;
  private waiting: { readonly position: number; readonly resolve: () => void }[] = [];
  private readonly listeners = new Set<() => void>();
  /** Counts failed groups: what was accepted before one may not be true after it. */
  failures = 0;

  constructor(durableEnd: () => number) {
    this.durableEnd = durableEnd;
  }

  /** Resolves once the record at `position` is durable, or its group has failed. */
  async settled(position: number): Promise<void> {
    if (position < this.durableEnd()) return;
    await new Promise<void>(resolve => this.waiting.push({ position, resolve }));
  }

  /** Resolves at the next move of the durable end, or after `msMax`. */
  nextMove(msMax: number): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        stop();
        clearTimeout(timer);
        resolve();
      };
      const stop = this.listen(done);
      const timer = setTimeout(done, msMax);
    });
  }

  /** Called at each move of the durable end, until the returned function is called. */
  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  moved(failed: boolean): void {
    if (failed) this.failures++;
    const end = this.durableEnd();
    const waiting = this.waiting;
    if (waiting.length > 0) {
      this.waiting = failed ? [] : waiting.filter(({ position }) => position >= end);
      for (const { position, resolve } of waiting) if (failed || position < end) resolve();
    }
    for (const listener of this.listeners) listener();
  }
}
