/**
 * One connection to one node, for as long as it holds: a channel each for appends, reads and subscriptions, so that none
 * of them waits for a stream of the others (servers allow some 100 streams a connection). A link that is closed ends every
 * call it made; nothing of it is used again.
 */
import { Channel, Client, Metadata, CallCredentials, connectivityState } from '@grpc/grpc-js';
import type { CallOptions, ChannelCredentials, ClientDuplexStream, ClientReadableStream } from '@grpc/grpc-js';
import { ServerFeaturesClient } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import type { SupportedMethods } from '@eventstore/db-client/generated/serverfeatures_pb.js';
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import type { ConnectionSettings, Endpoint } from './connection-string.ts';
import { TransientError } from './failures.ts';
import { encodeRead } from './requests.ts';

/** Events of up to 16 MB may stand in a log, written over other protocols. */
const MESSAGE_BYTES_MAX = 17_825_792;
/** What may be on its way to a reader before it has to ask for more. */
const FLOW_CONTROL_WINDOW_BYTES = 1_048_576;
/** Below the 100 streams that servers allow on a connection by default. */
const SUBSCRIPTIONS_A_CHANNEL_MAX = 80;
/** gRPC's own reconnecting is not waited for: a link that was lost is replaced. */
const NEVER_IDLE_MS = 2_147_483_647;

type Call = { cancel(): void };
const asIs = (bytes: Buffer): Buffer => bytes;

interface Lane {
  readonly channel: Channel;
  readonly client: Client;
  calls: number;
}

export class Link {
  readonly endpoint: Endpoint;
  /** Aborts when the link is closed; its reason says why. */
  readonly closed: AbortSignal;
  private readonly closing = new AbortController();
  private readonly settings: ConnectionSettings;
  private readonly credentials: ChannelCredentials;
  private readonly connectionName: string;
  private readonly calls = new Set<Call>();
  private readonly lanes: Lane[] = [];
  private readonly subscriptionLanes: Lane[] = [];
  private appendLane: Lane | undefined;
  private readLane: Lane | undefined;
  /** As ServerFeatures has it; 'unknown' where the server does not say. */
  serverVersion = 'unknown';
  takesDuration = false;

  constructor(
    endpoint: Endpoint,
    settings: ConnectionSettings,
    credentials: ChannelCredentials,
    connectionName: string,
  ) {
    this.endpoint = endpoint;
    this.closed = this.closing.signal;
    this.settings = settings;
    this.credentials = credentials;
    this.connectionName = connectionName;
  }

  get isClosed(): boolean {
    return this.closing.signal.aborted;
  }

  /** Asks what the server can do, which also shows that it is there. Rejects with the call's error. */
  async greet(deadlineMs: number): Promise<void> {
    const lane = (this.appendLane ??= this.openLane());
    const client = new ServerFeaturesClient('', this.credentials, { channelOverride: lane.channel });
    const features = await new Promise<SupportedMethods | undefined>((resolve, reject) => {
      const [metadata, options] = this.callArguments(deadlineMs);
      const call = client.getSupportedMethods(new shared.Empty(), metadata, options, (error, methods) => {
        this.calls.delete(call);
        if (error) reject(error);
        else resolve(methods);
      });
      this.calls.add(call);
    });
    this.serverVersion = features?.getEventStoreServerVersion() ?? 'unknown';
    this.takesDuration = (features?.getMethodsList() ?? []).some(
      method =>
        method.getMethodName().toLowerCase() === 'batchappend' &&
        method.getFeaturesList().includes('deadline_duration'),
    );
    await this.readLastEvent(deadlineMs);
  }

  /** Shows that the node reads, and that the credentials are taken: a node that is starting does neither. */
  private readLastEvent(deadlineMs: number): Promise<void> {
    const source = { stream: undefined, from: 'end', filter: undefined } as const;
    const call = this.read(encodeRead(source, { backwards: true, count: 1 }), deadlineMs);
    return new Promise((resolve, reject) => {
      call.on('error', reject).on('end', resolve).resume();
    });
  }

  /** Calls back once when the connection is gone, if it goes before the link is closed. */
  watch(onLost: () => void): void {
    const { channel } = (this.appendLane ??= this.openLane());
    const look = (): void => {
      if (this.isClosed) return;
      const state = channel.getConnectivityState(false);
      if (state !== connectivityState.READY) onLost();
      else channel.watchConnectivityState(state, Infinity, look);
    };
    look();
  }

