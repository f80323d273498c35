import { describe, expect, test } from 'vitest';
import { createGatewayFixture, LOG } from '../support/gateway-fixture.ts';
import { turns, until } from '../support/fake-time.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';

describe('authentication', () => {
  test('a token in the header is answered with hello, which names user, log and limits', async () => {
    const { connect } = await createGatewayFixture();
    const ann = await connect();
    expect(ann.last('hello')).toEqual({
      op: 'hello',
      session: 'session-1',
      user: 'ann',
      role: 'agent',
      log: LOG,
      heartbeatMs: 25_000,
      limits: { frameBytes: 65_536, rooms: 200, sendsPerSecond: 50, queueBytes: 1_048_576 },
    });
  });

  test('a token as second subprotocol is taken', async () => {
    const { sockets, token } = await createGatewayFixture();
    const pair = sockets.connect({ protocols: ['verbatim.v1', `bearer.${token()}`] });
    await turns(2);
    expect(pair.last('hello').user).toBe('ann');
  });

  test('a token in a first auth frame is taken, and hello carries its ref', async () => {
    const { sockets, token } = await createGatewayFixture();
    const pair = sockets.connect({});
    pair.say({ op: 'auth', token: token(), ref: 'r1' });
    await turns(2);
    expect(pair.last('hello')).toMatchObject({ user: 'ann', ref: 'r1' });
  });

  test('without a token in time the socket closes with 4501', async () => {
    const { sockets, time } = await createGatewayFixture();
    const pair = sockets.connect({});
    await time.advance(9_000);
    expect(pair.closedWith).toBeUndefined();
    await time.advance(1_000);
    expect([pair.closedWith, pair.closedBecause]).toEqual([4501, 'unauthorized: no auth within 10 s']);
  });

  test('a first frame that is not auth closes with 4501', async () => {
    const { sockets } = await createGatewayFixture();
    const pair = sockets.connect({});
    pair.say({ op: 'subscribe', room: 'conversation:1' });
    expect([pair.closedWith, pair.closedBecause]).toEqual([4501, 'unauthorized: the first frame was not auth']);
    expect(pair.frames).toEqual([]);
  });

  test('a bad token closes with 4501, an expired one with 4005, another kind of authorization with 4501', async () => {
    const { sockets, token, time } = await createGatewayFixture();
    const bad = sockets.connect({ authorization: 'Bearer nonsense' });
    const expired = sockets.connect({ authorization: `Bearer ${token({ expiresAt: time.now() })}` });
    const basic = sockets.connect({ authorization: 'Basic YTpi' });
    await turns(2);
    expect([bad.closedWith, expired.closedWith, basic.closedWith]).toEqual([4501, 4005, 4501]);
    expect([bad.closedBecause, basic.closedBecause]).toEqual([
      'unauthorized: token',
      'unauthorized: Authorization is not Bearer',
    ]);
    expect([...bad.frames, ...expired.frames, ...basic.frames]).toEqual([]);
  });

  test('what is wrong with a token is logged, and nothing of the token', async () => {
    const lines: unknown[] = [];
    const info = (message: string, fields?: object) => lines.push({ message, ...fields });
    const { sockets } = await createGatewayFixture({ logger: { ...silentLogger, info } });
    sockets.connect({ authorization: 'Bearer nonsense' });
    await turns(2);
    expect(lines).toEqual([
      { message: 'a socket was not authorized', session: 'session-1', why: 'token', detail: 'not a token' },
    ]);
  });

  test('another subprotocol, or none, closes with 4506', async () => {
    const { sockets, token } = await createGatewayFixture();
    const authorization = `Bearer ${token()}`;
    expect(sockets.connect({ protocols: ['verbatim.v2'], authorization }).closedWith).toBe(4506);
    expect(sockets.connect({ protocols: [], authorization }).closedWith).toBe(4506);
  });

  test('frames sent before hello are served after it, in order', async () => {
    const { sockets, token, conversation } = await createGatewayFixture();
    await conversation('1', 1);
    const pair = sockets.connect({ authorization: `Bearer ${token()}` });
    pair.say({ op: 'subscribe', room: 'conversation:1' });
    pair.say({ op: 'unsubscribe', room: 'conversation:1' });
    await until(() => pair.of('unsubscribed').length > 0);
    expect(pair.frames.map(({ op }) => op).filter(op => op !== 'events' && op !== 'caught-up')).toEqual([
      'hello',
      'subscribed',
      'unsubscribed',
    ]);
  });

  test('the session ends with 4005 when its token expires, and with the expiry of the new one after a refresh', async () => {
    const { connect, token, time } = await createGatewayFixture();
    const [kept, left] = [
      await connect({ expiresAt: time.now() + 60_000 }),
      await connect({ expiresAt: time.now() + 60_000 }),
    ];
    const expiresAt = time.now() + 90_000;
    kept.say({ op: 'refresh', token: token({ expiresAt }), ref: 'r' });
    await turns(2);
    expect(kept.last('refreshed')).toEqual({ op: 'refreshed', ref: 'r', expiresAt: new Date(expiresAt).toISOString() });
    const stayAwake = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 10_000) {
        kept.pong();
        left.pong();
        await time.advance(10_000);
      }
    };
    await stayAwake(60_000);
    expect([kept.closedWith, left.closedWith]).toEqual([undefined, 4005]);
    await stayAwake(30_000);
    expect(kept.closedWith).toBe(4005);
  });

  test('an expired session serves no frame, even before its end is noticed', async () => {
    const { connect, time } = await createGatewayFixture();
    const ann = await connect({ expiresAt: time.now() + 500 });
    await time.advance(500);
    ann.say({ op: 'subscribe', room: 'conversation:1' });
    expect(ann.closedWith).toBe(4005);
  });

  test('a refresh with a bad token, or of somebody else, is an error and changes nothing', async () => {
    const { connect, token } = await createGatewayFixture();
    const ann = await connect();
    ann.say({ op: 'refresh', token: 'nonsense', ref: '1' });
    ann.say({ op: 'refresh', token: token({ sub: 'eve' }), ref: '2' });
    ann.say({ op: 'refresh', token: token({ tenant: 'other' }), ref: '3' });
    ann.say({ op: 'refresh', token: token({ role: 'supervisor' }), ref: '4' });
    await turns(10);
    expect(ann.of('error').map(({ ref, code }) => [ref, code])).toEqual([
      ['1', 'unauthorized'],
      ['2', 'forbidden'],
      ['3', 'forbidden'],
      ['4', 'forbidden'],
    ]);
    expect(ann.closedWith).toBeUndefined();
  });
});

