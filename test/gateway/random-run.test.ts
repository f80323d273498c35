/**
 * GW-3 under everything at once: many clients in both views, cut, stalled, drained a frame at a time, resumed from
 * their cursors, while commands land and the feed breaks. One seed a run; a failing one is printed by fast-check.
 */
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UnavailableError } from '../../src/errors.ts';
import type { EventStore, SubscriptionMessage } from '../../src/event-store/event-store.ts';
import { createGatewayFixture, type GatewayFixture } from '../support/gateway-fixture.ts';
import { turns } from '../support/fake-time.ts';
import { MemoryEventStore } from '../support/memory-event-store.ts';
import type { SocketPair } from '../support/socket-pair.ts';
import { openEmbedded, openOnNode } from '../support/store-configurations.ts';

const CONVERSATIONS = ['a', 'b'] as const;
const CLIENTS = 6;
const LIMITS = {
  ...{
    queueBytes: 6_000,
    answerBytes: 2_000,
    lowWaterBytes: 1_500,
    frameBytes: 1_500,
    pageEvents: 5,
    pageBytes: 2_000,
  },
  // Tails of a few events, of one room at a time now and then: they are trimmed, pushed out and read again all the time.
  ...{ tailBytes: 3_000, tailsBytes: 6_000, tailKeptMs: 500 },
  requestsPerSecond: 1_000_000,
};

/** An engine to run on, whose subscription breaks at its next message when told to. */
interface Engine {
  readonly store: EventStore;
  break(): void;
  /** Resolves once everything that was broken is whole again. */
  mended?(): Promise<void>;
  /** Lets it work, where turns of this process's event loop are not what it needs. */
  pause?(): Promise<unknown>;
  close(): Promise<void>;
}

function breakable(store: EventStore, close: () => Promise<void>): Engine {
  let broken = false;
  const subscribe = store.subscribeToAll.bind(store);
  store.subscribeToAll = async function* (options): AsyncGenerator<SubscriptionMessage> {
    for await (const message of subscribe(options)) {
      if (broken) {
        broken = false;
        throw new UnavailableError('broken by the run');
      }
      yield message;
    }
  };
  return { store, close, break: () => (broken = true) };
}

/** What breaks is the node: killed with -9, and started again. */
async function killable(): Promise<Engine> {
  const { store, node, close } = await openOnNode();
  let mended = Promise.resolve();
  return {
    ...{ store, close },
    break: () => {
      mended = mended.then(async () => {
        await node.kill9();
        await node.start();
      });
    },
    mended: () => mended,
    pause: () => delay(2),
  };
}

interface Expected {
  readonly rev: number;
  readonly staff: string;
  readonly visitor: string;
}

/** One client over many connections: checks that frames tile, and keeps what it saw. */
class Client {
  readonly role: 'agent' | 'visitor';
  private pair: SocketPair | undefined;
  private checked = 0;
  readonly cursors = new Map<string, number>(CONVERSATIONS.map(id => [`conversation:${id}`, -1]));
  readonly seen = new Map<string, string[]>(CONVERSATIONS.map(id => [`conversation:${id}`, []]));

  private readonly storeMayBeAway: boolean;

  constructor(role: 'agent' | 'visitor', storeMayBeAway: boolean) {
    this.role = role;
    this.storeMayBeAway = storeMayBeAway;
  }

  async connect(fixture: GatewayFixture): Promise<void> {
    if (this.pair) return;
    const pair = await fixture.connect(this.role === 'visitor' ? { sub: 'vera', role: 'visitor' } : {});
    this.pair = pair;
    this.checked = 0;
    for (const [room, after] of this.cursors) pair.say({ op: 'subscribe', room, after });
  }

  cut(): void {
    this.read();
    this.pair?.cut();
    this.pair = undefined;
  }

  stall(): void {
    if (this.pair) this.pair.stalled = true;
  }

  flush(frames: number): void {
    this.pair?.flush(frames);
    this.read();
  }

  resume(): void {
    this.pair?.resume();
    this.read();
  }

  /** GW-3, frame by frame. */
  read(): void {
    if (!this.pair) return;
    for (const frame of this.pair.frames.slice(this.checked)) {
      this.checked += 1;
      if (frame.op === 'error' && this.asksAgain(frame.room, frame.code)) continue;
      if (frame.op === 'error' || frame.op === 'reset' || frame.op === 'unsubscribed')
        throw new Error(JSON.stringify(frame));
      if (frame.op === 'subscribed') expect(frame.after).toBe(this.cursors.get(frame.room));
      if (frame.op === 'caught-up') expect(frame.upTo).toBe(this.cursors.get(frame.room));
      if (frame.op !== 'events') continue;
      expect(frame.after).toBe(this.cursors.get(frame.room));
      expect(frame.upTo).toBeGreaterThan(frame.after);
      for (const event of frame.events) {
        expect(event.rev).toBeGreaterThan(frame.after);
        expect(event.rev).toBeLessThanOrEqual(frame.upTo);
        this.seen.get(frame.room)?.push(JSON.stringify([event.rev, event.type, event.data]));
      }
      this.cursors.set(frame.room, frame.upTo);
    }
    if (this.pair.closedWith !== undefined) this.pair = undefined;
  }

  /** A room that cannot be read while the store is away is refused or ended, for now; the session goes on. */
  private asksAgain(room = '', code = ''): boolean {
    const after = this.cursors.get(room);
    if (!this.storeMayBeAway || code !== 'unavailable' || after === undefined) return false;
    this.pair?.say({ op: 'subscribe', room, after });
    return true;
  }
}

