/**
 * One socket's state machine. States:
 *   awaiting-token   no token came with the upgrade: the first frame must be `auth`, within `authenticateMs`
 *   authenticating   a token is being verified; frames that come meanwhile wait (bounded in count and bytes)
 *   open             `hello` was sent; frames are served
 *   closed           nothing is sent or served any more
 * awaiting-token -> authenticating -> open -> closed; any -> closed. Frames other than `send` are served one after the
 * other in the order they came; commands are handed over in the order they came, a room (session-sends.ts).
 */
import type { TokenVerdict } from '../auth/tokens.ts';
import type { Claims } from '../domain/claims.ts';
import { RequestError } from '../errors.ts';
import { parseClientFrame, type ClientFrame, type ParsedFrame } from './client-frames.ts';
import { CLOSE, unauthorized, type Close } from './close-codes.ts';
import type { GatewayContext } from './context.ts';
import { faultOf } from '../faults.ts';
import { Outbox } from './outbox.ts';
import { roomFault } from './room-fault.ts';
import { errorFrame, nackFrame, type ServerFrame } from './server-frames.ts';
import { SessionRooms } from './session-rooms.ts';
import { SessionSends } from './session-sends.ts';
import type { Socket, SocketHandlers } from './sockets.ts';
import { TokenBucket } from './token-bucket.ts';

type State =
  | { readonly kind: 'awaiting-token' }
  | { readonly kind: 'authenticating'; readonly waiting: string[]; bytes: number }
  | { readonly kind: 'open'; readonly rooms: SessionRooms; sends: SessionSends | undefined }
  | { readonly kind: 'closed' };

/** Frames served one after the other: all that are neither `send` nor `auth`. */
type Request = Exclude<ClientFrame, { op: 'send' | 'auth' }>;

export class Session implements SocketHandlers {
  readonly id: string;
  readonly outbox: Outbox;
  private readonly context: GatewayContext;
  private readonly socket: Socket;
  private readonly sessions: { delete(session: Session): unknown };
  private readonly openedAt: number;
  /** Only while some wait: most sessions say nothing most of the time, and an array that was used keeps its room. */
  private requests: Request[] | undefined;
  private readonly requestRate: TokenBucket;
  private state: State = { kind: 'awaiting-token' };
  private acceptedClaims: Claims | undefined;
  private heardAt: number;
  private pingedAt: number;
  private badFrames = 0;
  private badFramesSince: number;

  /** It leaves `sessions` when it closes. */
  constructor(context: GatewayContext, socket: Socket, sessions: { delete(session: Session): unknown }) {
    const now = context.clock.now();
    this.id = context.newId();
    this.context = context;
    this.socket = socket;
    this.sessions = sessions;
    this.openedAt = this.heardAt = this.pingedAt = this.badFramesSince = now;
    this.requestRate = new TokenBucket(context.limits.requestsPerSecond, context.clock);
    this.outbox = new Outbox(socket, context.limits, context.clock, this);
  }

  /**
   * With the token of the upgrade, or of the first `auth` frame. `refused` is asked of a token that is not valid: how to
   * close where that is not all there is to say.
   */
  authenticate(token: string, ref?: string, refused?: () => Close | undefined): void {
    this.state = { kind: 'authenticating', waiting: [], bytes: 0 };
    this.context.verifyToken(token).then(
      verdict => {
        this.authenticated(verdict, ref, refused);
      },
      (error: unknown) => {
        this.fail(error);
      },
    );
  }

  /** As the last accepted token says; they outlive the open state, for what is still under way. */
  get claims(): Claims {
    if (this.acceptedClaims === undefined) throw new Error('A session has no claims before it has been open.');
    return this.acceptedClaims;
  }

  /** The socket cannot take even an answer. */
  overflow(): void {
    this.end(CLOSE.tooSlow);
  }

  isOpen(): boolean {
    return this.state.kind === 'open';
  }

  private authenticated(verdict: TokenVerdict, ref: string | undefined, refused?: () => Close | undefined): void {
    const { state } = this;
    if (state.kind !== 'authenticating') return;
    if (verdict.kind !== 'valid') {
      const close = refused?.();
      if (close) this.end(close);
      else if (verdict.kind === 'expired') this.end(CLOSE.tokenExpired);
      else this.endUnauthorized('token', verdict.message);
      return;
    }
    const { claims } = verdict;
    const { limits, log } = this.context;
    const rooms = new SessionRooms(this.context, this);
    this.acceptedClaims = claims;
    this.context.admission.connected(this);
    this.state = { kind: 'open', rooms, sends: undefined };
    const { frameBytes, sendsPerSecond, queueBytes, heartbeatMs } = limits;
    this.outbox.answer({
      op: 'hello',
      ref,
      session: this.id,
      user: claims.sub,
      role: claims.role,
      log,
      heartbeatMs,
      limits: { frameBytes, rooms: limits.rooms, sendsPerSecond, queueBytes },
    });
    for (const text of state.waiting) this.receive(text);
  }

