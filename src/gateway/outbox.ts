/**
 * The outgoing side of one socket. It holds the bound of its queue (GW-9): events that would go over it are refused, so
 * that the session falls behind; answers have a reserve of their own, and a socket that cannot take even those ends;
 * ephemeral frames are shed first. It also notices a socket of which nothing drains.
 */
import type { Clock } from '../domain/clock.ts';
import type { GatewayLimits } from './limits.ts';
import type { ServerFrame } from './server-frames.ts';
import type { Socket } from './sockets.ts';

export class Outbox {
  private readonly socket: Socket;
  private readonly limits: GatewayLimits;
  private readonly clock: Clock;
  private readonly owner: { overflow(): void };
  /** False only when nothing can be queued; spares the usual send a look at the socket's queue. */
  private mayBeQueued = false;
  private lastQueuedBytes = 0;
  private progressedAt = 0;
  private waiting: (() => void)[] | undefined;
  private closed = false;

  /** `overflow` is called when an answer finds no room. */
  constructor(socket: Socket, limits: GatewayLimits, clock: Clock, owner: { overflow(): void }) {
    this.socket = socket;
    this.limits = limits;
    this.clock = clock;
    this.owner = owner;
  }

  /** False: not sent, and the session must fall behind. A frame larger than the bound goes into an empty queue only. */
  offerEvents(bytes: Uint8Array): boolean {
    if (this.closed) return false;
    return this.mayBeQueued && !this.fits(bytes.length) ? false : this.send(bytes);
  }

  private fits(bytes: number): boolean {
    const queued = this.queuedBytes();
    const { queueBytes, answerBytes } = this.limits;
    return queued === 0 || queued + bytes <= queueBytes - answerBytes;
  }

  /** Answers and notices: in order, and never dropped. */
  answer(frame: ServerFrame): void {
    this.answerEncoded(Buffer.from(JSON.stringify(frame), 'utf8'));
  }

  answerEncoded(bytes: Uint8Array): void {
    if (this.closed) return;
    const queued = this.queuedBytes();
    const tooMuch = queued > 0 && queued + bytes.length > this.limits.queueBytes;
    if (tooMuch || !this.send(bytes)) this.owner.overflow();
  }

  /** Dropped unless the queue is short. */
  offerEphemeral(bytes: Uint8Array): void {
    if (!this.closed && this.isLow()) this.send(bytes);
  }

  private send(bytes: Uint8Array): boolean {
    const result = this.socket.send(bytes);
    if (result === 'sent') return true;
    if (result === 'dropped') return false;
    if (!this.mayBeQueued) this.progressedAt = this.clock.now();
    this.mayBeQueued = true;
    return true;
  }

  queuedBytes(): number {
    if (this.closed || !this.mayBeQueued) return 0;
    const queued = this.socket.queuedBytes();
    if (queued === 0) this.mayBeQueued = false;
    return queued;
  }

  private isLow(): boolean {
    return this.queuedBytes() < this.limits.lowWaterBytes;
  }

  /** Whether a session that catches up may be sent a frame of so many bytes. */
  hasRoomFor(bytes: number): boolean {
    return this.isLow() && this.fits(bytes);
  }

  /** Resolves once `hasRoomFor`, or the socket has closed. */
  async roomFor(bytes: number): Promise<void> {
    while (!this.closed && !this.hasRoomFor(bytes))
      await new Promise<void>(resolve => (this.waiting ??= []).push(resolve));
  }

  drained(): void {
    this.progressedAt = this.clock.now();
    if (this.isLow()) this.release();
  }

  /** Looked at about once a second: whether not a byte has drained for `stalledMs`. */
  isStalled(now: number): boolean {
    const queued = this.queuedBytes();
    if (queued === 0 || queued < this.lastQueuedBytes) this.progressedAt = now;
    this.lastQueuedBytes = queued;
    return now - this.progressedAt >= this.limits.stalledMs;
  }

  close(): void {
    this.closed = true;
    this.release();
  }

  private release(): void {
    const { waiting } = this;
    this.waiting = undefined;
    for (const resolve of waiting ?? []) resolve();
  }
}
