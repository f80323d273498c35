import { connect as connectTcp } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ClientHttp2Session } from 'node:http2';
import { framed, openRaw, rawCall, startTestNode } from './node-fixture.ts';
import type { TestNode } from './node-fixture.ts';
import { field, message, varintField } from './wire.ts';

const STREAMS = '/event_store.client.streams.Streams';
const UNKNOWN = '2';
const INVALID_ARGUMENT = '3';
const RESOURCE_EXHAUSTED = '8';
const FAILED_PRECONDITION = '9';
const UNIMPLEMENTED = '12';
const HANDLER_FAILED = 'Exception%20was%20thrown%20by%20handler.';
const FUZZ_RUNS = 300;

const stream = (name: string): Buffer => field(3, Buffer.from(name));
const any = field(4, Buffer.alloc(0));
const appendOptions = (name: string, expected = any): Buffer => field(1, message(field(1, stream(name)), expected));
const event = (type: string, data: Buffer, id = '00000000-0000-4000-8000-000000000001'): Buffer =>
  field(
    2,
    message(
      field(1, field(2, Buffer.from(id))),
      field(2, message(field(1, Buffer.from('type')), field(2, Buffer.from(type)))),
      field(2, message(field(1, Buffer.from('content-type')), field(2, Buffer.from('application/json')))),
      field(4, data),
    ),
  );
const readOptions = (...options: Buffer[]): Buffer =>
  field(1, message(...options, field(8, Buffer.alloc(0)), field(9, field(2, Buffer.alloc(0)))));
const readStream = (name: string, from: Buffer, count: Buffer): Buffer =>
  readOptions(field(1, message(field(1, stream(name)), from)), count);
const START = field(3, Buffer.alloc(0));
const END = field(4, Buffer.alloc(0));

