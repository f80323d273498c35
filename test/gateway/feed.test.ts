import { describe, expect, test } from 'vitest';
import type { SubscriptionMessage } from '../../src/event-store/event-store.ts';
import { UnavailableError } from '../../src/errors.ts';
import { plainCodec } from '../support/plain-codec.ts';
import { createConversationSerializer } from '../../src/schemas/aggregate-serializers.ts';
import { createGatewayFixture } from '../support/gateway-fixture.ts';
import { turns, until } from '../support/fake-time.ts';
import { MemoryEventStore } from '../support/memory-event-store.ts';
import type { SocketPair } from '../support/socket-pair.ts';

const ROOM = 'conversation:1';

/** A store whose subscriptions break when told to. */
class BreakingStore extends MemoryEventStore {
  subscriptions = 0;
  private breaking: Error | undefined;

  override async *subscribeToAll(
    options: Parameters<MemoryEventStore['subscribeToAll']>[0],
  ): AsyncGenerator<SubscriptionMessage> {
    this.subscriptions += 1;
    for await (const message of super.subscribeToAll(options)) {
      if (this.breaking) {
        const error = this.breaking;
        this.breaking = undefined;
        throw error;
      }
      yield message;
    }
  }

  breakNext(error: Error): void {
    this.breaking = error;
  }
}

function revisions(pair: SocketPair): number[] {
  return pair.of('events').flatMap(({ events }) => events.map(({ rev }) => rev));
}

describe('the live feed', () => {
  test('GW-3: subscribes again after an error, from the last position it has seen', async () => {
    const store = new BreakingStore();
    const fixture = await createGatewayFixture({ store });
    await fixture.conversation('1', 1);
    const ann = await fixture.connect();
    ann.say({ op: 'subscribe', room: ROOM });
    await until(() => ann.of('caught-up').length > 0);
    store.breakNext(new UnavailableError('the leader is gone'));
    await fixture.post('1', 'lost with the subscription');
    await turns(10);
    expect(fixture.gateway.stats().feedConnected).toBe(false);
    expect(revisions(ann)).toEqual([0, 1]);
    await fixture.post('1', 'while it is away');
    await fixture.time.advance(100);
    await until(() => revisions(ann).length === 4);
    expect(revisions(ann)).toEqual([0, 1, 2, 3]);
    expect(store.subscriptions).toBe(2);
    expect(fixture.gateway.stats().feedConnected).toBe(true);
  });

  test('stops at once while it waits to subscribe again', async () => {
    const store = new BreakingStore();
    const fixture = await createGatewayFixture({ store });
    store.breakNext(new UnavailableError('the leader is gone'));
    await fixture.conversation('1', 0);
    await until(() => !fixture.gateway.stats().feedConnected);
    await fixture.gateway.close();
    expect(store.subscriptions).toBe(1);
  });

  test('starts where the log ends, so that what was before is not dispatched', async () => {
    const store = new BreakingStore();
    const before = await createGatewayFixture({ store });
    await before.conversation('1', 5);
    await before.gateway.close();
    const fixture = await createGatewayFixture({ store });
    const ann = await fixture.connect();
    ann.say({ op: 'subscribe', room: ROOM, live: true });
    await until(() => ann.of('caught-up').length > 0);
    await turns(20);
    expect(ann.of('events')).toEqual([]);
  });

  test('GW-3: a room opened while the feed reads past it misses nothing', async () => {
    const store = new MemoryEventStore();
    const serializer = createConversationSerializer({ codec: plainCodec });
    const held = { until: Promise.resolve() };
    const fixture = await createGatewayFixture({
      store,
      serializer: {
        open: async batch => {
          // Only the feed opens events of the other room.
          if (batch.some(({ stream }) => stream.endsWith('.other'))) await held.until;
          return serializer.open(batch);
        },
      },
    });
    await fixture.conversation('1', 1);
    const other = await fixture.connect();
    other.say({ op: 'subscribe', room: 'conversation:other' });
    await until(() => other.of('caught-up').length > 0);
    let release = () => {};
    held.until = new Promise<void>(resolve => (release = resolve));
    await Promise.all([fixture.conversation('other', 0), fixture.post('1', 'in the same batch')]);
    const ann = await fixture.connect();
    ann.say({ op: 'subscribe', room: ROOM, after: 1 });
    await until(() => ann.of('caught-up').length > 0);
    release();
    await until(() => revisions(other).length === 1);
    await fixture.post('1', 'after');
    await until(() => revisions(ann).length === 2);
    expect(revisions(ann)).toEqual([2, 3]);
  });

  test('GW-11: an event that this code cannot read ends its room with an error, and no session', async () => {
    const fixture = await createGatewayFixture();
    await fixture.conversation('1', 1);
    await fixture.conversation('2', 1);
    const [ann, bob] = [await fixture.connect(), await fixture.connect()];
    ann.say({ op: 'subscribe', room: ROOM });
    bob.say({ op: 'subscribe', room: 'conversation:2' });
    await until(() => ann.of('caught-up').length + bob.of('caught-up').length === 2);
    const newer = {
      id: '019a0000-0000-7000-8000-00000000000a',
      type: 'SomethingNewer',
      contentType: 'application/json',
    } as const;
    const bytes = Buffer.from('{}');
    const event = { ...newer, data: bytes, metadata: bytes };
    await Promise.all([
      fixture.store.append('conversation-acme.1', [event], { expectedRevision: 1n }),
      fixture.post('2', 'beside it'),
    ]);
    await until(() => ann.of('error').length > 0 && revisions(bob).length === 3);
    const fault = { op: 'error', code: 'internal', room: ROOM, retryable: false };
    expect(ann.last('error')).toMatchObject(fault);
    ann.say({ op: 'subscribe', room: ROOM, after: 1, ref: 'again' });
    ann.say({ op: 'subscribe', room: 'conversation:2' });
    await until(() => ann.of('caught-up').length === 2);
    expect(ann.last('error')).toMatchObject({ ...fault, ref: 'again' });
    expect([ann.closedWith, bob.closedWith]).toEqual([undefined, undefined]);
    expect(fixture.gateway.stats()).toMatchObject({ subscriptions: 2, resumes: 0 });
  });
});

describe('catching up', () => {
  test('outlasts a store that is away for a while, and ends the session resumably when it stays away', async () => {
    const store = new MemoryEventStore();
    const fixture = await createGatewayFixture({ store });
    await fixture.conversation('1', 3);
    const read = store.readStream.bind(store);
    let failures = 3;
    store.readStream = (stream, options) => {
      if (failures-- > 0) throw new UnavailableError('away');
      return read(stream, options);
    };
    const ann = await fixture.connect();
    ann.say({ op: 'subscribe', room: ROOM });
    await turns(10);
    await fixture.time.advance(5_000);
    await until(() => ann.of('caught-up').length > 0);
    expect(revisions(ann)).toEqual([0, 1, 2, 3]);
    await fixture.conversation('2', 3);
    failures = Number.POSITIVE_INFINITY;
    const bob = await fixture.connect();
    bob.say({ op: 'subscribe', room: 'conversation:2' });
    await turns(10);
    await fixture.time.advance(20_000);
    expect([ann.closedWith, bob.closedWith]).toEqual([undefined, 4000]);
  });
});
