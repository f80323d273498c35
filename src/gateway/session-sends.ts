/** The commands of one session: bounded in rate and in flight, in order a room, each answered by an ack or a nack. */
import { parseConversationCommand } from '../schemas/conversation-commands.ts';
import type { CommandAck } from '../commands/commands.ts';
import { madeConversationId } from '../commands/derived-ids.ts';
import type { Claims } from '../domain/claims.ts';
import type { ConversationCommand } from '../domain/conversation/commands.ts';
import { RequestError } from '../errors.ts';
import type { SendFrame } from './client-frames.ts';
import type { GatewayContext } from './context.ts';
import { faultOf } from '../faults.ts';
import type { Outbox } from './outbox.ts';
import { askAccess, conversationOf, roomOf, ROOM_SHAPE } from './room-access.ts';
import { nackFrame, wireRevision } from './server-frames.ts';
import { TokenBucket } from './token-bucket.ts';

/** What a client is told to wait that has too many commands in flight. */
const IN_FLIGHT_RETRY_MS = 100;
const DRAIN_RETRY_MS = 1_000;

export interface SendsSession {
  /** Correlates what the session caused. */
  readonly id: string;
  readonly outbox: Outbox;
  readonly claims: Claims;
}

interface Target {
  readonly conversation: string;
  /** The server made the id, so no claim of a visitor can name the room. */
  readonly made: boolean;
}

export class SessionSends {
  private readonly context: GatewayContext;
  private readonly session: SendsSession;
  private readonly rate: TokenBucket;
  private inFlight = 0;
  /** By conversation: resolves when the last command before has been handed over, so that commands keep their order. */
  private readonly turns = new Map<string, Promise<void>>();
  private idleWaiting: (() => void)[] = [];
  private draining = false;

  constructor(context: GatewayContext, session: SendsSession) {
    this.context = context;
    this.session = session;
    this.rate = new TokenBucket(context.limits.sendsPerSecond, context.clock);
  }

  send(frame: SendFrame): void {
    let target: Target;
    let command: ConversationCommand;
    try {
      this.admit();
      target = this.target(frame);
      command = parseConversationCommand(frame.command, frame.data);
    } catch (error) {
      this.nack(frame, error);
      return;
    }
    this.inFlight += 1;
    void this.perform(frame, target, command).finally(() => {
      this.inFlight -= 1;
      if (this.inFlight === 0) for (const resolve of this.idleWaiting.splice(0)) resolve();
    });
  }

  /** From now on commands are refused, retryably. Resolves when those in flight are answered. */
  drain(): Promise<void> {
    this.draining = true;
    return this.inFlight === 0 ? Promise.resolve() : new Promise(resolve => this.idleWaiting.push(resolve));
  }

  private admit(): void {
    if (this.draining)
      throw new RequestError('unavailable', 'This node is going away; send again after reconnecting.', {
        retryAfterMs: DRAIN_RETRY_MS,
      });
    const waitMs = this.rate.take();
    const { sendsPerSecond, commandsInFlight } = this.context.limits;
    if (waitMs > 0)
      throw new RequestError('rate-limited', `At most ${sendsPerSecond} sends a second.`, { retryAfterMs: waitMs });
    if (this.inFlight >= commandsInFlight)
      throw new RequestError('rate-limited', `At most ${commandsInFlight} commands in flight.`, {
        retryAfterMs: IN_FLIGHT_RETRY_MS,
      });
  }

  private target({ id, room, command }: SendFrame): Target {
    if (room !== undefined) {
      const conversation = conversationOf(room);
      if (conversation === undefined) throw new RequestError('unknown-room', ROOM_SHAPE, { path: 'room' });
      return { conversation, made: false };
    }
    if (command !== 'StartConversation')
      throw new RequestError('bad-request', 'Only StartConversation may leave the room out.', { path: 'room' });
    const { tenant, sub } = this.session.claims;
    return { conversation: madeConversationId(tenant, sub, id), made: true };
  }

  private async perform(frame: SendFrame, target: Target, command: ConversationCommand): Promise<void> {
    const { outbox } = this.session;
    try {
      const { ack } = await this.handOver(frame, target, command);
      const { first, last, position, duplicate } = await ack;
      outbox.answer({
        op: 'ack',
        ref: frame.ref,
        id: frame.id,
        room: roomOf(target.conversation),
        first: first === null ? null : wireRevision(first),
        last: wireRevision(last),
        position: position === null ? null : String(position),
        duplicate,
      });
    } catch (error) {
      this.nack({ ...frame, room: roomOf(target.conversation) }, error);
    }
  }

  /** Asks access and gives the command to its handler, after every command of this session that came before it. */
  private handOver(
    frame: SendFrame,
    target: Target,
    command: ConversationCommand,
  ): Promise<{ ack: Promise<CommandAck> }> {
    const { conversation } = target;
    const before = this.turns.get(conversation);
    const handed = this.hand(frame, target, command, before);
    const turn = handed.then(ignore, ignore);
    this.turns.set(conversation, turn);
    void turn.then(() => {
      if (this.turns.get(conversation) === turn) this.turns.delete(conversation);
    });
    return handed;
  }

  private async hand(
    frame: SendFrame,
    target: Target,
    command: ConversationCommand,
    before: Promise<void> | undefined,
  ): Promise<{ ack: Promise<CommandAck> }> {
    if (before) await before;
    const { id: correlationId, claims } = this.session;
    if (!(await this.maySend(claims, target)))
      throw new RequestError('forbidden', 'This user may not send into the room.', { path: 'room' });
    const ack = this.context.commands.handle({
      tenant: claims.tenant,
      id: target.conversation,
      command,
      commandId: frame.id,
      actor: { id: claims.sub, role: claims.role },
      correlationId,
      ...(frame.expectedRevision === undefined ? {} : { expectedRevision: frame.expectedRevision }),
    });
    // In an object, so that awaiting the hand-over does not await the ack.
    return { ack };
  }

  private async maySend(claims: Claims, { conversation, made }: Target): Promise<boolean> {
    const room = roomOf(conversation);
    return (await askAccess(this.context.commands, made ? { ...claims, rooms: [room] } : claims, conversation)).send;
  }

  private nack(frame: Pick<SendFrame, 'id' | 'room' | 'ref' | 'command'>, error: unknown): void {
    const fault = faultOf(error);
    if (fault.code === 'internal')
      this.context.logger.error('a command failed', { error, session: this.session.id, command: frame.command });
    this.session.outbox.answer(nackFrame(fault, frame));
  }
}

function ignore(): void {
  // A turn only says that it is over; what came of it is answered elsewhere.
}
