/** A node over a fresh embedded log, on a free port of this machine. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { openEmbeddedEventStore } from '../../../src/event-store/event-store.embedded.ts';
import type { EmbeddedEventStore } from '../../../src/event-store/event-store.embedded.ts';
import { startNode } from '../../../src/event-store/node/node.ts';
import type { NodeOptions } from '../../../src/event-store/node/node.ts';

export interface TestNode {
  readonly store: EmbeddedEventStore;
  readonly port: number;
  /** Errors that no request explains: a test of bad input expects none. */
  readonly errors: unknown[];
  dispose(): Promise<void>;
}

export async function startTestNode(
  options: Partial<NodeOptions> = {},
  storeOptions: Partial<Parameters<typeof openEmbeddedEventStore>[0]> = {},
): Promise<TestNode> {
  const directory = await mkdtemp(join(tmpdir(), 'verbatim-node-'));
  const store = await openEmbeddedEventStore({ directory, ...storeOptions });
  const errors: unknown[] = [];
  const node = await startNode({ store, port: 0, onError: error => errors.push(error), ...options });
  return {
    ...{ store, errors, port: node.port },
    dispose: async () => {
      await node.close(200);
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** How a raw call ended, and what it answered: the bytes after each five of a message's header. */
export interface RawAnswer {
  readonly messages: Buffer[];
  readonly headers: IncomingHttpHeaders;
  /** Headers and trailers together; `grpc-status` among them where the server got that far. */
  readonly status: string | undefined;
  readonly trailers: IncomingHttpHeaders;
}

export function openRaw(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  return session;
}

/** One gRPC call over bare HTTP/2: whatever bytes a test likes, framed or not. */
export function rawCall(
  session: ClientHttp2Session,
  path: string,
  body: Buffer,
  headers: Record<string, string> = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    const parts: Buffer[] = [];
    let answered: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    stream.on('response', (given: IncomingHttpHeaders) => (answered = given));
    stream.on('trailers', (given: IncomingHttpHeaders) => (trailers = given));
    stream.on('data', (bytes: Buffer) => parts.push(bytes));
    stream.on('error', reject);
    stream.on('close', () => {
      const status = trailers['grpc-status'] ?? answered['grpc-status'];
      resolve({
        messages: unframed(Buffer.concat(parts)),
        headers: answered,
        trailers: { ...answered, ...trailers },
        status: typeof status === 'string' ? status : undefined,
      });
    });
    stream.end(body);
  });
}

/** A message as gRPC frames it: not compressed, its length, its bytes. */
export function framed(message: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

function unframed(bytes: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at + 5 <= bytes.length;) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    messages.push(bytes.subarray(at + 5, end));
    at = end;
  }
  return messages;
}
