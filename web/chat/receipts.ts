/**
 * What this side tells of how far it has come in its room. A receipt is never acked: the ReceiptRecorded that comes back as
 * an event is the proof, so what was told on a connection that broke is told again on the next one, and what the log
 * has recorded already is never told.
 *
 * Told after a moment, the highest alone: a message that is looked at as it arrives is `read` and needs no `delivered`.
 */
import type { Timers } from '../protocol/socket.ts';
import type { ReceiptKind } from './room-state.ts';

/** From a message's arrival to the receipts, so that those of a burst are one. */
const MOMENT_MS = 600;

export class Receipts {
  readonly #send: (kind: ReceiptKind, seq: number) => boolean;
  readonly #timers: Timers;
  #highest = { read: -1, delivered: -1 };
  #recorded = { read: -1, delivered: -1 };
  /** On this connection, or recorded. */
  #told = { read: -1, delivered: -1 };
  #caughtUp = false;
  #cancel: (() => void) | undefined;

  /** `send` answers false where there is no connection. */
  constructor(send: (kind: ReceiptKind, seq: number) => boolean, timers: Timers) {
    this.#send = send;
    this.#timers = timers;
  }

  /** A message of somebody else is here. */
  arrived(seq: number): void {
    this.#note('delivered', seq);
  }

  /** A message of somebody else was on the screen. */
  seen(seq: number): void {
    this.#note('read', seq);
  }

  recorded(kind: ReceiptKind, seq: number): void {
    this.#recorded[kind] = Math.max(this.#recorded[kind], seq);
    this.#told[kind] = Math.max(this.#told[kind], seq);
  }

  /** From here on it is known what the log has recorded. */
  caughtUp(): void {
    this.#caughtUp = true;
    this.#plan();
  }

  disconnected(): void {
    this.#caughtUp = false;
    this.#told = { ...this.#recorded };
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** The room begins again: nothing that was noted of it holds. */
  reset(): void {
    this.#highest = { read: -1, delivered: -1 };
    this.#recorded = { read: -1, delivered: -1 };
    this.disconnected();
  }

  #note(kind: ReceiptKind, seq: number): void {
    if (seq <= this.#highest[kind]) return;
    this.#highest[kind] = seq;
    this.#plan();
  }

  #plan(): void {
    if (!this.#caughtUp) return;
    this.#cancel ??= this.#timers.after(MOMENT_MS, () => {
      this.#cancel = undefined;
      this.#tell('read', this.#told.read);
      this.#tell('delivered', Math.max(this.#told.delivered, this.#told.read));
    });
  }

  #tell(kind: ReceiptKind, known: number): void {
    const seq = this.#highest[kind];
    if (seq > known && this.#send(kind, seq)) this.#told[kind] = seq;
  }
}
