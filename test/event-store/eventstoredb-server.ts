/** A server that speaks just enough of EventStoreDB's protocol for a test to say what each call is answered. */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import { ServerFeaturesService } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import features from '@eventstore/db-client/generated/serverfeatures_pb.js';
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type { BatchAppendReq, BatchAppendResp, ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';

export interface StubbedCalls {
  /** Of a subscription; what is not stubbed is answered with nothing. */
  readonly subscribe?: (call: ServerWritableStream<ReadReq, ReadResp>) => void;
  /** Of a read that ends, the one that greets the server included. */
  readonly read?: (call: ServerWritableStream<ReadReq, ReadResp>) => void;
  readonly batchAppend?: (call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>) => void;
  readonly version?: string;
}

export async function startStubServer(calls: StubbedCalls): Promise<{ readonly port: number; close(): void }> {
  const server = new Server();
  const unasked = (): never => {
    throw new Error('The test does not ask that.');
  };
  server.addService(StreamsService, {
    read: (call: ServerWritableStream<ReadReq, ReadResp>) => {
      if (call.request.getOptions()?.hasSubscription() === true && calls.subscribe) calls.subscribe(call);
      else if (calls.read) calls.read(call);
      else call.end();
    },
    batchAppend: calls.batchAppend ?? (() => undefined),
    append: unasked,
    delete: unasked,
    tombstone: unasked,
  });
  server.addService(ServerFeaturesService, {
    getSupportedMethods: (_call: unknown, answer: (error: null, methods: features.SupportedMethods) => void) => {
      answer(null, new features.SupportedMethods().setEventStoreServerVersion(calls.version ?? '23.10.8'));
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  return { port, close: () => server.forceShutdown() };
}
