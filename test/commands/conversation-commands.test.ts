import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createConversationCommands } from '../../src/commands/conversation-commands.ts';
import type { CommandLimits } from '../../src/commands/command-handler.ts';
import type { ConversationCommandsOptions } from '../../src/commands/conversation-commands.ts';
import type { CommandAck } from '../../src/commands/commands.ts';
import { UnavailableError } from '../../src/errors.ts';
import { WrongExpectedRevisionError } from '../../src/event-store/errors.ts';
import type { AppendResult, EventData, ExpectedRevision } from '../../src/event-store/event-store.ts';
import { UnknownSchemaError } from '../../src/schemas/event-schemas.ts';
import { MemoryEventStore } from '../support/memory-event-store.ts';
import {
  START,
  bob,
  codeOf,
  keys,
  post,
  readAll,
  request,
  serializer,
  specifyHandler,
} from './handler-specification.ts';

specifyHandler('memory', () => {
  const store = new MemoryEventStore(() => 0);
  return Promise.resolve({ store, close: () => store.close() });
});

type Append = (
  stream: string,
  events: readonly EventData[],
  options: { readonly expectedRevision: ExpectedRevision },
) => Promise<AppendResult>;

/** A store whose next appends go through what the test put before it. */
class FaultyStore extends MemoryEventStore {
  readonly faults: ((append: () => Promise<AppendResult>) => Promise<AppendResult>)[] = [];
  reads = 0;

  override append: Append = (stream, events, options) => {
    const append = () => super.append(stream, events, options);
    return (this.faults.shift() ?? (append => append()))(append);
  };

  override readStream(...args: Parameters<MemoryEventStore['readStream']>) {
    this.reads += 1;
    return super.readStream(...args);
  }
}

const lost = async (append: () => Promise<AppendResult>): Promise<AppendResult> => {
  await append();
  throw new UnavailableError('the answer was lost');
};
const away = () => Promise.reject(new UnavailableError('the store is away'));

function on(
  store: MemoryEventStore,
  limits: Partial<CommandLimits> = {},
  more: Partial<ConversationCommandsOptions> = {},
) {
  const clock = { now: () => 1_000 };
  return createConversationCommands({
    store,
    serializer,
    keys,
    clock,
    limits,
    delay: () => Promise.resolve(),
    ...more,
  });
}

describe('An append of unknown outcome', () => {
  it('GW-7: is found in the log by the repeat where only the answer was lost', async () => {
    const store = new FaultyStore();
    const commands = on(store);
    await commands.handle(request('c1', START));
    store.faults.push(lost);
    expect(await codeOf(commands.handle(request('c2', post('hi'))))).toBe('unavailable');
    const again = await commands.handle(request('c2', post('hi')));
    expect(again).toEqual({ first: 1n, last: 1n, position: (await readAll(store))[1]?.position, duplicate: true });
    expect(await readAll(store)).toHaveLength(2);
  });

  it('is done by the repeat where it never arrived', async () => {
    const store = new FaultyStore();
    const commands = on(store);
    await commands.handle(request('c1', START));
    store.faults.push(away);
    expect(await codeOf(commands.handle(request('c2', post('hi'))))).toBe('unavailable');
    expect(await commands.handle(request('c2', post('hi')))).toMatchObject({ first: 1n, duplicate: false });
    expect(await readAll(store)).toHaveLength(2);
  });

  it('is recognised by the log where it arrives between the repeat being decided and appended', async () => {
    const store = new FaultyStore();
    const commands = on(store);
    await commands.handle(request('c1', START));
    let late: () => Promise<AppendResult> = away;
    store.faults.push(append => ((late = append), away()));
    expect(await codeOf(commands.handle(request('c2', post('hi'))))).toBe('unavailable');
    store.faults.push(async append => (await late(), append()));
    expect(await commands.handle(request('c2', post('hi')))).toMatchObject({ first: 1n, last: 1n });
    expect(await readAll(store)).toHaveLength(2);
    expect(await commands.handle(request('c3', post('ho')))).toMatchObject({ first: 2n });
  });

  it('does not pass for another command under the same id that arrives late', async () => {
    const store = new FaultyStore();
    const commands = on(store);
    await commands.handle(request('c1', START));
    let late: () => Promise<AppendResult> = away;
    store.faults.push(append => ((late = append), away()));
    expect(await codeOf(commands.handle(request('c2', post('one'))))).toBe('unavailable');
    store.faults.push(async append => (await late(), append()));
    expect(await codeOf(commands.handle(request('c2', post('two'))))).toBe('idempotency-mismatch');
  });

  it('never doubles or loses an acked message, whatever is lost and whichever node is asked', async () => {
    const fault = fc.constantFrom('none' as const, 'none' as const, 'lost' as const, 'away' as const);
    const step = fc.record({ node: fc.nat(2), message: fc.nat(8), fault, forget: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
        const store = new FaultyStore();
        const nodes = [on(store), on(store), on(store)];
        await nodes[0]?.handle(request('c1', START));
        const acked = new Map<number, CommandAck>();
        for (const { node, message, fault, forget } of steps) {
          if (forget) nodes[node] = on(store);
          if (fault !== 'none') store.faults.push(fault === 'lost' ? lost : away);
          const ack = await nodes[node]
            ?.handle(request(`m${message}`, post(`message ${message}`)))
            .catch((error: unknown) => {
              if (!(error instanceof UnavailableError)) throw error;
              return undefined;
            });
          store.faults.splice(0);
          if (ack === undefined) continue;
          const { first, last, position } = acked.get(message) ?? ack;
          expect({ ...ack, duplicate: false }).toEqual({ first, last, position, duplicate: false });
          acked.set(message, ack);
        }
        const ids = (await serializer.open(await readAll(store))).map(({ commandId }) => commandId);
        expect(new Set(ids).size).toBe(ids.length);
        for (const [message, { first }] of acked) expect(ids[Number(first)]).toBe(`m${message}`);
      }),
      { numRuns: 50 },
    );
  });
});

