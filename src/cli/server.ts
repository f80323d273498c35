/** A whole server in one process: the engine with the gateway and HTTP before it, started in that order, stopped in the other. */
import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { v7 as uuidv7 } from 'uuid';
import { signToken } from '../auth/tokens.ts';
import type { Config } from '../config/settings.ts';
import type { EventStore } from '../event-store/event-store.ts';
import { createGateway, SOCKET_PATH } from '../gateway/gateway.ts';
import type { Gateway, GatewayOptions } from '../gateway/gateway.ts';
import type { GatewayLimits } from '../gateway/limits.ts';
import { RoomLog } from '../gateway/room-log.ts';
import { PortTakenError } from '../gateway/sockets.ts';
import { Strangers } from '../gateway/strangers.ts';
import { systemTimers } from '../gateway/timers.ts';
import { PAGE_TENANT } from '../http/page-tokens.ts';
import type { PageTokens } from '../http/page-tokens.ts';
import { createHttpServer } from '../http/server.ts';
import type { HttpLimits, HttpServer } from '../http/server.ts';
import { startWaitingServer } from '../http/waiting.ts';
import type { WaitingServer } from '../http/waiting.ts';
import type { SubjectId } from '../keyring/keyring.ts';
import type { Logger } from '../telemetry/logger.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { openCredentials } from './credentials.ts';
import type { Credentials } from './credentials.ts';
import { openEngine, systemClock } from './engine.ts';
import type { Engine, EngineOptions } from './engine.ts';
import { listeningFailure } from './listening.ts';
import { readings, timedCommands, timedStore } from './measures.ts';
import type { Measured, ReadCount } from './measures.ts';
import { projectionReadings } from './projection-measures.ts';
import { openReadSide } from './read-side.ts';
import type { ReadSide, StartProjections } from './read-side.ts';
import type { RunningNode } from '../event-store/node/node.ts';
import { openTokenSecret } from './secrets.ts';
import type { TokenSecret } from './secrets.ts';
import { chooseSockets } from './sockets.ts';

/** Of the checkout or the installed package: `dist` and `src` lie equally deep in it. */
const PACKAGE_ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SAMPLE_FILE = join(PACKAGE_ROOT, 'examples', 'ubuntu-support-sample.ndjson');
/** Kept of the grace for the store, after the edges have had theirs. */
const STORE_CLOSE_MS = 1_000;

export interface RunningServer {
  readonly httpUrl: string;
  readonly gatewayUrl: string;
  readonly log: string;
  /** Where the log is served in EventStoreDB's protocol, if it is. */
  readonly eventStoreUrl: string | undefined;
  /** Made by the data folder itself: loopback only, and the page has tokens. */
  readonly selfMadeSecret: boolean;
  /** Nothing acknowledged is lost, whether or not it ends within `graceMs`. */
  close(graceMs: number): Promise<void>;
}

export interface ServerOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** The folder was taken by another process; end at once. */
  readonly onLost: () => void;
  /** Default: in a thread of their own, of the built product. */
  readonly startProjections?: StartProjections;
}