  batchAppend(): ClientDuplexStream<Buffer, Buffer> {
    const [metadata, options] = this.callArguments(undefined);
    const { client } = (this.appendLane ??= this.openLane());
    return this.track(client.makeBidiStreamRequest(StreamsService.batchAppend.path, asIs, asIs, metadata, options));
  }

  read(request: Buffer, deadlineMs: number): ClientReadableStream<Buffer> {
    const [metadata, options] = this.callArguments(deadlineMs);
    const { client } = (this.readLane ??= this.openLane());
    return this.track(client.makeServerStreamRequest(StreamsService.read.path, asIs, asIs, request, metadata, options));
  }

  subscribe(request: Buffer): ClientReadableStream<Buffer> {
    const [metadata, options] = this.callArguments(undefined);
    let lane = this.subscriptionLanes.find(({ calls }) => calls < SUBSCRIPTIONS_A_CHANNEL_MAX);
    if (lane === undefined) this.subscriptionLanes.push((lane = this.openLane()));
    const taken = lane;
    taken.calls += 1;
    const call = taken.client.makeServerStreamRequest(StreamsService.read.path, asIs, asIs, request, metadata, options);
    call.once('status', () => (taken.calls -= 1));
    return this.track(call);
  }

  unary(path: string, request: Buffer, deadlineMs: number): Promise<Buffer> {
    const [metadata, options] = this.callArguments(deadlineMs);
    const { client } = (this.readLane ??= this.openLane());
    return new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest(path, asIs, asIs, request, metadata, options, (error, answer) => {
        this.calls.delete(call);
        if (error) reject(error);
        else resolve(answer ?? Buffer.alloc(0));
      });
      this.calls.add(call);
    });
  }

  /** Ends every call and lets the sockets go. */
  close(reason: Error): void {
    if (this.isClosed) return;
    this.closing.abort(reason);
    for (const call of this.calls) call.cancel();
    this.calls.clear();
    for (const { channel } of this.lanes) channel.close();
  }

  private openLane(): Lane {
    const { address, port } = this.endpoint;
    const { keepAliveIntervalMs, keepAliveTimeoutMs } = this.settings;
    const keepAlive =
      keepAliveIntervalMs < 0
        ? {}
        : {
            'grpc.keepalive_time_ms': keepAliveIntervalMs,
            'grpc.keepalive_timeout_ms': keepAliveTimeoutMs < 0 ? NEVER_IDLE_MS : keepAliveTimeoutMs,
            'grpc.keepalive_permit_without_calls': 1,
          };
    const channel = new Channel(`${address.includes(':') ? `[${address}]` : address}:${port}`, this.credentials, {
      ...keepAlive,
      'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
      'grpc.client_idle_timeout_ms': NEVER_IDLE_MS,
      'grpc.enable_retries': 0,
      // Each lane is a connection of its own, and none outlives its link.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_channelz': 0,
    });
    const lane = { channel, client: new Client('', this.credentials, { channelOverride: channel }), calls: 0 };
    this.lanes.push(lane);
    return lane;
  }

  private track<T extends Call & { once(event: 'status', listener: () => void): unknown }>(call: T): T {
    this.calls.add(call);
    call.once('status', () => this.calls.delete(call));
    return call;
  }

  /** @param deadlineMs undefined: a call that lasts as long as it is wanted */
  private callArguments(deadlineMs: number | undefined): [Metadata, Partial<CallOptions>] {
    // Who waited for the link may find it closed again; gRPC would throw an error that says nothing of why.
    if (this.isClosed) throw new TransientError('The connection was lost.', { isConnectionLost: true });
    const metadata = new Metadata();
    metadata.set('connection-name', this.connectionName);
    const { nodePreference, username, password, tls } = this.settings;
    if (nodePreference === 'leader') metadata.set('requires-leader', 'true');
    const options: Partial<CallOptions> = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
    if (username !== undefined && tls) {
      options.credentials = CallCredentials.createFromMetadataGenerator((_, callback) => {
        const generated = new Metadata();
        generated.set('authorization', basicAuthorization(username, password ?? ''));
        callback(null, generated);
      });
    } else if (username !== undefined) metadata.set('authorization', basicAuthorization(username, password ?? ''));
    return [metadata, options];
  }
}

function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