describe('what no client sends', () => {
  let node: TestNode;
  let session: ClientHttp2Session;
  beforeAll(async () => {
    node = await startTestNode();
  });
  afterAll(() => node.dispose());
  beforeEach(() => {
    session = openRaw(node.port);
  });
  /** Whatever was sent: the node goes on, and nothing in it failed that no request explains. */
  afterEach(async () => {
    session.destroy();
    expect(node.errors).toEqual([]);
    const other = openRaw(node.port);
    const append = Buffer.concat([framed(appendOptions('alive')), framed(event('Lived', Buffer.from('{}')))]);
    expect((await rawCall(other, `${STREAMS}/Append`, append)).status).toBe('0');
    other.close();
  });

  const call = (method: string, ...messages: Buffer[]) =>
    rawCall(session, `${STREAMS}/${method}`, Buffer.concat(messages.map(framed)));

  it('an append without options, with two, or to no stream is the handler that failed', async () => {
    for (const messages of [
      [],
      [event('T', Buffer.alloc(1))],
      [appendOptions('a'), appendOptions('a')],
      [appendOptions('')],
    ]) {
      const { status, trailers } = await call('Append', ...messages);
      expect({ status, said: trailers['grpc-message'] }).toEqual({ status: UNKNOWN, said: HANDLER_FAILED });
    }
  });

  it('an append to no stream in a batch is BadRequest, and the call goes on', async () => {
    const correlation = field(1, field(2, Buffer.from('00000000-0000-4000-8000-0000000000aa')));
    const append = (name: string): Buffer =>
      message(correlation, field(2, message(field(1, stream(name)), any)), varintField(4, 1n));
    const { status, messages } = await call('BatchAppend', append(''), append('b'));
    expect(status).toBe('0');
    expect(messages.map(answer => answer.includes('BadRequest'))).toEqual([true, false]);
  });

  it('an append over the limit says the limit, in trailers of its own', async () => {
    const large = event('T', Buffer.alloc(1_100_000));
    const { status, trailers } = await call('Append', appendOptions('large'), large);
    expect(status).toBe(INVALID_ARGUMENT);
    expect(trailers).toMatchObject({ exception: 'maximum-append-size-exceeded', 'maximum-append-size': '1048576' });
  });

  it('a message over the limit of messages is refused before it is read', async () => {
    const header = Buffer.alloc(5);
    header.writeUInt32BE(64 * 1_048_576, 1);
    const { status } = await rawCall(session, `${STREAMS}/Append`, header);
    expect(status).toBe(RESOURCE_EXHAUSTED);
  });

  it('an event without a type says which properties are required', async () => {
    const untyped = field(2, field(1, field(2, Buffer.from('00000000-0000-4000-8000-000000000001'))));
    const { status, trailers } = await call('Append', appendOptions('a'), untyped);
    expect(status).toBe(INVALID_ARGUMENT);
    expect(trailers.exception).toBe('missing-required-metadata-property');
    expect(trailers['required-metadata-properties']).toBe('type,content-type');
  });

  it('a revision of -1 is the unsigned maximum, which means no stream; -2 is refused', async () => {
    const expecting = (revision: bigint): Buffer => appendOptions('negative', varintField(2, revision));
    const one = event('T', Buffer.from('{}'));
    expect((await call('Append', expecting(2n ** 64n - 2n), one)).status).toBe(UNKNOWN);
    expect((await call('Append', expecting(2n ** 64n - 1n), one)).status).toBe('0');
    const second = event('T', Buffer.from('{}'), '00000000-0000-4000-8000-000000000002');
    const conflict = await call('Append', expecting(2n ** 64n - 1n), second);
    expect(conflict.messages[0]?.[0]).toBe((2 << 3) | 2); // wrong_expected_version
  });

  it('a read of nothing, from the end, or of a stream without a name is an unexpected result', async () => {
    const count = varintField(5, 10n);
    for (const request of [
      readStream('a', START, varintField(5, 0n)),
      readStream('alive', END, count),
      readStream('', START, count),
    ]) {
      const { status, trailers } = await call('Read', request);
      expect({ status, said: trailers['grpc-message'] }).toEqual({
        status: UNKNOWN,
        said: 'Unexpected%20ReadStreamResult:%20Error',
      });
    }
  });

  it('a read that lacks an option, or filters by no regular expression, is the handler that failed', async () => {
    const all = field(2, field(2, Buffer.alloc(0)));
    const subscription = field(6, Buffer.alloc(0));
    const filter = (expression: Buffer): Buffer =>
      field(7, message(field(1, expression), field(4, Buffer.alloc(0)), varintField(5, 1n)));
    const uuids = field(9, field(2, Buffer.alloc(0)));
    for (const options of [
      message(),
      message(all, subscription),
      message(all, subscription, filter(field(1, Buffer.from('(')))),
      message(all, subscription, filter(field(1, Buffer.from('(', 'utf8'))), uuids),
      message(all, subscription, filter(field(1, Buffer.from('a'.repeat(5_000)))), uuids),
    ])
      expect((await call('Read', field(1, options))).status).toBe(UNKNOWN);
  });

  it('a delete of a missing stream carries what was expected and what is there', async () => {
    const { status, trailers } = await call('Delete', appendOptions('missing-é'));
    expect(status).toBe(FAILED_PRECONDITION);
    expect(trailers).toMatchObject({
      exception: 'wrong-expected-version',
      'expected-version': '-2',
      'actual-version': '-1',
      'stream-name': 'missing-%C3%A9',
    });
  });

  it.each([
    `${STREAMS}/Nothing`,
    '/event_store.client.users.Users/Create',
    '/event_store.client.projections.Projections/Create',
    '/event_store.client.operations.Operations/StartScavenge',
    '/event_store.client.persistent_subscriptions.PersistentSubscriptions/Create',
    '/',
  ])('%s is not implemented, and says so', async path => {
    const { status, trailers } = await rawCall(session, path, framed(Buffer.alloc(0)));
    expect(status).toBe(UNIMPLEMENTED);
    expect(decodeURI(String(trailers['grpc-message']))).toContain(path);
  });

  it('another content type is 415', async () => {
    const { headers } = await rawCall(session, `${STREAMS}/Append`, Buffer.from('{}'), {
      'content-type': 'application/json',
    });
    expect(headers[':status']).toBe(415);
  });

  it('a compression nobody knows is not implemented', async () => {
    const body = framed(appendOptions('a'));
    body[0] = 1;
    const { status } = await rawCall(session, `${STREAMS}/Append`, body, { 'grpc-encoding': 'snappy' });
    expect(status).toBe(UNIMPLEMENTED);
  });

  it('random bytes as messages end the call, and nothing else', async () => {
    const methods = ['Read', 'Append', 'BatchAppend', 'Delete', 'Tombstone'];
    const valid = [readStream('a', START, varintField(5, 3n)), appendOptions('a'), event('T', Buffer.from('{}'))];
    const mutated = fc
      .tuple(fc.constantFrom(...valid), fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 6 }))
      .map(([bytes, changes]) => {
        const copy = Buffer.from(bytes);
        for (const [at, value] of changes) copy[at % copy.length] = value;
        return copy;
      });
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }).map(Buffer.from), mutated);
    const framing = fc.constantFrom('whole', 'whole', 'torn', 'none');
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...methods),
        fc.array(bytes, { maxLength: 3 }),
        framing,
        async (method, sent, how) => {
          const body = Buffer.concat(sent.map(part => (how === 'none' ? part : framed(part))));
          const cut = how === 'torn' ? body.subarray(0, Math.max(0, body.length - 2)) : body;
          const over = new AbortController();
          const answer = rawCall(session, `${STREAMS}/${method}`, cut);
          // A mutation may make a subscription, or a frame that waits for more: both are left after a moment.
          const outcome = await Promise.race([
            answer.then(({ status }) => status ?? 'none'),
            delay(300, 'waits', { signal: over.signal }),
          ]);
          over.abort();
          if (outcome === 'waits' || outcome === 'none') {
            session.destroy();
            await answer.catch(() => undefined);
            session = openRaw(node.port);
          }
        },
      ),
      { numRuns: FUZZ_RUNS },
    );
  });

  it.each([
    ['HTTP/1 garbage', Buffer.from('GARBAGE\r\n\r\n')],
    ['half a preface', Buffer.from('PRI * HT')],
    [
      'a preface and garbage',
      Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.alloc(500, 0xee)]),
    ],
    ['a TLS handshake', Buffer.from('1603010200010001fc0303', 'hex')],
    ['zeros', Buffer.alloc(10_000)],
  ])('%s on the port harms only its own connection', async (_what, bytes) => {
    const socket = connectTcp(node.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.resume();
    socket.end(bytes);
    await once(socket, 'close');
    const ping = await fetch(`http://127.0.0.1:${node.port}/ping`);
    expect(ping.status).toBe(200);
  });
});