/** @throws CliFailure and what openEngine throws; everything opened until then is closed again */
export async function startServer({ config, logger, onLost, startProjections }: ServerOptions): Promise<RunningServer> {
  if (config.JWKS_URL === undefined && config.NODE_ENV === 'production') await openTokenSecret(config);
  const sockets = await chooseSockets(config);
  const metrics = createMetrics();
  const reads: ReadCount = { conversations: 0 };
  const observeStore = (store: EventStore): EventStore => timedStore(store, metrics, reads);
  const engine = await openEngineInTime({ config, logger, onLost, observeStore, command: 'serve' });
  let credentials: Credentials | undefined;
  let gateway: Gateway | undefined;
  let http: HttpServer | undefined;
  let node: EventStorePort | undefined;
  let readSide: ReadSide | undefined;
  try {
    credentials = await openCredentials(config, engine, logger, (tenant, subject) => {
      void forgetSubject(engine, logger, { tenant, subject }).then(() => gateway?.forgetRooms(tenant));
    });
    const { verifyToken, apiKeys, keyDirectory, selfMadeSecret } = credentials;
    const host = config.HOST ?? (selfMadeSecret ? '127.0.0.1' : '0.0.0.0');
    const commands = timedCommands(engine.commands, metrics);
    const { store, serializer, log, runImport, exportConversations } = engine;
    const eraseSubject: Engine['eraseSubject'] = request =>
      engine.eraseSubject(request).finally(() => gateway?.forgetRooms(request.tenant));
    const limits = gatewayLimits(config);
    const strangers = strangersOf(config);
    gateway = await listenGateway({
      ...{ strangers, host, verifyToken, logger, store, serializer, commands, log, limits, port: config.GATEWAY_PORT },
      listen: sockets.listen,
      isRevoked: claims => keyDirectory.isRevoked(claims),
      folds: engine.commands,
      clock: systemClock,
      timers: systemTimers,
      newId: uuidv7,
    });
    sockets.say(logger);
    const state = { ready: false };
    const gatewayPort = gateway.port;
    const gatewayUrl = (hostname: string): string =>
      config.GATEWAY_PUBLIC_URL ?? `ws://${hostname}:${gatewayPort}${SOCKET_PATH}`;
    readSide = await openReadSide(config, engine, logger, startProjections);
    const { readModels, projections } = readSide;
    http = await createHttpServer({
      ...{ verifyToken, logger, gatewayUrl, commands, apiKeys, log, runImport, eraseSubject, clock: systemClock },
      ...{ strangers, exportConversations, readModels, projections },
      upkeep: engine.upkeep,
      isOperator: engine.isOperator,
      rooms: new RoomLog(store, serializer, limits),
      metrics: { read: metrics.read, token: config.METRICS_TOKEN },
      notReady: () => (state.ready ? engine.trouble() : 'Starting or stopping.'),
      allowedOrigins: config.ALLOWED_ORIGINS,
      limits: httpLimits(config),
      pageDirectory: builtPage(logger),
      pageTokens: selfMadeSecret ? pageTokens(selfMadeSecret, engine) : undefined,
    });
    node = await listenEventStore(config, store, logger);
    const edges = { gateway, http, credentials, node, readSide };
    metrics.addLabelled(projectionReadings(() => projections.status()));
    metrics.add(readings(measured(engine, edges, { reads, strangers })));
    const httpPort = await listenHttp(http, host, config.HTTP_PORT);
    const dialled = dialledHost(host);
    const httpUrl = `http://${dialled}:${httpPort}`;
    await engine.lock.update({ url: httpUrl });
    state.ready = true;
    return {
      ...{ httpUrl, log, gatewayUrl: gatewayUrl(dialled), selfMadeSecret: selfMadeSecret !== undefined },
      eventStoreUrl: node?.url,
      close: async graceMs => {
        state.ready = false;
        await closeAll(edges, engine, graceMs);
      },
    };
  } catch (error) {
    await node?.close(0);
    await http?.close(0);
    await readSide?.close();
    await gateway?.close();
    await credentials?.close();
    await engine.close();
    throw error;
  }
}

/** Whoever erased the subject, on whichever node: no key of it stays in the memory of this one. */
async function forgetSubject({ keys }: Engine, logger: Logger, subject: SubjectId): Promise<void> {
  try {
    await keys.destroy([subject]);
  } catch (error) {
    logger.error('a key of an erased subject could not be destroyed here', { ...subject, error });
  }
}

/**
 * Waits for a log that is away for as long as it takes: until then the HTTP port says that the process is alive, and why
 * it is not ready.
 */
async function openEngineInTime(options: EngineOptions): Promise<Engine> {
  const { config, logger } = options;
  const isSecretConfigured = config.JWT_SECRET !== undefined || config.JWKS_URL !== undefined;
  const host = config.HOST ?? (isSecretConfigured ? '0.0.0.0' : '127.0.0.1');
  let waiting: Promise<WaitingServer | undefined> | undefined;
  const onWaiting = (trouble: () => string | undefined): void => {
    const reason = (): string => trouble() ?? 'Starting or stopping.';
    waiting ??= startWaitingServer({ host, port: config.HTTP_PORT }, reason).catch((error: unknown) => {
      logger.warn('the HTTP port cannot be listened on yet', { error });
      return undefined;
    });
  };
  try {
    return await openEngine({ ...options, waiting: { waitMs: Infinity, onWaiting } });
  } finally {
    await (await waiting)?.close();
  }
}

interface Edges {
  readonly gateway: Gateway;
  readonly http: HttpServer;
  readonly credentials: Credentials;
  readonly node: RunningNode | undefined;
  readonly readSide: ReadSide;
}

function measured(
  engine: Engine,
  edges: Edges,
  { reads, strangers }: { readonly reads: ReadCount; readonly strangers: Strangers },
): Measured {
  return {
    commands: () => engine.commands.stats(),
    gateway: () => edges.gateway.stats(),
    requestsRefused: () => edges.http.stats().requestsRefused,
    trouble: engine.trouble,
    log: engine.logStats,
    conversationReads: () => reads.conversations,
    strangersRefused: () => strangers.stats().refused,
  };
}

async function closeAll(edges: Edges, engine: Engine, graceMs: number): Promise<void> {
  const edgesMs = Math.max(0, graceMs - STORE_CLOSE_MS);
  const ended = await Promise.allSettled([
    edges.http.close(edgesMs),
    edges.gateway.drain(edgesMs).then(() => edges.gateway.close()),
    edges.node?.close(edgesMs),
  ]);
  await edges.readSide.close();
  await edges.credentials.close();
  await engine.close();
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
}

function strangersOf(config: Config): Strangers {
  const { STRANGER_REQUESTS_PER_SECOND_MAX: perSecond, TRUSTED_PROXIES: trustedProxies } = config;
  return new Strangers({ perSecond, trustedProxies, clock: systemClock });
}

