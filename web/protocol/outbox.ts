/**
 * The commands that have no final answer, in the order they were given. A command leaves with its ack or its last nack,
 * never with a lost connection.
 */
import type { ClientFrame, Nack } from './frames.ts';
import type { Timers } from './socket.ts';

export type Pending = Extract<ClientFrame, { op: 'send' }>;

/** Commands waiting for an answer at once; more are not taken. */
const PENDING_MAX = 200;
/** Times a command is tried again after a retryable nack. */
const NACK_RETRIES_MAX = 5;
const NACK_RETRY_MS = 500;

export class Outbox {
  readonly #pending = new Map<string, { readonly command: Pending; nacks: number }>();
  readonly #send: (frame: ClientFrame) => void;
  readonly #timers: Timers;
  readonly #answerTimeoutMs: number;
  readonly #silent: () => void;
  readonly #cancelRetries = new Map<string, () => void>();
  #cancelWatch: (() => void) | undefined;
  #online = false;

  /** `silent` is called when something was sent and nothing was answered for `answerTimeoutMs`. */
  constructor(send: (frame: ClientFrame) => void, timers: Timers, answerTimeoutMs: number, silent: () => void) {
    this.#send = send;
    this.#timers = timers;
    this.#answerTimeoutMs = answerTimeoutMs;
    this.#silent = silent;
  }

  get size(): number {
    return this.#pending.size;
  }

  add(command: Pending): boolean {
    if (this.#pending.size >= PENDING_MAX) return false;
    this.#pending.set(command.id, { command, nacks: 0 });
    this.#transmit(command);
    return true;
  }

  /** Everything unanswered goes out again, in order: the ids make that safe. */
  resume(): void {
    this.#online = true;
    for (const { command } of this.#pending.values()) this.#transmit(command);
  }

  disconnected(): void {
    this.#online = false;
    this.#unwatch();
    for (const cancel of this.#cancelRetries.values()) cancel();
    this.#cancelRetries.clear();
  }

  settle(id: string): void {
    this.#pending.delete(id);
    this.#cancelRetries.get(id)?.();
    this.#cancelRetries.delete(id);
    this.#unwatch();
    if (this.#pending.size > 0) this.#watch();
  }

  /** @returns the command where the answer is final; undefined where it is tried again */
  refuse(nack: Nack): Pending | undefined {
    const entry = this.#pending.get(nack.id);
    if (entry === undefined) return undefined;
    entry.nacks += 1;
    if (!nack.retryable || entry.nacks > NACK_RETRIES_MAX) {
      this.settle(nack.id);
      return entry.command;
    }
    this.#unwatch();
    this.#cancelRetries.set(
      nack.id,
      this.#timers.after(nack.retryAfterMs ?? NACK_RETRY_MS * entry.nacks, () => {
        this.#cancelRetries.delete(nack.id);
        this.#transmit(entry.command);
      }),
    );
    return undefined;
  }

  #transmit(command: Pending): void {
    if (!this.#online) return;
    this.#send(command);
    this.#watch();
  }

  #watch(): void {
    this.#cancelWatch ??= this.#timers.after(this.#answerTimeoutMs, this.#silent);
  }

  #unwatch(): void {
    this.#cancelWatch?.();
    this.#cancelWatch = undefined;
  }
}