describe('A conflict with another node', () => {
  const conflict = () => Promise.reject(new WrongExpectedRevisionError('conversation-acme.42', 0n, 1n));

  it('is decided again five times, each wait a random part of twice the last, then told', async () => {
    const store = new FaultyStore();
    const waits: number[] = [];
    const delay = (ms: number) => Promise.resolve(waits.push(ms));
    const commands = on(store, { conflictDelayMs: 10 }, { delay, random: () => 0.5 });
    await commands.handle(request('c1', START));
    store.faults.push(...Array<typeof conflict>(5).fill(conflict));
    expect(await commands.handle(request('c2', post('hi')))).toMatchObject({ first: 1n });
    expect(waits).toEqual([5, 10, 20, 40, 80]);
    store.faults.push(...Array<typeof conflict>(6).fill(conflict));
    expect(await codeOf(commands.handle(request('c3', post('hi'))))).toBe('revision-conflict');
    expect(store.faults).toHaveLength(0);
    expect(commands.stats().conflicts).toBe(11);
  });
});

describe('The bounds of the handler', () => {
  it('hold the queue of a stream, and all that is in flight', async () => {
    const store = new MemoryEventStore();
    const commands = on(store, { queueLengthMax: 2, commandsInFlightMax: 4 });
    const answers = [1, 2, 3, 4].map(n => codeOf(commands.handle(request(`c${n}`, START))).catch(() => 'acked'));
    const elsewhere = ['a', 'b'].map(id => codeOf(commands.handle(request('c1', START, { id }))).catch(() => 'acked'));
    expect(commands.stats()).toMatchObject({ inFlight: 4, streams: 2 });
    expect(await Promise.all(answers)).toEqual([
      'acked',
      'rejected already-started',
      'rejected already-started',
      'rate-limited',
    ]);
    expect(await Promise.all(elsewhere)).toEqual(['acked', 'rate-limited']);
    expect(commands.stats()).toMatchObject({ inFlight: 0, streams: 0 });
    expect(await commands.handle(request('m1', post('hi')))).toMatchObject({ first: 1n });
  });

  it('hold what commands in flight take in memory, but for one that is alone', async () => {
    const commands = on(new MemoryEventStore(), { commandsInFlightBytesMax: 2_000 });
    await commands.handle(request('c1', START));
    const [small, large] = [post('x'.repeat(300)), post('x'.repeat(3_000))];
    const ask = (id: string, command: typeof small) =>
      codeOf(commands.handle(request(id, command))).catch(() => 'acked');
    const answers = [ask('m1', small), ask('m2', small), ask('m3', small), ask('m4', large)];
    expect(commands.stats().bytesInFlight).toBeGreaterThan(1_200);
    expect(commands.stats().bytesInFlight).toBeLessThanOrEqual(2_000);
    expect(await Promise.all(answers)).toEqual(['acked', 'acked', 'rate-limited', 'rate-limited']);
    expect(await ask('m4', large)).toBe('acked');
    expect(commands.stats()).toMatchObject({ inFlight: 0, bytesInFlight: 0 });
  });

  it('hold the number of folds and of the events in them, the oldest going first', async () => {
    const store = new FaultyStore();
    const commands = on(store, { foldsMax: 3, foldedEventsMax: 6 });
    for (const id of ['a', 'b', 'c', 'd']) await commands.handle(request('c1', START, { id }));
    expect(commands.stats()).toMatchObject({ folds: 3, foldedEvents: 3 });
    store.reads = 0;
    await commands.load('acme', 'b');
    expect(store.reads).toBe(0);
    await commands.load('acme', 'a');
    expect(store.reads).toBe(1);
    for (const n of [1, 2, 3, 4]) await commands.handle(request(`m${n}`, post('hi'), { id: 'b', actor: bob }));
    expect(commands.stats()).toMatchObject({ folds: 2, foldedEvents: 6 });
    await commands.handle(request(`m5`, post('hi'), { id: 'b', actor: bob }));
    await commands.handle(request(`m6`, post('hi'), { id: 'b', actor: bob }));
    expect(commands.stats()).toMatchObject({ folds: 1, foldedEvents: 7 });
  });

  it('reads a stream once for all who ask at the same time, and keeps no room without events', async () => {
    const store = new FaultyStore();
    await on(store).handle(request('c1', START));
    const commands = on(store);
    store.reads = 0;
    const folds = await Promise.all(Array.from({ length: 20 }, () => commands.load('acme', '42')));
    expect(new Set(folds).size).toBe(1);
    expect(store.reads).toBe(1);
    expect(await commands.load('acme', 'none')).toMatchObject({ revision: -1n, state: { status: 'not-started' } });
    expect(commands.stats().folds).toBe(1);
  });
});

describe('A log that another version wrote', () => {
  it('stops commands and readers alike', async () => {
    const store = new MemoryEventStore();
    await on(store).handle(request('c1', START));
    const [{ metadata } = { metadata: new Uint8Array() }] = await readAll(store);
    const newer = {
      id: 'e9',
      type: 'SomethingNewer',
      data: Buffer.from('{}'),
      metadata,
      contentType: 'application/json',
    } as const;
    await store.append('conversation-acme.42', [newer], { expectedRevision: 0n });
    await expect(on(store).handle(request('c2', post('hi')))).rejects.toThrow(UnknownSchemaError);
    await expect(on(store).load('acme', '42')).rejects.toThrow(UnknownSchemaError);
  });
});
