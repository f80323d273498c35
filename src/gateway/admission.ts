/**
 * How many may come at once (GW-11): connections that have not said who they are, and resumes under way. Whoever is too
 * many is told when to come back, each another time, so that they do not come back together.
 */
import { RequestError } from '../errors.ts';
import { CLOSE, type Close } from './close-codes.ts';
import type { GatewayLimits } from './limits.ts';

/** Nobody is told to come back sooner. */
const RETRY_MS_MIN = 500;

export interface AdmissionStats {
  /** Connections that have not authenticated yet. */
  readonly handshakes: number;
  /** Subscriptions that have not come to the head for the first time. */
  readonly resumes: number;
  /** Connections and resumes told to come back later, since the start. */
  readonly refused: number;
}

export class Admission {
  private readonly limits: Pick<GatewayLimits, 'handshakes' | 'resumes' | 'sockets' | 'reconnectSpreadMs'>;
  private readonly random: () => number;
  private readonly shakingHands = new Set<object>();
  private resumes = 0;
  private refused = 0;

  constructor(limits: Admission['limits'], random: () => number) {
    this.limits = limits;
    this.random = random;
  }

  /** A connection begins, `sockets` of them are open with it. Undefined: it is welcome until `opened`; else how to close it. */
  connect(session: object, sockets: number): Close | undefined {
    if (sockets <= this.limits.sockets && this.shakingHands.size < this.limits.handshakes) {
      this.shakingHands.add(session);
      return undefined;
    }
    // In the reason, since a frame that is sent as the socket opens may be lost in its end.
    const { code, reason } = CLOSE.rateLimited;
    return { code, reason: `${reason}: retry after ${this.refuse()} ms` };
  }

  /** It has authenticated, or is gone; again is safe. */
  connected(session: object): void {
    this.shakingHands.delete(session);
  }

  /** To be called when the resume is over. @throws RequestError `rate-limited` */
  resume(): () => void {
    const { resumes } = this.limits;
    if (this.resumes >= resumes) {
      const retryAfterMs = this.refuse();
      throw new RequestError('rate-limited', 'Too many resumes are under way on this node.', { retryAfterMs });
    }
    this.resumes += 1;
    return () => {
      this.resumes -= 1;
    };
  }

  stats(): AdmissionStats {
    return { handshakes: this.shakingHands.size, resumes: this.resumes, refused: this.refused };
  }

  private refuse(): number {
    this.refused += 1;
    return RETRY_MS_MIN + Math.floor(this.random() * this.limits.reconnectSpreadMs);
  }
}