  /** Whatever a client says, a bug of ours that it meets ends its own session and not the process. */
  message(data: string | undefined, size: number): void {
    this.heardAt = this.context.clock.now();
    if (this.state.kind === 'closed') return;
    const { frameBytes } = this.context.limits;
    try {
      if (size > frameBytes) this.badFrame({ code: 'too-large', message: `A frame has at most ${frameBytes} bytes.` });
      else if (data === undefined) this.badFrame({ code: 'bad-request', message: 'Frames are text, not binary.' });
      else this.receive(data);
    } catch (error) {
      this.fail(error);
    }
  }

  private receive(text: string): void {
    const { state } = this;
    switch (state.kind) {
      case 'awaiting-token': {
        const parsed = parseClientFrame(text);
        if (parsed.kind === 'frame' && parsed.frame.op === 'auth')
          this.authenticate(parsed.frame.token, parsed.frame.ref);
        else this.endUnauthorized('the first frame was not auth');
        return;
      }
      case 'authenticating': {
        const { framesWaiting, frameBytes } = this.context.limits;
        state.waiting.push(text);
        state.bytes += text.length;
        if (state.waiting.length > framesWaiting || state.bytes > frameBytes) this.end(CLOSE.badRequest);
        return;
      }
      case 'open':
        if (this.context.clock.now() >= this.claims.expiresAt) this.end(CLOSE.tokenExpired);
        else this.serve(parseClientFrame(text), state);
        return;
      case 'closed':
        return;
    }
  }

  private serve(parsed: ParsedFrame, open: Extract<State, { kind: 'open' }>): void {
    if (parsed.kind === 'bad')
      this.badFrame({ code: 'bad-request', message: parsed.message, path: parsed.path }, parsed.ref);
    else if (parsed.kind === 'bad-send') {
      const fault = { code: 'bad-request', message: parsed.message, path: parsed.path } as const;
      this.countBadFrame(nackFrame(fault, parsed));
    } else if (parsed.frame.op === 'send') this.sendsOf(open).send(parsed.frame);
    else if (parsed.frame.op === 'auth')
      this.badFrame(
        { code: 'bad-request', message: 'Already authenticated; use refresh.', path: 'op' },
        parsed.frame.ref,
      );
    else this.request(parsed.frame);
  }

  /** Made for the first command: most sessions only read. */
  private sendsOf(open: Extract<State, { kind: 'open' }>): SessionSends {
    return (open.sends ??= new SessionSends(this.context, this));
  }

  private badFrame(
    fault: { code: 'bad-request' | 'too-large'; message: string; path?: string | undefined },
    ref?: string,
  ): void {
    this.countBadFrame(errorFrame(fault, { ref }));
  }

  /** What the frame is answered is the frame's; what is counted is the session's. */
  private countBadFrame(answer: ServerFrame): void {
    const now = this.context.clock.now();
    if (now - this.badFramesSince >= 60_000) {
      this.badFrames = 0;
      this.badFramesSince = now;
    }
    this.badFrames += 1;
    this.context.counters.badFrames += 1;
    this.outbox.answer(answer);
    if (this.badFrames >= this.context.limits.badFramesPerMinute) this.end(CLOSE.badRequest);
  }

  private request(frame: Request): void {
    const { framesWaiting, requestsPerSecond } = this.context.limits;
    const waitMs = this.requestRate.take();
    const crowded = (this.requests?.length ?? 0) >= framesWaiting;
    if (waitMs > 0 || crowded) {
      // Typing is shed without a word, as every ephemeral frame is.
      if (frame.op === 'typing') return;
      const message = crowded ? `At most ${framesWaiting} frames may wait.` : `At most ${requestsPerSecond} a second.`;
      const room = 'room' in frame ? frame.room : undefined;
      this.outbox.answer(
        errorFrame({ code: 'rate-limited', message, retryAfterMs: waitMs || 1_000 }, { ref: frame.ref, room }),
      );
      return;
    }
    if (this.requests) this.requests.push(frame);
    else void this.serveRequests((this.requests = [frame]));
  }

  private async serveRequests(requests: Request[]): Promise<void> {
    for (let frame = requests.shift(); frame; frame = requests.shift()) {
      if (this.state.kind !== 'open') break;
      try {
        await this.serveRequest(frame, this.state.rooms);
      } catch (error) {
        this.refuse(error, frame);
      }
    }
    this.requests = undefined;
  }