type Step =
  | { readonly kind: 'post'; readonly conversation: number; readonly bytes: number; readonly count: number }
  | { readonly kind: 'redact'; readonly conversation: number }
  | { readonly kind: 'connect' | 'cut' | 'stall' | 'resume'; readonly client: number }
  | { readonly kind: 'flush'; readonly client: number; readonly frames: number }
  | { readonly kind: 'turns'; readonly count: number }
  | { readonly kind: 'break' | 'wait' };

const conversation = fc.integer({ min: 0, max: CONVERSATIONS.length - 1 });
const client = fc.integer({ min: 0, max: CLIENTS - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('post' as const),
      conversation,
      bytes: fc.integer({ min: 1, max: 900 }),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('redact' as const), conversation }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('connect' as const, 'cut' as const, 'stall' as const, 'resume' as const),
      client,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('flush' as const), client, frames: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('break' as const, 'wait' as const) }) },
);

async function play(engine: Engine, steps: readonly Step[]): Promise<void> {
  const { store } = engine;
  const fixture = await createGatewayFixture({ store, limits: LIMITS });
  for (const id of CONVERSATIONS) await fixture.conversation(id, 0, { visitor: 'vera' });
  const clients = Array.from(
    { length: CLIENTS },
    (_, i) => new Client(i % 2 === 0 ? 'agent' : 'visitor', engine.mended !== undefined),
  );
  const posted = new Map<string, number>();
  const written: Promise<unknown>[] = [];
  for (const taken of steps) {
    switch (taken.kind) {
      case 'post': {
        const id = CONVERSATIONS[taken.conversation] ?? 'a';
        for (let i = 0; i < taken.count; i++) {
          posted.set(id, (posted.get(id) ?? 0) + 1);
          written.push(fixture.post(id, 'p'.repeat(taken.bytes)));
        }
        break;
      }
      case 'redact': {
        const id = CONVERSATIONS[taken.conversation] ?? 'a';
        const seq = (posted.get(id) ?? 0) - 1;
        if (seq >= 0)
          written.push(fixture.command(id, { type: 'RedactMessage', data: { seq, reason: 'r' } }).catch(() => 0n));
        break;
      }
      case 'connect':
        await clients[taken.client]?.connect(fixture);
        break;
      case 'turns':
        await turns(taken.count);
        break;
      case 'break':
        engine.break();
        break;
      case 'wait':
        await fixture.time.advance(1_000);
        break;
      case 'flush':
        clients[taken.client]?.flush(taken.frames);
        break;
      default:
        clients[taken.client]?.[taken.kind]();
    }
  }
  await engine.mended?.();
  await Promise.all(written);
  await settle(fixture, clients, engine.pause ?? (() => turns(1)));
  const expected = await whatTheLogSays(store);
  for (const { role, seen } of clients)
    for (const [room, events] of seen)
      expect(events, `${role} in ${room}`).toEqual(
        expected.get(room)?.map(event => (role === 'agent' ? event.staff : event.visitor)),
      );
  await fixture.gateway.close();
  await engine.close();
}

/** Everybody connected and reading, until every cursor is at its head. */
async function settle(
  fixture: GatewayFixture,
  clients: readonly Client[],
  pause: () => Promise<unknown>,
): Promise<void> {
  await fixture.time.advance(12_000);
  const heads = new Map<string, number>();
  for (const id of CONVERSATIONS)
    heads.set(`conversation:${id}`, Number((await fixture.store.streamBounds(`conversation-acme.${id}`)).head));
  for (const each of clients) {
    each.resume();
    await each.connect(fixture);
  }
  const atHead = () =>
    clients.every(({ cursors }) => [...cursors].every(([room, cursor]) => cursor === heads.get(room)));
  for (let i = 0; !atHead(); i++) {
    if (i === 5_000) throw new Error('Not every cursor has come to its head.');
    for (const each of clients) each.resume();
    await pause();
    if (i % 100 === 99) await fixture.time.advance(50);
  }
  // Whatever would come twice has now the time to.
  await turns(20);
  for (const each of clients) each.resume();
}

async function whatTheLogSays(store: EventStore): Promise<Map<string, Expected[]>> {
  const rooms = new Map<string, Expected[]>();
  for (const id of CONVERSATIONS) {
    const events: Expected[] = [];
    for await (const { revision, type, data } of store.readStream(`conversation-acme.${id}`)) {
      const stored = JSON.parse(Buffer.from(data).toString()) as Record<string, unknown>;
      const { reason: _reason, ...visible } = stored;
      const rev = Number(revision);
      events.push({ rev, staff: JSON.stringify([rev, type, stored]), visitor: JSON.stringify([rev, type, visible]) });
    }
    rooms.set(`conversation:${id}`, events);
  }
  return rooms;
}

const ENGINES = [
  {
    name: 'in memory',
    runs: 50,
    open: () => Promise.resolve(breakable(new MemoryEventStore(), () => Promise.resolve())),
  },
  {
    name: 'embedded',
    runs: 20,
    open: async () => {
      const { store, close } = await openEmbedded();
      return breakable(store, close);
    },
  },
  { name: 'of a killed node', runs: 3, open: killable },
] as const;

test.each(ENGINES)(
  'GW-3: every client saw every revision once and in order, in both views, whatever was cut, stalled or broken: store $name',
  async ({ open, runs }) => {
    const steps = fc.array(step, { minLength: 60, maxLength: 200, size: 'max' });
    await fc.assert(
      fc.asyncProperty(steps, async taken => {
        await play(await open(), taken);
      }),
      { numRuns: runs, endOnFailure: true },
    );
  },
  60_000,
);
