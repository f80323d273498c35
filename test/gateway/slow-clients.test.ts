import { describe, expect, test } from 'vitest';
import { createGatewayFixture, type GatewayFixture } from '../support/gateway-fixture.ts';
import { turns, until } from '../support/fake-time.ts';
import type { SocketPair } from '../support/socket-pair.ts';

const ROOM = 'conversation:1';
const LIMITS = { queueBytes: 20_000, answerBytes: 4_000, lowWaterBytes: 4_000, frameBytes: 2_000 };

async function room(limits: object = {}): Promise<{ fixture: GatewayFixture; slow: SocketPair; quick: SocketPair }> {
  const fixture = await createGatewayFixture({ limits: { ...LIMITS, ...limits } });
  await fixture.conversation('1', 0);
  const [slow, quick] = [await fixture.connect(), await fixture.connect()];
  for (const pair of [slow, quick]) {
    pair.say({ op: 'subscribe', room: ROOM });
    await until(() => pair.of('caught-up').length > 0);
  }
  return { fixture, slow, quick };
}

function revisions(pair: SocketPair): number[] {
  return pair.of('events').flatMap(({ events }) => events.map(({ rev }) => rev));
}

function upTo(last: number): number[] {
  return Array.from({ length: last + 1 }, (_, i) => i);
}

async function post(fixture: GatewayFixture, count: number, bytes = 300): Promise<void> {
  for (let i = 0; i < count; i++) await fixture.post('1', 'z'.repeat(bytes));
}