  /** Answers a frame other than `send` with what went wrong. */
  refuse(
    error: unknown,
    frame: { readonly op: string; readonly ref?: string | undefined; readonly room?: string },
  ): void {
    const fault = frame.room === undefined ? faultOf(error) : roomFault(error);
    if (fault.code === 'internal')
      this.context.logger.error('a frame failed', { error, session: this.id, op: frame.op });
    this.outbox.answer(errorFrame(fault, { ref: frame.ref, room: frame.room }));
  }

  private serveRequest(frame: Request, rooms: SessionRooms): Promise<void> | void {
    switch (frame.op) {
      case 'subscribe':
        return rooms.subscribe(frame);
      case 'unsubscribe':
        rooms.unsubscribe(frame.room, frame.ref);
        return;
      case 'history':
        return rooms.history(frame);
      case 'typing':
        rooms.typing(frame);
        return;
      case 'read':
      case 'delivered':
        return rooms.receipt(frame);
      case 'refresh':
        return this.refresh(frame.token, frame.ref);
    }
  }

  /** A token that cannot be taken changes nothing: the session goes on under the one it has, until that expires. */
  private async refresh(token: string, ref: string | undefined): Promise<void> {
    const verdict = await this.context.verifyToken(token);
    const { state } = this;
    if (state.kind !== 'open') return;
    if (verdict.kind !== 'valid') {
      const message = verdict.kind === 'expired' ? 'The token has expired.' : verdict.message;
      throw new RequestError('unauthorized', message, { path: 'token' });
    }
    const { claims } = verdict;
    const { sub, tenant, role } = this.claims;
    if (claims.sub !== sub || claims.tenant !== tenant || claims.role !== role)
      throw new RequestError('forbidden', 'A refresh keeps sub, tenant and role.', { path: 'token' });
    this.acceptedClaims = claims;
    this.outbox.answer({ op: 'refreshed', ref, expiresAt: new Date(claims.expiresAt).toISOString() });
    await state.rooms.askAccessAgain();
  }

  /** Bytes that drain are a sign of life too: a pong may be held up behind them for long. */
  drain(): void {
    this.heardAt = this.context.clock.now();
    if (this.state.kind !== 'closed') this.outbox.drained();
  }

  pong(): void {
    this.heardAt = this.context.clock.now();
  }

  closed(): void {
    this.close();
  }

  /** Called about once a second: everything about this session that is due by time alone. */
  tick(now: number): void {
    const { limits } = this.context;
    if (this.state.kind === 'closed') return;
    if (this.state.kind === 'open' && now >= this.claims.expiresAt) this.end(CLOSE.tokenExpired);
    else if (this.state.kind === 'open' && this.context.isRevoked(this.claims)) this.endUnauthorized('revoked');
    else if (this.state.kind !== 'open' && now - this.openedAt >= limits.authenticateMs)
      this.endUnauthorized(`no auth within ${limits.authenticateMs / 1_000} s`);
    else if (this.outbox.isStalled(now)) this.end(CLOSE.tooSlow);
    // While bytes are queued a ping waits behind them, and the bound on a stall is what counts.
    else if (this.outbox.queuedBytes() === 0 && now - this.heardAt >= limits.silenceMs) this.end(CLOSE.noHeartbeat);
    else if (now - this.pingedAt >= limits.heartbeatMs) {
      this.pingedAt = now;
      this.socket.ping();
    }
  }

  /** Tells the client to come back later and refuses new commands. Resolves when those in flight are answered. */
  announceDrain(reconnectAfterMs: number): Promise<void> {
    const { state } = this;
    if (state.kind !== 'open') return Promise.resolve();
    // A socket that takes no more ends its session here; what it has in flight is finished all the same.
    this.outbox.answer({ op: 'drain', reconnectAfterMs });
    return this.sendsOf(state).drain();
  }

  fail(error: unknown): void {
    if (this.state.kind === 'closed') return;
    this.context.logger.error('a session failed', { error, session: this.id });
    this.end(CLOSE.serverError);
  }

  /** The client is told `why`; the log gets `detail` as well, which is a verdict's own words and never a token's. */
  endUnauthorized(why: string, detail?: string): void {
    this.context.logger.info('a socket was not authorized', { session: this.id, why, detail });
    this.end(unauthorized(why));
  }

  end({ code, reason }: Close): void {
    if (this.state.kind === 'closed') return;
    this.close();
    this.socket.end(code, reason);
  }

  private close(): void {
    const { state } = this;
    if (state.kind === 'closed') return;
    this.state = { kind: 'closed' };
    this.context.admission.connected(this);
    this.outbox.close();
    if (state.kind === 'open') state.rooms.close();
    if (this.requests) this.requests.length = 0;
    this.sessions.delete(this);
  }
}
