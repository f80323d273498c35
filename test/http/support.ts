/**
 * An HTTP server on a free loopback port: real commands over a store in memory, a fake importer, time standing still;
 * and clients that send what a browser or a proxy would.
 */
import { request as httpRequest } from 'node:http';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { createExport } from '../../src/audit/export.ts';
import { createTokenVerifier, signToken } from '../../src/auth/tokens.ts';
import { createApiKeys } from '../../src/commands/api-keys.ts';
import { createConversationCommands } from '../../src/commands/conversation-commands.ts';
import { createTenantKeys } from '../../src/commands/derived-ids.ts';
import { createErasure } from '../../src/commands/erasure.ts';
import type { ImportResult } from '../../src/commands/import.ts';
import { createTenantCommands, readTenant } from '../../src/commands/tenant-commands.ts';
import { KeyDirectory } from '../../src/auth/key-directory.ts';
import type { Claims } from '../../src/domain/claims.ts';
import type { EventStore } from '../../src/event-store/event-store.ts';
import { DEFAULT_GATEWAY_LIMITS } from '../../src/gateway/limits.ts';
import { RoomLog } from '../../src/gateway/room-log.ts';
import { createHttpServer } from '../../src/http/server.ts';
import type { HttpServer, HttpServerOptions } from '../../src/http/server.ts';
import type { ProjectedEvent } from '../../src/projections/projection.ts';
import type { ProjectionStatus, ProjectionWork } from '../../src/projections/projector.ts';
import type { ReadModels } from '../../src/projections/read-models.ts';
import { createSealedCodec } from '../../src/keyring/codec.sealed.ts';
import { createConversationSerializer, createTenantSerializer } from '../../src/schemas/aggregate-serializers.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';

import { FilledReadStore } from '../support/filled-read-store.ts';
import { MemoryKeyring } from '../support/memory-keyring.ts';
import { MemoryEventStore } from '../support/memory-event-store.ts';
import { MemoryReadStore } from '../support/memory-read-store.ts';

export const SECRET = Buffer.from('a-secret-of-the-tests-0123456789abcdef');
export const NOW = Date.parse('2026-03-01T12:00:00.000Z');
export const LOG = '019a0000-0000-7000-8000-000000000001';

/** Of a query for a position that nobody folds. */
const WAIT_MS_MAX = 100;

export interface TestServer {
  readonly server: HttpServer;
  readonly port: number;
  readonly url: string;
  readonly store: EventStore;
  readonly keyDirectory: KeyDirectory;
  readonly readStore: MemoryReadStore;
  readonly readModels: ReadModels;
  /** Folds what the log has into the read models, which nothing else does. */
  readonly project: () => Promise<void>;
  /** Moves on only by hand. */
  readonly time: { now: number };
}

