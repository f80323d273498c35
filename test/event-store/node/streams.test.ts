import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStoreDBClient, END, eventTypeFilter, jsonEvent, START, streamNameFilter } from '@eventstore/db-client';
import type { AllStreamSubscription } from '@eventstore/db-client';
import { Client, credentials as grpcCredentials, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serializeRun } from '../../../src/event-store/node/message-run.ts';
import { openRaw, framed, rawCall, startTestNode } from './node-fixture.ts';
import type { TestNode } from './node-fixture.ts';
import { field, message, varintField } from './wire.ts';

const STREAMS = '/event_store.client.streams.Streams';
const EMPTY = Buffer.alloc(0);

function clientOf(port: number, scheme = 'esdb', tls = 'tls=false'): EventStoreDBClient {
  return EventStoreDBClient.connectionString(`${scheme}://localhost:${port}?${tls}`);
}

async function take(subscription: AllStreamSubscription, count: number): Promise<string[]> {
  const seen: string[] = [];
  for await (const { event } of subscription) {
    seen.push(`${event?.streamId ?? ''}@${String(event?.revision)}`);
    if (seen.length >= count) break;
  }
  return seen;
}

describe('the node, through the official client', () => {
  let node: TestNode;
  let client: EventStoreDBClient;
  beforeAll(async () => {
    node = await startTestNode();
    client = clientOf(node.port);
    for (let n = 0; n < 100; n += 1)
      await client.appendToStream(
        n % 2 === 0 ? 'even-1' : 'odd-1',
        jsonEvent({ type: n % 10 === 0 ? 'Tenth' : 'Other', data: { n } }),
      );
  });
  afterAll(async () => {
    await client.dispose();
    await node.dispose();
    expect(node.errors).toEqual([]);
  });

  it('is found by discovery, at the address it was asked at', async () => {
    const discovering = clientOf(node.port, 'esdb+discover');
    const read = discovering.readStream('even-1', { maxCount: 1 });
    for await (const { event } of read) expect(event?.revision).toBe(0n);
    await discovering.dispose();
  });

  it.each([
    ['prefixes of stream names', streamNameFilter({ prefixes: ['odd-', 'none'] }), 50, 'odd-1@0'],
    ['a regular expression of stream names', streamNameFilter({ regex: '^e.en' }), 50, 'even-1@0'],
    ['prefixes of types', eventTypeFilter({ prefixes: ['Ten'] }), 10, 'even-1@0'],
    ['a regular expression of types', eventTypeFilter({ regex: '^[^$T]' }), 90, 'odd-1@0'],
  ])('subscribes by %s', async (_by, filter, count, first) => {
    const seen = await take(client.subscribeToAll({ fromPosition: START, filter }), count);
    expect(seen).toHaveLength(count);
    expect(seen[0]).toBe(first);
  });

  it('gives a checkpoint each interval x window of considered events, at the last considered one', async () => {
    const positions: bigint[] = [];
    const all: bigint[] = [];
    for await (const event of node.store.readAll()) all.push(event.position);
    const reached = new Promise<void>(resolve => {
      const filter = eventTypeFilter({
        ...{ prefixes: ['Nothing'], maxSearchWindow: 10, checkpointInterval: 2 },
        checkpointReached: async (_subscription, { commit }) => {
          positions.push(commit);
          if (positions.length === 5) resolve();
        },
      });
      const subscription = client.subscribeToAll({ fromPosition: START, filter });
      subscription.on('error', () => undefined);
      subscription.resume();
    });
    await reached;
    expect(positions).toEqual([19, 39, 59, 79, 99].map(index => all[index]));
  });

  it('says that it has caught up once history is through, and of a missing stream only after its first events', async () => {
    const order: string[] = [];
    const existing = client.subscribeToStream('even-1', { fromRevision: START });
    const caughtUp = new Promise(resolve => existing.once('caughtUp', resolve));
    existing.on('data', () => order.push('event'));
    existing.once('caughtUp', () => order.push('caught up'));
    await caughtUp;
    expect(order).toEqual([...Array<string>(50).fill('event'), 'caught up']);
    await existing.unsubscribe();

    const missing = client.subscribeToStream('late-1', { fromRevision: START });
    missing.on('data', () => order.push('late event'));
    missing.once('caughtUp', () => order.push('late caught up'));
    await new Promise(resolve => missing.once('confirmation', resolve));
    const after = new Promise(resolve => missing.once('caughtUp', resolve));
    await client.appendToStream('late-1', jsonEvent({ type: 'Late', data: {} }));
    await after;
    expect(order.slice(-2)).toEqual(['late event', 'late caught up']);
    await missing.unsubscribe();
  });

  it('gives an event as it was appended: bytes that are no JSON, metadata, ids in lower case, names beyond ASCII', async () => {
    const id = '0199F3A2-7C1E-7D3B-9D53-6F0A9C2B1E77';
    const data = Uint8Array.from([0, 255, 10, 13]);
    const before = Date.now();
    await client.appendToStream('名前-é', [
      { id, type: 'Größe', contentType: 'application/octet-stream', data, metadata: { a: 1 } },
    ]);
    for await (const { event } of client.readStream('名前-é')) {
      expect(event).toMatchObject({
        id: id.toLowerCase(),
        type: 'Größe',
        isJson: false,
        streamId: '名前-é',
        metadata: { a: 1 },
      });
      expect(Buffer.from(event?.data as Uint8Array)).toEqual(Buffer.from(data));
      expect(event?.created.getTime()).toBeGreaterThanOrEqual(before);
      expect(event?.position?.commit).toBe(event?.position?.prepare);
    }
  });

  it('takes and gives ids as two numbers where a client says so', async () => {
    const session = openRaw(node.port);
    const halves = message(varintField(1, 0x0199f3a27c1e7d3bn), varintField(2, 0x9d536f0a9c2b1e78n));
    const entry = (key: string, value: string): Buffer =>
      field(2, message(field(1, Buffer.from(key)), field(2, Buffer.from(value))));
    const stream = field(1, field(3, Buffer.from('structured-1')));
    const event = message(field(1, field(1, halves)), entry('type', 'T'), entry('content-type', 'application/json'));
    const append = Buffer.concat([framed(field(1, message(stream, field(4, EMPTY)))), framed(field(2, event))]);
    expect((await rawCall(session, `${STREAMS}/Append`, append)).status).toBe('0');
    const options = message(
      field(1, message(stream, field(3, EMPTY))),
      varintField(5, 1n),
      field(8, EMPTY),
      field(9, field(1, EMPTY)),
    );
    const { messages } = await rawCall(session, `${STREAMS}/Read`, framed(field(1, options)));
    expect(messages[0]?.includes(field(1, field(1, halves)))).toBe(true);
    session.destroy();
    for await (const { event: read } of client.readStream('structured-1'))
      expect(read?.id).toBe('0199f3a2-7c1e-7d3b-9d53-6f0a9c2b1e78');
  });

  it('takes an append in many messages, and many appends at once', async () => {
    const events = Array.from({ length: 200 }, (_, n) => jsonEvent({ type: 'Chunk', data: { n } }));
    const { nextExpectedRevision } = await client.appendToStream('chunks-1', events, { batchAppendSize: 500 });
    expect(nextExpectedRevision).toBe(199n);
    const appends = Array.from({ length: 300 }, (_, n) =>
      client.appendToStream(`many-${n % 7}`, jsonEvent({ type: 'One', data: { n } })),
    );
    const results = await Promise.all(appends);
    expect(new Set(results.map(({ position }) => position?.commit)).size).toBe(300);
  });

  it('more than 100 subscriptions of one connection all go on', async () => {
    const subscriptions = Array.from({ length: 150 }, () => client.subscribeToStream('fan-1', { fromRevision: END }));
    await Promise.all(
      subscriptions.map(subscription => new Promise(resolve => subscription.once('confirmation', resolve))),
    );
    const seen = Promise.all(
      subscriptions.map(subscription => new Promise(resolve => subscription.once('data', resolve))),
    );
    await client.appendToStream('fan-1', jsonEvent({ type: 'Fan', data: {} }));
    await seen;
    await Promise.all(subscriptions.map(subscription => subscription.unsubscribe()));
  });

  it('a run of messages is framed as each by itself would be', () => {
    const messages = [Buffer.from('one'), Buffer.alloc(0), Buffer.from('three')];
    const run = serializeRun(messages);
    const target = Buffer.alloc(run.byteLength + 5, 0xff);
    run.copy(target, 5);
    expect(target).toEqual(Buffer.concat(messages.map(framed)));
  });

  it('ends its subscriptions as unavailable when it stops, and the store stays open', async () => {
    const stopping = await startTestNode();
    const other = clientOf(stopping.port);
    const subscription = other.subscribeToAll();
    const ended = new Promise<Error>(resolve => subscription.once('error', resolve));
    await new Promise(resolve => subscription.once('confirmation', resolve));
    await stopping.dispose();
    expect(await ended).toMatchObject({ type: 'unavailable' });
    await other.dispose();
  });
});

