/**
 * The gateway of one node: takes sockets, gives each a session, feeds the hub from the log, and goes away in order
 * (GW-12). Everything it needs of the world is given to it.
 */
import type { VerifyToken } from '../auth/tokens.ts';
import type { ConversationCommands } from '../commands/commands.ts';
import type { Claims } from '../domain/claims.ts';
import type { Clock } from '../domain/clock.ts';
import { streamName } from '../domain/stream-name.ts';
import { RequestError } from '../errors.ts';
import type { EventStore } from '../event-store/event-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import { Admission, type AdmissionStats } from './admission.ts';
import { CLOSE, type Close } from './close-codes.ts';
import type { GatewayContext, GatewayCounters } from './context.ts';
import { Feed } from './feed.ts';
import { Hub } from './hub.ts';
import type { HubStats } from './hub.ts';
import { DEFAULT_GATEWAY_LIMITS, type GatewayLimits } from './limits.ts';
import { Receipts } from './receipts.ts';
import { RoomLog, type EventOpener } from './room-log.ts';
import { RoomTails, type RoomFolds, type RoomTailsStats } from './room-tails.ts';
import { Session } from './session.ts';
import { SessionRooms } from './session-rooms.ts';
import type { ListenSockets, Socket, SocketServer, Upgrade } from './sockets.ts';
import type { Strangers } from './strangers.ts';
import { delay, type Timers } from './timers.ts';

export const SUBPROTOCOL = 'verbatim.v1';
export const SOCKET_PATH = '/v1/socket';
const BEARER_PROTOCOL = 'bearer.';
/** How often sessions are looked at for what is due by time. */
const TICK_MS = 1_000;
/** After the last close frame: time for it to leave the machine before the sockets are cut. */
const LINGER_MS = 200;

export interface GatewayOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly listen: ListenSockets;
  readonly store: EventStore;
  readonly serializer: EventOpener;
  readonly commands: ConversationCommands;
  /** Where the states of rooms are kept: given what was read from revision 0 to the head, so that it need not be read again. */
  readonly folds?: RoomFolds;
  readonly verifyToken: VerifyToken;
  /** Whether claims that were valid have been revoked since; asked of each session about once a second. */
  readonly isRevoked?: (claims: Claims) => boolean;
  /** The log's own id. */
  readonly log: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** A new id each call. */
  readonly newId: () => string;
  readonly random?: () => number;
  readonly limits?: Partial<GatewayLimits>;
  /** Counts connections without a valid token, by address. Default: nobody does. */
  readonly strangers?: Pick<Strangers, 'admit'>;
}

export interface GatewayStats extends Readonly<GatewayCounters>, HubStats, RoomTailsStats, AdmissionStats {
  readonly sockets: number;
  /** Reads of rooms' streams since the start. */
  readonly roomReads: number;
  /** False while the live feed waits to be subscribed again. */
  readonly feedConnected: boolean;
}

export interface Gateway {
  readonly port: number;
  /** What the live feed drives; a benchmark of the fan-out feeds it directly. */
  readonly hub: Pick<Hub, 'dispatch'>;
  /** Stops accepting, tells clients, finishes commands in flight, flushes, closes all with 4001, within `graceMs`. */
  drain(graceMs: number): Promise<void>;
  /** At once; what is queued may be lost. After `drain` it only frees what is left. */
  close(): Promise<void>;
  stats(): GatewayStats;
  /** Somebody's data was erased: nothing that may hold any of it stays in memory. To be called when it cannot be read any more. */
  forgetRooms(tenant: string): void;
}

