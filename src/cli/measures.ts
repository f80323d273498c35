/** What of a server is measured, and under which names: docs/operators/metrics.md lists them. */
import type { CommandHandlerStats } from '../commands/command-handler.ts';
import type { Commands } from '../commands/commands.ts';
import type { LogStats } from '../event-store/log-upkeep.ts';
import type { EventStore } from '../event-store/event-store.ts';
import type { GatewayStats } from '../gateway/gateway.ts';
import type { Metrics, Reading } from '../telemetry/metrics.ts';

/** Reads of streams since the start. */
export interface ReadCount {
  conversations: number;
}

/** The same store, each of whose appends is timed, and whose reads of streams are counted. */
export function timedStore(store: EventStore, metrics: Metrics, reads: ReadCount): EventStore {
  const timed = metrics.timed('append');
  return {
    append: (stream, events, options) => timed(() => store.append(stream, events, options)),
    readStream: (stream, options) => {
      if (stream.startsWith('conversation-')) reads.conversations += 1;
      return store.readStream(stream, options);
    },
    readAll: options => store.readAll(options),
    streamBounds: stream => store.streamBounds(stream),
    subscribeToStream: (stream, options) => store.subscribeToStream(stream, options),
    subscribeToAll: options => store.subscribeToAll(options),
    deleteStream: (stream, options) => store.deleteStream(stream, options),
    tombstoneStream: (stream, options) => store.tombstoneStream(stream, options),
    setStreamMetadata: (stream, metadata, options) => store.setStreamMetadata(stream, metadata, options),
    getStreamMetadata: stream => store.getStreamMetadata(stream),
    close: () => store.close(),
  };
}

/** The same commands, each of which is timed. */
export function timedCommands<Command, State>(
  commands: Commands<Command, State>,
  metrics: Metrics,
): Commands<Command, State> {
  const timed = metrics.timed('command');
  return {
    handle: request => timed(() => commands.handle(request)),
    load: (tenant, id) => commands.load(tenant, id),
  };
}

export interface Measured {
  readonly commands: () => CommandHandlerStats;
  readonly gateway: () => GatewayStats;
  readonly requestsRefused: () => number;
  /** Why the log takes no events. */
  readonly trouble: () => string | undefined;
  /** Undefined where its files are not in the data folder: then there are no metrics of them. */
  readonly log: (() => LogStats) | undefined;
  readonly strangersRefused: () => number;
  readonly conversationReads: () => number;
}

export function readings(measured: Measured): readonly Reading[] {
  const { commands, gateway, requestsRefused, strangersRefused, conversationReads, trouble, log } = measured;
  const gauge = (name: string, help: string, read: () => number): Reading => ({
    ...{ name: `verbatim_${name}`, help, read, kind: 'gauge' },
  });
  const counter = (name: string, help: string, read: () => number): Reading => ({
    ...{ name: `verbatim_${name}_total`, help, read, kind: 'counter' },
  });
  return [
    gauge('commands_in_flight', 'Commands running or waiting.', () => commands().inFlight),
    gauge('commands_in_flight_bytes', 'What their data takes in memory, about.', () => commands().bytesInFlight),
    gauge('command_streams', 'Streams that commands are running or waiting on.', () => commands().streams),
    gauge('folds', 'Folded states in memory.', () => commands().folds),
    gauge('folded_events', 'Events folded into them.', () => commands().foldedEvents),
    counter('append_conflicts', 'Decisions taken again because another node was first.', () => commands().conflicts),
    gauge('sockets', 'Open WebSocket connections.', () => gateway().sockets),
    gauge('rooms', 'Rooms that somebody on this node is subscribed to.', () => gateway().rooms),
    gauge('subscriptions', 'Subscriptions to them.', () => gateway().subscriptions),
    gauge('subscriptions_behind', 'Of these, read from the log to catch up.', () => gateway().catchingUp),
    gauge('room_tails', 'Rooms whose last events are in memory.', () => gateway().tails),
    gauge('room_tails_bytes', 'Memory they take, as it is accounted.', () => gateway().tailBytes),
    counter('room_tail_hits', 'Subscribes that found them there.', () => gateway().tailHits),
    counter('room_reads', "Reads of rooms' streams for sessions.", () => gateway().roomReads),
    counter('conversation_reads', 'Reads of conversations, for whatever they were needed.', conversationReads),
    gauge('handshakes', 'Connections that have not authenticated yet.', () => gateway().handshakes),
    gauge('resumes', 'Subscriptions that have not caught up yet.', () => gateway().resumes),
    counter('admissions_refused', 'Connections and resumes told to come back later.', () => gateway().refused),
    gauge('feed_connected', '1 while the live feed of the log is connected.', () => Number(gateway().feedConnected)),
    counter(
      'sessions_fell_behind',
      'Times a session left the live fan-out for being slow.',
      () => gateway().fellBehind,
    ),
    counter('resets', 'Cursors that the log could not serve.', () => gateway().resets),
    counter('bad_frames', 'Frames that were no frames.', () => gateway().badFrames),
    counter('frames_fanned_out', 'Frames of live events handed to sockets.', () => gateway().fannedOut),
    gauge('log_writable', '1 while the log takes events.', () => Number(trouble() === undefined)),
    ...(log === undefined
      ? []
      : [
          gauge('log_index_pending', 'Events of the log that its index lacks.', () => log().indexPending),
          gauge('log_scavenging', '1 while sealed segments are scavenged.', () => Number(log().scavenging)),
          counter('log_scavenged_events', 'Events dropped by scavenging since the start.', () => log().scavengedEvents),
          counter('log_scavenged_bytes', 'Bytes given back to the disk by it.', () => log().scavengedBytes),
        ]),
    counter('http_requests_refused', 'HTTP requests over the limits of a user, key or tenant.', requestsRefused),
    counter(
      'strangers_refused',
      'HTTP requests and connections without valid credentials that were too many for their address.',
      strangersRefused,
    ),
  ];
}