describe('a node with TLS and a password', () => {
  const folder = mkdtempSync(join(tmpdir(), 'verbatim-node-tls-'));
  const [certificateFile, keyFile] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  let node: TestNode;
  beforeAll(async () => {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', keyFile, '-out', certificateFile], {
      stdio: 'pipe',
    });
    const tls = { certificate: readFileSync(certificateFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
    node = await startTestNode({ tls, credentials: { username: 'admin', password: 'let-me-in-please' } });
  });
  afterAll(async () => {
    await node.dispose();
    rmSync(folder, { recursive: true });
  });

  const connect = (userInfo: string): EventStoreDBClient =>
    EventStoreDBClient.connectionString(
      `esdb://${userInfo}localhost:${node.port}?tls=true&tlsCAFile=${encodeURIComponent(certificateFile)}`,
    );

  it('lets in who names it', async () => {
    const client = connect('admin:let-me-in-please@');
    await client.appendToStream('secret-1', jsonEvent({ type: 'Secret', data: {} }));
    for await (const { event } of client.readStream('secret-1')) expect(event?.type).toBe('Secret');
    await client.dispose();
  });

  it('refuses nobody in particular, and a wrong password, as access denied', async () => {
    for (const userInfo of ['', 'admin:guess@']) {
      const client = connect(userInfo);
      await expect(client.appendToStream('secret-1', jsonEvent({ type: 'Forged', data: {} }))).rejects.toMatchObject({
        type: 'access-denied',
      });
      await expect(client.deleteStream('secret-1')).rejects.toMatchObject({ type: 'access-denied' });
      await client.dispose();
    }
    expect((await node.store.streamBounds('secret-1')).head).toBe(0n);
  });

  it('has nothing for a client without TLS', async () => {
    const client = new Client(`localhost:${node.port}`, grpcCredentials.createInsecure());
    const asIs = (bytes: Buffer): Buffer => bytes;
    const code = await new Promise(resolve => {
      const deadline = Date.now() + 5_000;
      client.makeUnaryRequest(`${STREAMS}/Delete`, asIs, asIs, EMPTY, { deadline }, error => resolve(error?.code));
    });
    expect(code).toBe(status.UNAVAILABLE);
    client.close();
  });
});