/** @throws UnavailableError the log cannot be read; and what `listen` throws for a port that is taken */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const limits = { ...DEFAULT_GATEWAY_LIMITS, ...options.limits };
  const { store, serializer, timers, clock, logger, random = Math.random } = options;
  const hub = new Hub({ frameBytes: limits.frameBytes, roomFailed: failRoom });
  const context = contextOf(options, limits, hub, () => feed.isConnected());
  const { tails, roomLog, admission, counters } = context;
  const sessions = new Set<Session>();
  let draining = false;
  const unreadable = (stream: string, error: unknown) => {
    hub.unreadable(stream, error);
  };
  const feed: Feed = new Feed({ store, opener: serializer, hub, tails, timers, random, logger, unreadable });
  await feed.start();
  let server: SocketServer;
  try {
    server = await options.listen({
      host: options.host,
      port: options.port,
      path: SOCKET_PATH,
      protocol: SUBPROTOCOL,
      frameBytesMax: limits.frameBytes,
      messageBytesMax: limits.messageBytes,
      queueBytesMax: limits.queueBytes,
      open: (socket, upgrade) => {
        const session = openSession(context, sessions, socket, upgrade, options.strangers);
        if (draining) session.end(CLOSE.shutdown);
        return session;
      },
    });
  } catch (error) {
    await feed.stop();
    throw error;
  }
  const stopTicking = timers.every(TICK_MS, () => {
    const now = clock.now();
    for (const session of sessions) session.tick(now);
  });

  function failRoom(stream: string, error: unknown): void {
    for (const subscriber of hub.subscribers(stream)) if (subscriber instanceof SessionRooms) subscriber.fail(error);
  }

  return {
    port: server.port,
    hub,
    drain: async graceMs => {
      draining = true;
      server.stopAccepting();
      await drainSessions(context, sessions, graceMs);
    },
    close: async () => {
      stopTicking();
      for (const session of sessions) session.end(CLOSE.shutdown);
      await feed.stop();
      await server.close();
    },
    stats: () => ({
      ...{ sockets: sessions.size, roomReads: roomLog.reads, feedConnected: feed.isConnected() },
      ...{ ...hub.stats(), ...tails.stats(), ...admission.stats(), ...counters },
    }),
    forgetRooms: tenant => {
      tails.forgetAll(streamName('conversation', tenant, ''));
    },
  };
}

function contextOf(options: GatewayOptions, limits: GatewayLimits, hub: Hub, isFed: () => boolean): GatewayContext {
  const { store, serializer, commands, verifyToken, isRevoked = () => false, log, newId } = options;
  const { clock, timers, logger, random = Math.random, folds } = options;
  const roomLog = new RoomLog(store, serializer, limits);
  const isOpen = (stream: string): boolean => hub.hasRoom(stream);
  const tails = new RoomTails({ roomLog, limits, clock, timers, isFed, isOpen, folds });
  hub.follower = tails;
  return {
    ...{
      hub,
      roomLog,
      tails,
      folds,
      commands,
      verifyToken,
      isRevoked,
      log,
      newId,
      clock,
      timers,
      limits,
      logger,
      random,
    },
    admission: new Admission(limits, random),
    receipts: new Receipts(commands, timers),
    counters: { fellBehind: 0, resets: 0, badFrames: 0 },
  };
}

function openSession(
  context: GatewayContext,
  sessions: Set<Session>,
  socket: Socket,
  upgrade: Upgrade,
  strangers: GatewayOptions['strangers'],
): Session {
  const session = new Session(context, socket, sessions);
  sessions.add(session);
  const refused = context.admission.connect(session, sessions.size);
  const bearer = upgrade.protocols.find(protocol => protocol.startsWith(BEARER_PROTOCOL));
  const header = /^Bearer +(\S+)$/i.exec(upgrade.authorization ?? '')?.[1];
  const token = header ?? bearer?.slice(BEARER_PROTOCOL.length);
  const tooMany = (): Close | undefined => refuseStranger(upgrade, strangers);
  if (!upgrade.protocols.includes(SUBPROTOCOL)) session.end(CLOSE.version);
  else if (refused) session.end(refused);
  else if (token !== undefined) session.authenticate(token, undefined, tooMany);
  else {
    // Who has brought no token yet may wait for a while with it, as long as not too many from there do.
    const close = tooMany();
    if (close) session.end(close);
    else if (upgrade.authorization !== undefined) session.endUnauthorized('Authorization is not Bearer');
  }
  return session;
}

/** How to close a connection without a valid token where too many come from its address. */
function refuseStranger(upgrade: Upgrade, strangers: GatewayOptions['strangers']): Close | undefined {
  try {
    strangers?.admit(upgrade);
    return undefined;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const { code, reason } = CLOSE.rateLimited;
    return { code, reason: `${reason}: retry after ${error.retryAfterMs ?? 0} ms` };
  }
}

/** A part of the grace is kept for flushing what the commands in flight were answered. */
async function drainSessions(context: GatewayContext, sessions: ReadonlySet<Session>, graceMs: number): Promise<void> {
  const { timers, clock, limits, random } = context;
  const endsAt = clock.now() + graceMs - LINGER_MS;
  const answered = [...sessions].map(session => session.announceDrain(Math.floor(random() * limits.reconnectSpreadMs)));
  answered.push(context.receipts.drain());
  await Promise.race([Promise.all(answered), delay(timers, Math.floor((graceMs - LINGER_MS) * 0.75))]);
  const flushed = () => [...sessions].every(session => session.outbox.queuedBytes() === 0);
  while (!flushed() && clock.now() < endsAt) await delay(timers, 20);
  for (const session of [...sessions]) session.end(CLOSE.shutdown);
  await delay(timers, LINGER_MS);
}
