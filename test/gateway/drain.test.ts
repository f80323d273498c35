import { describe, expect, test } from 'vitest';
import type { CommandAck, ConversationCommands } from '../../src/commands/commands.ts';
import { emptyFold } from '../../src/domain/decider.ts';
import { conversationDecider } from '../../src/domain/conversation/decider.ts';
import { createGatewayFixture } from '../support/gateway-fixture.ts';
import { turns, until } from '../support/fake-time.ts';

const POST = { op: 'send', room: 'conversation:1', command: 'PostMessage', data: { text: 'x' } };

function heldCommands(): { readonly commands: ConversationCommands; readonly answer: () => void } {
  const held: ((ack: CommandAck) => void)[] = [];
  return {
    commands: {
      handle: () => new Promise(resolve => held.push(resolve)),
      load: () => Promise.resolve(emptyFold(conversationDecider)),
    },
    answer: () => {
      for (const resolve of held.splice(0)) resolve({ first: 0n, last: 0n, position: 1n, duplicate: false });
    },
  };
}

describe('drain', () => {
  test('GW-12: tells each client when to come back, answers what is in flight, then closes with 4001', async () => {
    const { commands, answer } = heldCommands();
    let jitter = 0.1;
    const fixture = await createGatewayFixture({ commands, random: () => (jitter += 0.2) });
    const [ann, bob] = [await fixture.connect(), await fixture.connect()];
    ann.say({ ...POST, id: 'before' });
    await turns(5);
    const drained = fixture.gateway.drain(10_000);
    expect(fixture.sockets.accepting).toBe(false);
    expect([ann, bob].map(pair => pair.last('drain').reconnectAfterMs)).toEqual([1_500, 2_500]);
    ann.say({ ...POST, id: 'after' });
    await turns(5);
    expect(ann.last('nack')).toMatchObject({ id: 'after', code: 'unavailable', retryable: true });
    expect([ann.closedWith, bob.closedWith]).toEqual([undefined, undefined]);
    answer();
    await turns(5);
    expect(ann.last('ack')).toMatchObject({ id: 'before' });
    await fixture.time.advance(1_000);
    await drained;
    expect([ann.closedWith, bob.closedWith]).toEqual([4001, 4001]);
  });

  test('GW-12: a socket that takes not even the notice is closed, and the others are told', async () => {
    const fixture = await createGatewayFixture();
    const [gone, bob] = [await fixture.connect(), await fixture.connect()];
    gone.send = () => 'dropped';
    const drained = fixture.gateway.drain(10_000);
    expect([gone.closedWith, bob.of('drain').length]).toEqual([4002, 1]);
    await turns(5);
    await fixture.time.advance(1_000);
    await drained;
    expect(bob.closedWith).toBe(4001);
  });

  test('GW-12: under load every client is told another time, and every command is answered', async () => {
    let seed = 1;
    const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const fixture = await createGatewayFixture({ random, limits: { reconnectSpreadMs: 5_000 } });
    await fixture.conversation('1', 0);
    const clients = await Promise.all(Array.from({ length: 300 }, (_, i) => fixture.connect({ sub: `agent-${i}` })));
    for (const [i, client] of clients.entries()) {
      client.say({ op: 'subscribe', room: 'conversation:1', after: -1 });
      client.say({ ...POST, id: `before-${i}` });
    }
    const drained = fixture.gateway.drain(20_000);
    for (const client of clients) client.say({ ...POST, id: 'after' });
    await until(() => clients.every(client => client.of('ack').length > 0), 'acks');
    for (let i = 0; i < 20; i++) await fixture.time.advance(1_000);
    await drained;
    expect(new Set(clients.map(({ closedWith }) => closedWith))).toEqual(new Set([4001]));
    for (const [i, client] of clients.entries()) {
      expect(client.of('ack').map(({ id }) => id)).toEqual([`before-${i}`]);
      expect(client.of('nack')).toMatchObject([{ id: 'after', code: 'unavailable', retryable: true }]);
    }
    const fifths = [0, 0, 0, 0, 0];
    for (const client of clients) {
      const fifth = Math.floor(client.last('drain').reconnectAfterMs / 1_000);
      fifths[fifth] = (fifths[fifth] ?? 0) + 1;
    }
    expect(fifths).toHaveLength(5);
    for (const count of fifths) expect(count).toBeGreaterThan(30);
  });

  test('GW-12: waits for what is queued to be read', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 1);
    const ann = await fixture.connect();
    ann.stalled = true;
    ann.say({ op: 'subscribe', room: 'conversation:1' });
    await until(() => ann.queuedBytes() > 0);
    const drained = fixture.gateway.drain(10_000);
    await fixture.time.advance(3_000);
    expect(fixture.gateway.stats().sockets).toBe(1);
    ann.resume();
    await fixture.time.advance(1_000);
    await drained;
    expect(ann.closedWith).toBe(4001);
    expect(ann.of('events')).toHaveLength(1);
  });

  test('GW-12: ends within the grace, whatever hangs', async () => {
    const { commands } = heldCommands();
    const fixture = await createGatewayFixture({ commands });
    const [hangs, stalled] = [await fixture.connect(), await fixture.connect()];
    hangs.say({ ...POST, id: 'never' });
    stalled.stalled = true;
    let over = false;
    const drained = fixture.gateway.drain(5_000).then(() => (over = true));
    await fixture.time.advance(5_000);
    expect(over).toBe(true);
    await drained;
    expect(hangs.closedWith).toBe(4001);
    expect(fixture.gateway.stats().sockets).toBe(0);
    await fixture.gateway.close();
    expect(fixture.sockets.closed).toBe(true);
  });
});