/** Answers each line with its number; `bad` is rejected. */
async function* echoImport(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ImportResult> {
  let text = '';
  let line = 0;
  for await (const chunk of bytes) {
    text += Buffer.from(chunk).toString();
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    for (const each of lines) {
      line += 1;
      yield each === 'bad'
        ? { line, status: 'rejected', code: 'bad-request', path: 'text', message: 'bad' }
        : { line, status: 'imported', id: each, conversation: each.slice(0, 1) };
    }
  }
}

export async function startHttp(options: Partial<HttpServerOptions> = {}, host = '127.0.0.1'): Promise<TestServer> {
  const time = { now: NOW };
  const clock = { now: () => time.now };
  const store = new MemoryEventStore(clock.now);
  const keyring = new MemoryKeyring();
  const codec = createSealedCodec({ keyring });
  const serializer = createConversationSerializer({ codec });
  const tenantSerializer = createTenantSerializer({ codec });
  const shared = { store, clock, keys: createTenantKeys({ rootSecret: new Uint8Array(32) }) };
  const keyDirectory = new KeyDirectory({
    ...{ store, logger: silentLogger },
    open: batch => tenantSerializer.open(batch),
    readTenant: tenant => readTenant(store, tenantSerializer, tenant),
    delay: () => Promise.resolve(),
  });
  await keyDirectory.start();
  const tenants = createTenantCommands({ ...shared, serializer: tenantSerializer });
  const readStore = new MemoryReadStore();
  const filled = new FilledReadStore(readStore, LOG);
  await filled.switchTo(1);
  const limits = { waitMsMax: WAIT_MS_MAX, waitingMax: 10 };
  const readModels = filled.readModels({ head: () => headOf(store), end: () => headOf(store), clock, limits });
  const server = await createHttpServer({
    verifyToken: keyDirectory.verifier(createTokenVerifier({ secret: SECRET, clock })),
    commands: createConversationCommands({ ...shared, serializer }),
    rooms: new RoomLog(store, serializer, DEFAULT_GATEWAY_LIMITS),
    eraseSubject: request => createErasure({ tenants, keyring }).eraseSubject(request),
    apiKeys: createApiKeys({
      commands: tenants,
      onChanged: (tenant, revoked) => {
        keyDirectory.note(tenant, revoked);
      },
    }),
    readModels,
    projections: IDLE_PROJECTIONS,
    metrics: { read: () => Promise.resolve({ contentType: 'text/plain', text: '# metrics' }), token: undefined },
    upkeep: {
      scavenge: ({ onProgress }) => {
        onProgress?.({ done: 1, total: 2 });
        return Promise.resolve({ segments: 3, segmentsRewritten: 1, eventsDropped: 7, bytesBefore: 9, bytesAfter: 5 });
      },
      backup: () => Promise.reject(new Error('No test of HTTP backs up.')),
    },
    isOperator: proof => proof === 'proved',
    log: LOG,
    clock,
    runImport: echoImport,
    exportConversations: createExport({ store, opener: serializer }),
    limits: {
      ...{ bodyBytes: 1_024, idleTimeoutMs: 10_000, importsAtOnce: 1 },
      ...{ userRequestsPerSecond: 1_000, tenantRequestsPerSecond: 1_000 },
    },
    logger: silentLogger,
    notReady: () => undefined,
    pageDirectory: undefined,
    gatewayUrl: hostname => `ws://${hostname}:3001/v1/socket`,
    allowedOrigins: [],
    pageTokens: {
      clock,
      sign: claims => signToken(SECRET, claims),
      newRoom: () => 'made-by-the-server',
      importSample: undefined,
    },
    ...options,
  });
  const port = await server.listen({ host, port: 0 });
  const project = projecting(store, serializer, filled);
  return { server, port, url: `http://${host}:${port}`, store, keyDirectory, time, readStore, readModels, project };
}

/** The part of the serializer that reads. */
type Opener = Pick<ReturnType<typeof createConversationSerializer>, 'open'>;

/** Folds the events of conversations that it did not yet. */
function projecting(store: EventStore, { open }: Opener, filled: FilledReadStore): () => Promise<void> {
  let next = 0n;
  return async () => {
    const events: ProjectedEvent[] = [];
    for await (const event of store.readAll({ from: next === 0n ? 'start' : next })) {
      next = event.position + 1n;
      const [, tenant, conversation] = /^conversation-([^.]+)\.(.+)$/.exec(event.stream) ?? [];
      const [recorded] = tenant === undefined ? [] : await open([event]);
      if (recorded === undefined || tenant === undefined || conversation === undefined) continue;
      events.push({ tenant, conversation, recorded, position: Number(event.position) });
    }
    await filled.fold(events);
  };
}

async function headOf(store: EventStore): Promise<number> {
  for await (const { position } of store.readAll({ direction: 'backwards', maxCount: 1 })) return Number(position);
  return -1;
}

const IDLE: ProjectionStatus = {
  ...{ name: 'conversations', generation: 1, checkpoint: { position: 7, createdMs: NOW }, state: 'live' },
  ...{ lagEvents: 0, lagSeconds: 0, eventsFolded: 3, batches: 1, retries: 0, staleCommits: 0, parkedDocuments: 0 },
  rebuilding: false,
};
const IDLE_PROJECTIONS: ProjectionWork = {
  status: () => [IDLE],
  rebuild: (projection, { onProgress } = {}) => {
    onProgress?.({ phase: 'building', done: 1, total: 2 });
    return Promise.resolve({ projection, generation: 2, events: 3, documents: 1, ms: 4 });
  },
  verify: projection => Promise.resolve({ projection, position: 7, documents: 1, differences: 0 }),
};

export function tokenOf(claims: Partial<Claims> = {}): Promise<string> {
  return signToken(SECRET, {
    sub: 'importer',
    tenant: 'acme',
    role: 'service',
    rooms: [],
    expiresAt: NOW + 60_000,
    ...claims,
  });
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly json: Record<string, unknown>;
}

/** Unlike `fetch`, lets a test choose Host and Origin. */
export function ask(url: string, options: RequestOptions & { readonly body?: string } = {}): Promise<Answer> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, rest, response => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('error', reject);
      response.on('end', () => {
        const isJson = /^application\/(problem\+)?json/.test(response.headers['content-type'] ?? '');
        const json = (isJson && text !== '' ? JSON.parse(text) : {}) as Record<string, unknown>;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}
