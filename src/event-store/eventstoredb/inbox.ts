/**
 * What a subscription's call has brought and its consumer has not yet taken: at most a run of events and a checkpoint. Past
 * its bound the call is paused, and nothing more is read from the socket until the consumer has taken what is here.
 */
import type { ClientReadableStream } from '@grpc/grpc-js';
import type { RecordedEvent } from '../event-store.ts';
import { decodeReadAnswer } from './answers.ts';
import { TransientError } from './failures.ts';

/** Of one message to the consumer. */
const EVENTS_MAX = 512;
const BYTES_MAX = 1_048_576;

export interface Taken {
  readonly events: readonly RecordedEvent[];
  /** Everything considered before it is in `events` or was given before. */
  readonly checkpoint: bigint | undefined;
  readonly isCaughtUp: boolean;
  /** The server has confirmed the subscription. */
  readonly isConfirmed: boolean;
}

export class Inbox {
  private readonly call: ClientReadableStream<Buffer>;
  private events: RecordedEvent[] = [];
  private bytes = 0;
  private checkpoint: bigint | undefined;
  private isCaughtUp = false;
  private isConfirmed = false;
  private rung = false;
  private wake: () => void = () => undefined;
  /** How the call ended; kept until what came before it is taken. */
  private end: { readonly error: Error | undefined } | undefined;

  constructor(call: ClientReadableStream<Buffer>) {
    this.call = call;
    call.on('data', (bytes: Buffer) => this.put(bytes));
    call.on('error', error => this.finish(error));
    call.on('end', () => {
      this.finish(new TransientError('The server ended the subscription.', { isConnectionLost: false }));
    });
  }

  /** All there is, waited for; undefined once stopped. Rejects with what ended the call. */
  async take(): Promise<Taken | undefined> {
    while (!this.hasNews()) {
      if (this.end) {
        if (this.end.error) throw this.end.error;
        return undefined;
      }
      await new Promise<void>(resolve => (this.wake = resolve));
    }
    const { events, checkpoint, isCaughtUp, isConfirmed } = this;
    this.events = [];
    this.bytes = 0;
    this.checkpoint = undefined;
    this.isCaughtUp = false;
    this.rung = false;
    if (this.call.isPaused() && !this.end) this.call.resume();
    return { events, checkpoint, isCaughtUp, isConfirmed };
  }

  /** Has the consumer look again, though nothing came. */
  ring(): void {
    this.rung = true;
    this.wake();
  }

  /** Ends the call; what was not taken is dropped. */
  stop(): void {
    this.end = { error: undefined };
    this.events = [];
    this.checkpoint = undefined;
    this.isCaughtUp = false;
    this.rung = false;
    this.call.cancel();
    this.wake();
  }

  private hasNews(): boolean {
    return this.events.length > 0 || this.checkpoint !== undefined || this.isCaughtUp || this.rung;
  }

  private put(bytes: Buffer): void {
    if (this.end) return;
    try {
      this.sort(bytes);
    } catch (error) {
      this.call.cancel();
      this.finish(new TransientError('An answer is malformed.', { isConnectionLost: true, cause: error }));
      return;
    }
    this.wake();
  }

  private sort(bytes: Buffer): void {
    const answer = decodeReadAnswer(bytes);
    switch (answer.kind) {
      case 'event':
        this.events.push(answer.event);
        // Events behind a checkpoint make it one of the past; the run ends at the last event then.
        this.checkpoint = undefined;
        this.bytes += bytes.length;
        break;
      case 'checkpoint':
        this.checkpoint = answer.position;
        break;
      case 'caught-up':
        this.isCaughtUp = true;
        break;
      case 'confirmation':
        this.isConfirmed = true;
        this.rung = true;
        break;
      default:
        return;
    }
    if (this.events.length >= EVENTS_MAX || this.bytes >= BYTES_MAX) this.call.pause();
  }

  private finish(error: Error): void {
    this.end ??= { error };
    this.wake();
  }
}
