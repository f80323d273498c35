/** Every bound of the gateway, with its unit. What a client must know of them is told in `hello`. */

export interface GatewayLimits {
  /** A larger client frame is answered `too-large`, unparsed; also what an `events` or `history-page` frame aims at. */
  readonly frameBytes: number;
  /** A message above it ends its socket. */
  readonly messageBytes: number;
  /** What one socket may have queued and not yet handed to the kernel. */
  readonly queueBytes: number;
  /** A session that fell behind, or catches up, is sent more only once its queue is below this. */
  readonly lowWaterBytes: number;
  /** The part of `queueBytes` that events leave free for answers. */
  readonly answerBytes: number;
  readonly sockets: number;
  /** Rooms one connection may be subscribed to. */
  readonly rooms: number;
  readonly sendsPerSecond: number;
  /** Frames other than `send`, a second. */
  readonly requestsPerSecond: number;
  /** Commands of one connection that are not answered yet. */
  readonly commandsInFlight: number;
  /** Frames of one connection that wait for their turn (while it authenticates, or behind a subscribe). */
  readonly framesWaiting: number;
  /** Bad frames a minute before the connection is closed. */
  readonly badFramesPerMinute: number;
  /** Revisions one `history` may ask for; more is cut to it. */
  readonly historyRevisions: number;
  /** One read of the log while catching up: events and bytes, whichever is reached first. */
  readonly pageEvents: number;
  readonly pageBytes: number;
  /** Reads of the log that sessions catching up, and history, have under way at once on this node. */
  readonly readsInFlight: number;
  /** The tails of rooms that are kept in memory: of one room … */
  readonly tailBytes: number;
  /** … and of all; the one used longest ago goes first. */
  readonly tailsBytes: number;
  /** A tail stays for so long after its room's last subscriber has left or resumed. */
  readonly tailKeptMs: number;
  /** Connections that have not authenticated yet. */
  readonly handshakes: number;
  /** Subscriptions that have not come to the head for the first time. */
  readonly resumes: number;
  readonly authenticateMs: number;
  /** A ping after so much silence … */
  readonly heartbeatMs: number;
  /** … and the end after so much. */
  readonly silenceMs: number;
  /** A socket of which not a byte drains for so long is closed. */
  readonly stalledMs: number;
  /** Clients are told to come back at a random time up to this after a drain, or when there are too many. */
  readonly reconnectSpreadMs: number;
}

export const DEFAULT_GATEWAY_LIMITS: GatewayLimits = {
  frameBytes: 65_536,
  messageBytes: 2_097_152,
  queueBytes: 1_048_576,
  lowWaterBytes: 262_144,
  answerBytes: 131_072,
  sockets: 50_000,
  rooms: 200,
  sendsPerSecond: 50,
  requestsPerSecond: 100,
  commandsInFlight: 64,
  framesWaiting: 256,
  badFramesPerMinute: 20,
  historyRevisions: 500,
  pageEvents: 256,
  pageBytes: 262_144,
  readsInFlight: 32,
  tailBytes: 1_048_576,
  tailsBytes: 134_217_728,
  tailKeptMs: 60_000,
  handshakes: 10_000,
  resumes: 50_000,
  authenticateMs: 10_000,
  heartbeatMs: 25_000,
  silenceMs: 33_000,
  stalledMs: 30_000,
  reconnectSpreadMs: 5_000,
};
