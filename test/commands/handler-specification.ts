/**
 * What the command handler promises, on any event store: called with a factory by the test of each engine.
 * Every handler made here writes with the same keys, as every node on one log does.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConversationCommand } from '../../src/domain/conversation/commands.ts';
import { Rejection } from '../../src/domain/decider.ts';
import type { Actor } from '../../src/domain/decider.ts';
import { createConversationCommands } from '../../src/commands/conversation-commands.ts';
import type { ConversationCommandsOptions } from '../../src/commands/conversation-commands.ts';
import type { CommandAck, CommandRequest } from '../../src/commands/commands.ts';
import { createTenantKeys } from '../../src/commands/derived-ids.ts';
import { RequestError, UnavailableError } from '../../src/errors.ts';
import type { EventStore, RecordedEvent } from '../../src/event-store/event-store.ts';
import { plainCodec } from '../support/plain-codec.ts';
import type { OpenedStore } from '../support/store-configurations.ts';
import { createConversationSerializer } from '../../src/schemas/aggregate-serializers.ts';

export const serializer = createConversationSerializer({ codec: plainCodec });
export const keys = createTenantKeys({ rootSecret: new Uint8Array(32).fill(7) });
const NOON = Date.UTC(2026, 0, 2, 12);

export const ann: Actor = { id: 'ann', role: 'visitor' };
export const bob: Actor = { id: 'bob', role: 'agent' };
export const START: ConversationCommand = { type: 'StartConversation', data: { channel: 'web' } };
export const post = (text: string): ConversationCommand => ({ type: 'PostMessage', data: { text } });

type Request = CommandRequest<ConversationCommand>;
export const request = (commandId: string, command: ConversationCommand, more: Partial<Request> = {}): Request => ({
  tenant: 'acme',
  id: '42',
  actor: ann,
  ...more,
  command,
  commandId,
});

export async function readAll(store: EventStore, stream = 'conversation-acme.42'): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for await (const event of store.readStream(stream)) events.push(event);
  return events;
}

export async function codeOf(answer: Promise<unknown>): Promise<string> {
  const error: unknown = await answer.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (error instanceof Rejection) return `rejected ${error.code}`;
  if (error instanceof RequestError) return error.code;
  if (error instanceof UnavailableError) return 'unavailable';
  throw new Error('expected a refusal', { cause: error });
}

export function specifyHandler(engine: string, open: () => Promise<OpenedStore>): void {
  describe(`The command handler on ${engine}`, () => {
    let opened: OpenedStore;
    let store: EventStore;
    let now = NOON;
    const handlerOn = (on: EventStore, more: Partial<ConversationCommandsOptions> = {}) =>
      createConversationCommands({
        store: on,
        serializer,
        keys,
        clock: { now: () => now },
        random: () => 0,
        delay: () => Promise.resolve(),
        ...more,
      });
    const handler = (more: Partial<ConversationCommandsOptions> = {}) => handlerOn(store, more);

    beforeEach(async () => {
      now = NOON;
      opened = await open();
      store = opened.store;
    });
    afterEach(() => opened.close());

    it('GW-8: acks the revisions of the events, which are in the log', async () => {
      const commands = handler();
      const started = await commands.handle(request('c1', START));
      expect(started).toMatchObject({ first: 0n, last: 0n, duplicate: false });
      const posted = await commands.handle(request('c2', post('hi')));
      expect(posted).toMatchObject({ first: 1n, last: 1n, duplicate: false });
      const events = await readAll(store);
      expect(events.map(({ type }) => type)).toEqual(['ConversationStarted', 'MessagePosted']);
      expect([started.position, posted.position]).toEqual(events.map(({ position }) => position));
      const [recorded] = await serializer.open(events.slice(1));
      expect(recorded).toMatchObject({ commandId: 'c2', actor: ann, origin: 'live', at: NOON });
      expect(await commands.load('acme', '42')).toMatchObject({
        revision: 1n,
        state: { status: 'open', visitor: 'ann' },
      });
    });

    it('GW-7: answers a repeat with the first ack, on the same node and on a fresh one, whatever came between', async () => {
      const commands = handler();
      await commands.handle(request('c1', START));
      const first = await commands.handle(request('c2', post('hi')));
      const again: CommandAck = { ...first, duplicate: true };
      expect(await commands.handle(request('c2', post('hi')))).toEqual(again);
      await commands.handle(request('c3', post('another'), { actor: bob }));
      expect(await commands.handle(request('c2', post('hi')))).toEqual(again);
      expect(await handler().handle(request('c2', post('hi')))).toEqual(again);
      expect(await handler().handle(request('c2', post('hi'), { expectedRevision: 0n }))).toEqual(again);
      expect(await readAll(store)).toHaveLength(3);
    });

    it('GW-7: refuses an id that was used with other content, or by another', async () => {
      await handler().handle(request('c1', START));
      await handler().handle(request('c2', post('hi')));
      expect(await codeOf(handler().handle(request('c2', post('ho'))))).toBe('idempotency-mismatch');
      expect(await codeOf(handler().handle(request('c2', post('hi'), { actor: bob })))).toBe('idempotency-mismatch');
      expect(await codeOf(handler().handle(request('c1', post('hi'))))).toBe('idempotency-mismatch');
      // Another conversation, another tenant: another scope.
      await handler().handle(request('c1', START, { id: '43' }));
      await handler().handle(request('c1', START, { tenant: 'other' }));
      expect(await readAll(store)).toHaveLength(2);
    });

    it('GW-7: does a command once on two nodes at once, with the same ack', async () => {
      const nodes = [handler(), handler()] as const;
      await nodes[0].handle(request('c1', START));
      for (const node of nodes) await node.load('acme', '42');
      for (let i = 0; i < 20; i += 1) {
        const acks = await Promise.all(nodes.map(node => node.handle(request(`m${i}`, post(`hi ${i}`)))));
        const [one, two] = acks.map(({ first, last, position }) => ({ first, last, position }));
        expect(one).toEqual(two);
        expect(one?.first).toBe(BigInt(i) + 1n);
      }
      expect(await readAll(store)).toHaveLength(21);
    });

    it('GW-7: does not take one command for another on two nodes at once', async () => {
      const nodes = [handler(), handler()] as const;
      await nodes[0].handle(request('c1', START));
      for (const node of nodes) await node.load('acme', '42');
      for (let i = 0; i < 20; i += 1) {
        const answers = await Promise.allSettled([
          nodes[0].handle(request(`m${i}`, post('one'))),
          nodes[1].handle(request(`m${i}`, post('two'))),
        ]);
        const refused = answers.filter(answer => answer.status === 'rejected');
        expect(refused.map(({ reason }) => (reason as RequestError).code)).toEqual(['idempotency-mismatch']);
      }
      expect(await readAll(store)).toHaveLength(21);
    });

    it('lets exactly one of 50 writers with the same expected revision win, each time', async () => {
      const nodes = [handler(), handler()] as const;
      await nodes[0].handle(request('c1', START));
      for (let revision = 0; revision < 5; revision += 1) {
        const writers = Array.from({ length: 50 }, (_, writer) =>
          (writer % 2 === 0 ? nodes[0] : nodes[1]).handle(
            request(`m${revision}.${writer}`, post('hi'), { expectedRevision: BigInt(revision) }),
          ),
        );
        const answers = await Promise.allSettled(writers);
        const acks = answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value.first] : []));
        expect(acks).toEqual([BigInt(revision) + 1n]);
        const codes = answers.flatMap(a => (a.status === 'rejected' ? [(a.reason as RequestError).code] : []));
        expect(codes).toEqual(Array<string>(49).fill('revision-conflict'));
      }
      expect(await readAll(store)).toHaveLength(6);
    });

    it('lets all of 50 writers land that expect no revision, in the order of their acks', async () => {
      const commands = handler();
      await commands.handle(request('c1', START));
      const writers = Array.from({ length: 50 }, (_, i) => commands.handle(request(`m${i}`, post(`hi ${i}`))));
      const acks = await Promise.all(writers);
      expect(acks.map(({ first }) => first)).toEqual(Array.from({ length: 50 }, (_, i) => BigInt(i) + 1n));
      expect(acks.map(({ position }) => position)).toEqual((await readAll(store)).slice(1).map(e => e.position));
    });

    it('expects no event yet with -1, and is not led astray by a cache behind another node', async () => {
      const [near, far] = [handler(), handler()];
      expect(await codeOf(near.handle(request('c0', START, { expectedRevision: 0n })))).toBe('revision-conflict');
      await near.handle(request('c1', START, { expectedRevision: -1n }));
      expect(await codeOf(near.handle(request('c2', post('hi'), { expectedRevision: -1n })))).toBe('revision-conflict');
      await far.load('acme', '42');
      await near.handle(request('c3', post('hi')));
      expect(await codeOf(far.handle(request('c4', post('ho'), { expectedRevision: 0n })))).toBe('revision-conflict');
      await near.handle(request('c5', post('hi')));
      expect(await far.handle(request('c6', post('ho'), { expectedRevision: 2n }))).toMatchObject({ first: 3n });
    });

    it('takes a caller’s expected revision to hold when only receipts followed, of this node or another', async () => {
      const [near, far] = [handler(), handler()];
      const read = (seq: number): ConversationCommand => ({ type: 'MarkRead', data: { seq } });
      await near.handle(request('c1', START));
      await near.handle(request('c2', post('hi')));
      await far.load('acme', '42');
      await near.handle(request('r1', read(0), { actor: bob }));
      await near.handle(request('r2', read(0)));
      // The log is at 3, and all that is new since 1 is that two people have read it.
      expect(await far.handle(request('c3', post('ho'), { expectedRevision: 1n }))).toMatchObject({ first: 4n });
      expect(await codeOf(near.handle(request('c4', post('no'), { expectedRevision: 3n })))).toBe('revision-conflict');
      expect(await codeOf(near.handle(request('c5', post('no'), { expectedRevision: 5n })))).toBe('revision-conflict');
      await far.handle(request('r3', read(1), { actor: bob }));
      expect(await near.handle(request('c6', post('yes'), { expectedRevision: 5n }))).toMatchObject({ first: 6n });
      expect(await readAll(store)).toHaveLength(7);
    });

    it('says no only after it has read what another node wrote', async () => {
      const [near, far] = [handler(), handler()];
      await near.handle(request('c1', START));
      await far.load('acme', '42');
      await near.handle(request('c2', post('hi')));
      const edit: ConversationCommand = { type: 'EditMessage', data: { seq: 0, text: 'ho' } };
      expect(await far.handle(request('c3', edit))).toMatchObject({ first: 2n });
      expect(await codeOf(near.handle(request('c4', { ...edit, data: { seq: 1, text: 'x' } })))).toBe(
        'rejected unknown-message',
      );
    });

    it('keeps the time of a stream from running backwards', async () => {
      const commands = handler();
      await commands.handle(request('c1', START));
      now = NOON - 60_000;
      await commands.handle(request('c2', post('the clock was set back')));
      const times = (await serializer.open(await readAll(store))).map(({ at }) => at);
      expect(times).toEqual([NOON, NOON]);
    });

    it('keeps the times of an import, and refuses one before the last event', async () => {
      const commands = handler();
      const imported = (at: number) => ({ imported: { at, by: 'importer' } });
      await commands.handle(request('c1', START, imported(1_000)));
      await commands.handle(request('c2', post('then'), imported(1_000)));
      expect(await codeOf(commands.handle(request('c3', post('before'), imported(999))))).toBe('rejected out-of-order');
      expect(await commands.handle(request('c2', post('then'), imported(1)))).toMatchObject({ duplicate: true });
      const events = await readAll(store);
      expect((await serializer.open(events)).map(({ at, origin }) => [at, origin])).toEqual([
        [1_000, 'import'],
        [1_000, 'import'],
      ]);
      expect(JSON.parse(Buffer.from(events[1]?.metadata ?? []).toString())).toMatchObject({ $causationId: 'importer' });
    });

    it('refuses ids that name no stream, and forbids what a role may never do', async () => {
      const commands = handler();
      for (const wrong of [
        { tenant: 'Acme' },
        { tenant: 'system' },
        { id: 'a b' },
        { id: '' },
        { id: 'x'.repeat(129) },
      ])
        expect(await codeOf(commands.handle(request('c1', START, wrong)))).toBe('bad-request');
      expect(await codeOf(commands.handle(request('c 1', START)))).toBe('bad-request');
      expect(await codeOf(commands.load('acme', 'a/b'))).toBe('bad-request');
      const auditor: Actor = { id: 'eve', role: 'auditor' };
      expect(await codeOf(commands.handle(request('c1', START, { actor: auditor })))).toBe('forbidden');
    });

    it('gives an append to a stream that was deleted or cut a clear answer', async () => {
      await handler().handle(request('c1', START));
      await handler().handle(request('c2', post('hi')));
      await store.setStreamMetadata('conversation-acme.42', { truncateBefore: 1n }, { expectedRevision: 'any' });
      expect(await codeOf(handler().handle(request('c3', post('hi'))))).toBe('rejected archived');
      await store.deleteStream('conversation-acme.42', { expectedRevision: 'any' });
      expect(await codeOf(handler().handle(request('c3', START)))).toBe('rejected deleted');
      const warm = handler();
      await warm.handle(request('c1', START, { id: '43' }));
      await store.tombstoneStream('conversation-acme.43', { expectedRevision: 'any' });
      expect(await codeOf(warm.handle(request('c2', post('hi'), { id: '43' })))).toBe('rejected deleted');
      expect(await codeOf(handler().handle(request('c2', post('hi'), { id: '43' })))).toBe('rejected deleted');
      expect(await codeOf(handler().load('acme', '43'))).toBe('rejected deleted');
    });
  });
}