describe('a client that does not read', () => {
  test('GW-9: is queued no more than the bound, and the others get everything at once', async () => {
    const { fixture, slow, quick } = await room();
    slow.stalled = true;
    await post(fixture, 200);
    await until(() => revisions(quick).length === 201);
    expect(slow.queuedBytesPeak).toBeLessThanOrEqual(LIMITS.queueBytes);
    expect(slow.queuedBytesPeak).toBeGreaterThan(LIMITS.queueBytes / 2);
    expect(fixture.gateway.stats()).toMatchObject({ catchingUp: 1, fellBehind: 1 });
  });

  test('GW-9: reads on from the log when it drains, every revision once, and returns to live', async () => {
    const { fixture, slow } = await room();
    slow.stalled = true;
    await post(fixture, 200);
    await turns(5);
    for (let i = 0; i < 400 && slow.of('caught-up').length < 2; i++) {
      slow.flush(1);
      await turns(10);
    }
    expect(revisions(slow)).toEqual(upTo(200));
    expect(slow.of('caught-up')).toHaveLength(2);
    expect(slow.queuedBytesPeak).toBeLessThanOrEqual(LIMITS.queueBytes);
    slow.resume();
    await post(fixture, 1);
    await until(() => revisions(slow).length === 202);
    expect(revisions(slow)).toEqual(upTo(201));
    expect(fixture.gateway.stats().catchingUp).toBe(0);
  });

  test('GW-3: what is appended while its last page waits for the socket is not missed', async () => {
    const { fixture } = await room({ frameBytes: 1_000, lowWaterBytes: 500 });
    await post(fixture, 20);
    const late = await fixture.connect();
    late.stalled = true;
    late.say({ op: 'subscribe', room: ROOM });
    await until(() => late.queuedBytes() > 500);
    await turns(20);
    await post(fixture, 1);
    await turns(20);
    late.resume();
    await until(() => late.of('caught-up').length > 0);
    await turns(20);
    expect(revisions(late)).toEqual(upTo(21));
    expect(late.last('caught-up').upTo).toBe(21);
  });

  test('GW-9: of which not a byte drains for 30 s is closed with 4002; one byte in time is enough to stay', async () => {
    const { fixture, slow, quick } = await room();
    slow.stalled = quick.stalled = true;
    await post(fixture, 10);
    await until(() => slow.queuedBytes() > 0 && quick.queuedBytes() > 0);
    const heard = () => {
      slow.pong();
      quick.pong();
    };
    await fixture.time.advance(20_000);
    heard();
    quick.flush(1);
    await fixture.time.advance(9_000);
    expect(fixture.gateway.stats().sockets).toBe(2);
    await fixture.time.advance(2_000);
    expect(fixture.gateway.stats().sockets).toBe(1);
    slow.resume();
    quick.resume();
    expect([slow.closedWith, quick.closedWith]).toEqual([4002, undefined]);
  });

  test('GW-9: that drains slowly stays, though its pongs are held up behind what is queued for it', async () => {
    const { fixture, slow } = await room();
    slow.stalled = true;
    for (let i = 0; i < 12; i++) {
      await post(fixture, 5);
      await fixture.time.advance(10_000);
      slow.flush(1);
    }
    expect(slow.closedWith).toBeUndefined();
    slow.resume();
    await until(() => revisions(slow).length === 61);
    await fixture.time.advance(32_000);
    expect(slow.closedWith).toBeUndefined();
    await fixture.time.advance(2_000);
    expect(slow.closedWith).toBe(4004);
  });

  test('GW-9: has its 30 s from when it stopped reading, however long it had been silent before', async () => {
    const { fixture, slow } = await room();
    await fixture.time.advance(24_000);
    slow.stalled = true;
    await post(fixture, 5);
    await until(() => slow.queuedBytes() > 0);
    await fixture.time.advance(28_000);
    expect(fixture.gateway.stats().sockets).toBe(1);
    await fixture.time.advance(3_000);
    slow.resume();
    expect(slow.closedWith).toBe(4002);
  });

  test('GW-9: that resumes after 4002 gets the rest once', async () => {
    const { fixture, slow } = await room();
    slow.stalled = true;
    await post(fixture, 100);
    await until(() => slow.queuedBytes() > 0);
    await fixture.time.advance(20_000);
    slow.pong();
    await fixture.time.advance(11_000);
    slow.resume();
    expect(slow.closedWith).toBe(4002);
    const after = slow.last('events').upTo;
    const again = await fixture.connect();
    again.say({ op: 'subscribe', room: ROOM, after });
    await until(() => again.of('caught-up').length > 0);
    expect([...revisions(slow), ...revisions(again)]).toEqual(upTo(100));
  });

  test('GW-9: that cannot even take its answers is closed with 4002', async () => {
    const { slow } = await room({ requestsPerSecond: 10_000 });
    slow.stalled = true;
    for (let i = 0; i < 400; i++) slow.say({ op: 'unsubscribe', room: `conversation:${i}`, ref: 'r'.repeat(100) });
    await turns(2_000);
    expect(slow.queuedBytesPeak).toBeLessThanOrEqual(LIMITS.queueBytes);
    slow.resume();
    expect(slow.closedWith).toBe(4002);
  });

  test('GW-9: an event larger than the whole bound still arrives, once the queue is empty', async () => {
    const { fixture, slow } = await room({ queueBytes: 6_000, answerBytes: 1_000, lowWaterBytes: 1_000 });
    slow.stalled = true;
    await post(fixture, 3);
    await post(fixture, 1, 9_500);
    await post(fixture, 3);
    await turns(20);
    for (let i = 0; i < 50; i++) {
      slow.flush(1);
      await turns(10);
    }
    expect(revisions(slow)).toEqual(upTo(7));
  });

  test('GW-9: history waits for the socket too', async () => {
    const { fixture, slow } = await room({ lowWaterBytes: 500 });
    await post(fixture, 5);
    await until(() => revisions(slow).length === 6);
    slow.stalled = true;
    await post(fixture, 3);
    await until(() => slow.queuedBytes() > 500);
    slow.say({ op: 'history', room: ROOM, limit: 3 });
    await turns(50);
    const queued = slow.queuedBytes();
    slow.flush(1);
    await turns(50);
    expect(slow.queuedBytes()).toBeLessThan(queued);
    slow.resume();
    await until(() => slow.of('history-page').length === 1);
    expect(slow.closedWith).toBeUndefined();
  });
});