function httpLimits(config: Config): HttpLimits {
  return {
    bodyBytes: config.HTTP_BODY_BYTES_MAX,
    idleTimeoutMs: config.HTTP_IDLE_TIMEOUT_MS,
    importsAtOnce: config.IMPORTS_AT_ONCE_MAX,
    userRequestsPerSecond: config.HTTP_REQUESTS_PER_SECOND_MAX,
    tenantRequestsPerSecond: config.HTTP_TENANT_REQUESTS_PER_SECOND_MAX,
  };
}

function gatewayLimits(config: Config): GatewayLimits {
  return {
    frameBytes: config.FRAME_BYTES_MAX,
    messageBytes: config.MESSAGE_BYTES_MAX,
    queueBytes: config.SEND_QUEUE_BYTES_MAX,
    lowWaterBytes: config.SEND_QUEUE_LOW_WATER_BYTES,
    answerBytes: config.SEND_QUEUE_ANSWER_BYTES,
    sockets: config.SOCKETS_MAX,
    rooms: config.ROOMS_PER_SOCKET_MAX,
    sendsPerSecond: config.SENDS_PER_SECOND_MAX,
    requestsPerSecond: config.REQUESTS_PER_SECOND_MAX,
    commandsInFlight: config.COMMANDS_PER_SOCKET_MAX,
    framesWaiting: config.FRAMES_WAITING_MAX,
    badFramesPerMinute: config.BAD_FRAMES_PER_MINUTE_MAX,
    historyRevisions: config.HISTORY_REVISIONS_MAX,
    pageEvents: config.CATCH_UP_PAGE_EVENTS,
    pageBytes: config.CATCH_UP_PAGE_BYTES,
    readsInFlight: config.CATCH_UP_READS_MAX,
    tailBytes: config.ROOM_TAIL_BYTES_MAX,
    tailsBytes: config.ROOM_TAILS_BYTES_MAX,
    tailKeptMs: config.ROOM_TAIL_KEPT_MS,
    handshakes: config.HANDSHAKES_MAX,
    resumes: config.RESUMES_MAX,
    authenticateMs: config.AUTHENTICATE_TIMEOUT_MS,
    heartbeatMs: config.HEARTBEAT_MS,
    silenceMs: config.HEARTBEAT_SILENCE_MS,
    stalledMs: config.STALLED_SOCKET_MS,
    reconnectSpreadMs: config.RECONNECT_SPREAD_MS,
  };
}

function pageTokens(secret: TokenSecret, engine: Engine): PageTokens {
  return {
    clock: systemClock,
    sign: claims => signToken(secret.bytes, claims),
    newRoom: uuidv7,
    importSample: existsSync(SAMPLE_FILE)
      ? () => engine.runImport(createReadStream(SAMPLE_FILE), { tenant: PAGE_TENANT, by: 'page-sample' })
      : undefined,
  };
}

function builtPage(logger: Logger): string | undefined {
  const directory = join(PACKAGE_ROOT, 'dist', 'web');
  if (existsSync(join(directory, 'index.html'))) return directory;
  logger.warn('the page is not built, so there is none: run npm run build', { directory });
  return undefined;
}

/** Where a person on this machine finds what listens on `host`. */
function dialledHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

/** The adapter of the gateway says only that it cannot listen; a listener of Node says why. */
async function whyNotListen(host: string, port: number): Promise<unknown> {
  const probe = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject);
      probe.listen({ host, port, exclusive: true }, resolve);
    });
    return Object.assign(new Error('taken'), { code: 'EADDRINUSE' });
  } catch (error) {
    return error;
  } finally {
    probe.close();
  }
}

async function listenGateway(options: GatewayOptions): Promise<Gateway> {
  try {
    return await createGateway(options);
  } catch (error) {
    if (!(error instanceof PortTakenError)) throw error;
    const { host, port } = options;
    throw listeningFailure(await whyNotListen(host, port), { port: 'GATEWAY_PORT', host: 'HOST' }, host, port);
  }
}

type EventStorePort = RunningNode & { readonly url: string };

async function listenEventStore(
  config: Config,
  store: EventStore,
  logger: Logger,
): Promise<EventStorePort | undefined> {
  if (config.EVENTSTORE_PORT === undefined) return undefined;
  // Loaded here, since gRPC is a good part of a second that no start without it is to wait for.
  const { connectionString, listenNode } = await import('./node.ts');
  const node = await listenNode(config, config.EVENTSTORE_PORT, store, logger);
  return { ...node, url: connectionString(config, node.port) };
}

async function listenHttp(http: HttpServer, host: string, port: number): Promise<number> {
  try {
    return await http.listen({ host, port });
  } catch (error) {
    throw listeningFailure(error, { port: 'HTTP_PORT', host: 'HOST' }, host, port);
  }
}
