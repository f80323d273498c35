/** The gRPC services of the node, bound to their handlers: messages come and go as bytes, coded by this folder alone. */
import { Server } from '@grpc/grpc-js';
import type { Metadata, sendUnaryData, ServerDuplexStream, ServerReadableStream } from '@grpc/grpc-js';
import type { MethodDefinition, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import { append } from './append.ts';
import { BatchAppendCall } from './batch-append.ts';
import { encodeClusterInfo, encodeSupportedMethods } from './cluster-responses.ts';
import { serializeRun } from './message-run.ts';
import type { MessageRun } from './message-run.ts';
import { read } from './read.ts';
import { accessDenied, callFailure, shuttingDown } from './rpc-errors.ts';
import { decodeDelete, decodeRead } from './stream-requests.ts';
import { encodeDeleted } from './stream-responses.ts';
import type { Access } from './access.ts';
import type { InFlightGate } from './in-flight-gate.ts';
import type { AppendResult, EventStore } from '../event-store.ts';
import type { WriteOptions } from './stream-requests.ts';

const STREAMS = 'event_store.client.streams.Streams';
const SERVER_FEATURES = 'event_store.client.server_features.ServerFeatures';
const GOSSIP = 'event_store.client.gossip.Gossip';

/** Calls of one connection; the default of 100 stalls a client that follows more streams. */
const CONCURRENT_STREAMS_MAX = 100_000;
/** The real server takes messages as large as a record of its log may be. */
const MESSAGE_BYTES_MAX = 16 * 1_048_576;
/** A client that was suspended for a minute or two comes back to its calls; what waits for it is bounded. */
const KEEPALIVE_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 120_000;

export interface ServiceParts {
  readonly store: EventStore;
  readonly gate: InFlightGate;
  readonly access: Access;
  /** Aborts when the node stops: subscriptions end, other calls finish. */
  readonly closing: AbortSignal;
  /** Told of an error that no request explains. */
  readonly onError: (error: unknown) => void;
  /** How this node is named to one who reached it as `authority`. */
  readonly instance: {
    readonly id: string;
    readonly endPointFor: (authority: string) => { readonly address: string; readonly port: number };
  };
}

export function createServices(parts: ServiceParts): Server {
  const server = new Server({
    'grpc.max_concurrent_streams': CONCURRENT_STREAMS_MAX,
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.enable_channelz': 0,
  });
  const services = new Services(parts);
  server.addService(
    {
      Read: { ...method(STREAMS, 'Read', 'answers'), responseSerialize: serializeRun },
      Append: method(STREAMS, 'Append', 'requests'),
      BatchAppend: method(STREAMS, 'BatchAppend', 'both'),
      Delete: method(STREAMS, 'Delete'),
      Tombstone: method(STREAMS, 'Tombstone'),
    },
    {
      Read: services.read,
      Append: services.append,
      BatchAppend: services.batchAppend,
      Delete: services.deletion((stream, options) => parts.store.deleteStream(stream, options)),
      Tombstone: services.deletion((stream, options) => parts.store.tombstoneStream(stream, options)),
    },
  );
  server.addService(
    { GetSupportedMethods: method(SERVER_FEATURES, 'GetSupportedMethods') },
    {
      GetSupportedMethods: (_call: UnaryCall, callback: Callback) => {
        callback(null, encodeSupportedMethods(SUPPORTED_METHODS));
      },
    },
  );
  server.addService(
    { Read: method(GOSSIP, 'Read') },
    {
      Read: (call: UnaryCall, callback: Callback) => {
        const { id, endPointFor } = parts.instance;
        callback(null, encodeClusterInfo({ instanceId: id, nowMs: Date.now(), ...endPointFor(call.getHost()) }));
      },
    },
  );
  return server;
}

/** As the real server lists its own: in lower case, with what a client may ask of each. */
const SUPPORTED_METHODS = [
  { service: STREAMS, method: 'Read', features: ['position', 'events'] },
  { service: STREAMS, method: 'Append', features: [] },
  { service: STREAMS, method: 'BatchAppend', features: ['deadline_duration'] },
  { service: STREAMS, method: 'Delete', features: [] },
  { service: STREAMS, method: 'Tombstone', features: [] },
  { service: SERVER_FEATURES, method: 'GetSupportedMethods', features: [] },
  { service: GOSSIP, method: 'Read', features: [] },
] as const;

type UnaryCall = ServerUnaryCall<Buffer, Buffer>;
type Callback = sendUnaryData<Buffer>;

function method(
  service: string,
  name: string,
  streams?: 'answers' | 'requests' | 'both',
): MethodDefinition<Buffer, Buffer> {
  const asIs = (bytes: Buffer): Buffer => bytes;
  return {
    path: `/${service}/${name}`,
    requestStream: streams === 'requests' || streams === 'both',
    responseStream: streams === 'answers' || streams === 'both',
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}

class Services {
  private readonly parts: ServiceParts;

  constructor(parts: ServiceParts) {
    this.parts = parts;
  }

  readonly read = (call: ServerWritableStream<Buffer, MessageRun>): void => {
    const { store, closing } = this.parts;
    const gone = new AbortController();
    const leave = (): void => {
      gone.abort();
    };
    call.once('cancelled', leave);
    closing.addEventListener('abort', leave, { once: true });
    // One pair of listeners for the whole call, however often it waits.
    let resume: (() => void) | undefined;
    const wake = (): void => {
      resume?.();
      resume = undefined;
    };
    call.on('drain', wake);
    gone.signal.addEventListener('abort', wake, { once: true });
    const send = (messages: MessageRun): Promise<void> | undefined => {
      if (gone.signal.aborted || call.write(messages)) return undefined;
      return new Promise(resolve => (resume = resolve));
    };
    this.run(call.metadata, () => read(store, decodeRead(call.request), { signal: gone.signal, send }))
      .then(
        () => {
          if (closing.aborted) call.emit('error', shuttingDown());
          else call.end();
        },
        (error: unknown) => call.emit('error', this.failure(error)),
      )
      .finally(() => {
        closing.removeEventListener('abort', leave);
      });
  };

  readonly append = (call: ServerReadableStream<Buffer, Buffer>, callback: Callback): void => {
    this.answer(call.metadata, callback, () => append(this.parts.store, call));
  };

  readonly batchAppend = (call: ServerDuplexStream<Buffer, Buffer>): void => {
    const { store, gate } = this.parts;
    let gone = false;
    const send = (message: Buffer): void => {
      if (!gone) call.write(message);
    };
    const batch = new BatchAppendCall({ store, gate, send, now: Date.now });
    const end = (error?: unknown): void => {
      if (gone) return;
      batch.close();
      if (error === undefined) call.end();
      else call.emit('error', this.failure(error));
      gone = true;
    };
    call.once('cancelled', () => {
      batch.close();
      gone = true;
      gate.forget(call);
    });
    if (!this.parts.access.allows(call.metadata)) {
      end(accessDenied());
      return;
    }
    call.on('data', (message: Buffer) => {
      if (gone) return;
      try {
        batch.take(message);
        // Neither a full disk queue nor a client that reads no answers makes this node hold more.
        if (gate.isFull) gate.pause(call);
        else if (call.writableNeedDrain) pauseUntilDrained(call);
      } catch (error) {
        end(error);
      }
    });
    call.once('end', () => {
      batch.close();
      void batch.idle().then(() => {
        end();
      });
    });
  };

  /** Of a delete and of a tombstone, which differ in what the store is asked. */
  deletion(remove: (stream: string, options: WriteOptions) => Promise<AppendResult>) {
    return (call: UnaryCall, callback: Callback): void => {
      this.answer(call.metadata, callback, async () => {
        const options = decodeDelete(call.request);
        return encodeDeleted((await remove(options.stream, options)).position);
      });
    };
  }

  private answer(metadata: Metadata, callback: Callback, work: () => Promise<Buffer>): void {
    this.run(metadata, work).then(
      answer => {
        callback(null, answer);
      },
      (error: unknown) => {
        callback(this.failure(error));
      },
    );
  }

  /** A rejection for whatever goes wrong, a throw before the first await included. */
  private async run<T>(metadata: Metadata, work: () => Promise<T>): Promise<T> {
    this.parts.access.check(metadata);
    return work();
  }

  private failure(error: unknown) {
    const failure = callFailure(error);
    if (!isExpected(error)) this.parts.onError(error);
    return failure;
  }
}

function pauseUntilDrained(call: ServerDuplexStream<Buffer, Buffer>): void {
  call.pause();
  call.once('drain', () => call.resume());
}

/** Everything that a request, a client that leaves or the store itself explains has a name of its own. */
function isExpected(error: unknown): boolean {
  return !(error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError);
}