describe('the heartbeat', () => {
  test('pings each 25 s, and a socket silent for 33 s closes with 4004', async () => {
    const { connect, time } = await createGatewayFixture();
    const [awake, silent] = [await connect(), await connect()];
    await time.advance(25_000);
    expect([awake.pings, silent.pings]).toEqual([1, 1]);
    awake.pong();
    await time.advance(7_000);
    expect(silent.closedWith).toBeUndefined();
    await time.advance(1_000);
    expect([awake.closedWith, silent.closedWith]).toEqual([undefined, 4004]);
    await time.advance(17_000);
    expect(awake.pings).toBe(2);
  });
});

describe('bad frames', () => {
  test.each([
    ['{', undefined, undefined],
    ['[]', undefined, undefined],
    ['null', undefined, undefined],
    ['{"op":"dance","ref":"r"}', 'op', 'r'],
    ['{"op":"subscribe","ref":"r"}', 'room', 'r'],
    ['{"op":"subscribe","room":7}', 'room', undefined],
    ['{"op":"subscribe","room":"conversation:1","after":-2}', 'after', undefined],
    ['{"op":"subscribe","room":"conversation:1","after":1.5}', 'after', undefined],
    ['{"op":"subscribe","room":"conversation:1","after":9007199254740992}', 'after', undefined],
    ['{"op":"subscribe","room":"conversation:1","after":"1"}', 'after', undefined],
    ['{"op":"subscribe","room":"conversation:1","after":1,"tail":1}', 'after', undefined],
    ['{"op":"history","room":"conversation:1","limit":0}', 'limit', undefined],
    ['{"op":"typing","room":"conversation:1","on":"yes"}', 'on', undefined],
    ['{"op":"send","id":"a b","room":"conversation:1","command":"PostMessage","data":{}}', 'id', undefined],
    ['{"op":"auth","token":"t"}', 'op', undefined],
  ])('%s is answered bad-request with its path and ref', async (text, path, ref) => {
    const { connect } = await createGatewayFixture();
    const ann = await connect();
    ann.sayText(text);
    const { message, ...error } = ann.last('error');
    expect(message).not.toBe('');
    expect(error).toEqual({
      op: 'error',
      code: 'bad-request',
      retryable: false,
      ...(path === undefined ? {} : { path }),
      ...(ref === undefined ? {} : { ref }),
    });
    expect(ann.closedWith).toBeUndefined();
  });

  test('a binary frame is bad-request, a frame above the limit too-large', async () => {
    const { connect } = await createGatewayFixture();
    const ann = await connect();
    ann.sayBinary(10);
    ann.sayBinary(65_537);
    expect(ann.of('error').map(({ code }) => code)).toEqual(['bad-request', 'too-large']);
  });

  test('a bug met while a frame is taken ends its session resumably, and no other', async () => {
    const fixture = await createGatewayFixture();
    const other = await fixture.connect();
    const pair = fixture.sockets.connect({});
    // The verifier of these tests throws at this one, which a verifier never should.
    pair.say({ op: 'auth', token: '{' });
    expect(pair.closedWith).toBe(4000);
    other.say({ op: 'unsubscribe', room: 'conversation:1' });
    await until(() => other.of('unsubscribed').length === 1);
  });

  test('unknown fields are ignored', async () => {
    const { connect } = await createGatewayFixture();
    const ann = await connect();
    ann.say({ op: 'unsubscribe', room: 'conversation:1', ref: 'r', colour: 'green' });
    await turns(2);
    expect(ann.last('unsubscribed')).toEqual({ op: 'unsubscribed', room: 'conversation:1', ref: 'r' });
  });

  test('the twentieth within a minute closes with 4500, slower ones do not, and nobody else notices', async () => {
    const { connect, time } = await createGatewayFixture();
    const [hasty, slow, other] = [await connect(), await connect(), await connect()];
    for (let i = 0; i < 19; i++) hasty.sayText('{');
    expect(hasty.closedWith).toBeUndefined();
    hasty.sayText('{');
    expect(hasty.closedWith).toBe(4500);
    expect(hasty.of('error')).toHaveLength(20);
    for (let i = 0; i < 60; i++) {
      slow.sayText('{');
      other.pong();
      await time.advance(4_000);
    }
    expect([slow.closedWith, other.closedWith]).toEqual([undefined, undefined]);
  });

  test('a malformed send counts as well, and is still nacked', async () => {
    const { connect } = await createGatewayFixture();
    const ann = await connect();
    for (let i = 0; i < 20; i++) ann.say({ op: 'send', id: `m${i}`, command: 7, data: {} });
    expect(ann.of('nack')).toHaveLength(20);
    expect(ann.closedWith).toBe(4500);
  });

  test('more requests than allowed a second are rate-limited, and typing is then shed in silence', async () => {
    const { connect, time } = await createGatewayFixture({ limits: { requestsPerSecond: 2 } });
    const ann = await connect();
    for (const ref of ['1', '2', '3']) ann.say({ op: 'unsubscribe', room: 'conversation:1', ref });
    ann.say({ op: 'typing', room: 'conversation:1', on: true });
    await turns(5);
    expect(ann.of('unsubscribed').map(({ ref }) => ref)).toEqual(['1', '2']);
    expect(ann.of('error')).toEqual([
      {
        op: 'error',
        ref: '3',
        room: 'conversation:1',
        code: 'rate-limited',
        message: 'At most 2 a second.',
        retryable: true,
        retryAfterMs: 500,
      },
    ]);
    await time.advance(500);
    ann.say({ op: 'unsubscribe', room: 'conversation:1', ref: '4' });
    await turns(2);
    expect(ann.last('unsubscribed').ref).toBe('4');
  });

  test('a node takes no more sockets than its bound: the next closes with 4006', async () => {
    const { connect } = await createGatewayFixture({ limits: { sockets: 1 } });
    const [first, second] = [await connect(), await connect()];
    expect([first.closedWith, second.closedWith]).toEqual([undefined, 4006]);
  });
});
