import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { UnavailableError } from '../../src/errors.ts';
import { WrongExpectedRevisionError } from '../../src/event-store/errors.ts';
import type { EventStoreDb, EventStoreDbOptions } from '../../src/event-store/event-store.eventstoredb.ts';
import { TransientError } from '../../src/event-store/eventstoredb/failures.ts';
import { Link } from '../../src/event-store/eventstoredb/link.ts';
import type { AppendResult, ExpectedRevision } from '../../src/event-store/event-store.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { bodyOf, collect, failure, Follower, newEvent, newEvents, newStream, range, revisions } from './events.ts';
import { reconnectOften } from './reconnects.ts';
import { connect, serveLog } from './served-store.ts';
import type { ServedLog } from './served-store.ts';

let log: ServedLog;
beforeAll(async () => {
  log = await serveLog();
});
afterAll(() => log.dispose());

/** An adapter that reaches the log through a proxy; it does not wait long between its tries. */
async function throughProxy(
  options: Omit<EventStoreDbOptions, 'url'> = {},
): Promise<{ store: EventStoreDb; proxy: TcpProxy }> {
  const proxy = await startTcpProxy(log);
  const url = `esdb://127.0.0.1:${proxy.port}?tls=false`;
  const store = await connect(url, { deadlineMs: 300, retriesMax: 50, random: () => 0.05, ...options });
  onTestFinished(async () => {
    await store.close();
    await proxy.close();
  });
  return { store, proxy };
}

describe('an append whose answer is lost', () => {
  it.for<[string, ExpectedRevision]>([
    ['no stream', 'no-stream'],
    ['an exact revision', 1n],
    ['any', 'any'],
    ['that the stream exists', 'stream-exists'],
  ])('is tried again, is in the log once, and answers its first place: expecting %s', async ([, expectedRevision]) => {
    const { store, proxy } = await throughProxy();
    const stream = newStream();
    if (expectedRevision !== 'no-stream') await store.append(stream, newEvents(2), { expectedRevision: 'no-stream' });
    const events = newEvents(3);
    proxy.answers('eat');
    const appended = store.append(stream, events, { expectedRevision });
    await untilAtHead(stream, expectedRevision === 'no-stream' ? 2n : 4n);
    await expect.poll(() => store.trouble(), { interval: 5 }).toBeDefined();
    proxy.answers('pass');
    const result = await appended;
    const there = await collect(log.embedded().readStream(stream));
    expect(there.slice(-3).map(event => event.id)).toEqual(events.map(event => event.id));
    expect(there).toHaveLength(expectedRevision === 'no-stream' ? 3 : 5);
    expect(result).toEqual({ revision: there.at(-1)?.revision, position: there.at(-1)?.position });
  });

  it('is recognised behind later appends of others, too', async () => {
    const { store, proxy } = await throughProxy();
    const stream = newStream();
    const events = newEvents(2);
    proxy.answers('eat');
    const appended = store.append(stream, events, { expectedRevision: 'no-stream' });
    await untilAtHead(stream, 1n);
    await log.embedded().append(stream, newEvents(5), { expectedRevision: 1n });
    await expect.poll(() => store.trouble(), { interval: 5 }).toBeDefined();
    proxy.answers('pass');
    expect(await appended).toMatchObject({ revision: 1n });
    expect(await revisions(log.embedded(), stream)).toEqual(range(0, 7));
  });

  it('is recognised where it brought a soft-deleted stream back', async () => {
    const { store, proxy } = await throughProxy();
    const stream = newStream();
    await store.append(stream, newEvents(3), { expectedRevision: 'no-stream' });
    await store.deleteStream(stream, { expectedRevision: 2n });
    proxy.answers('eat');
    const appended = store.append(stream, newEvents(2), { expectedRevision: 'no-stream' });
    await untilAtHead(stream, 4n);
    await expect.poll(() => store.trouble(), { interval: 5 }).toBeDefined();
    proxy.answers('pass');
    expect(await appended).toMatchObject({ revision: 4n });
    expect(await revisions(log.embedded(), stream)).toEqual([3n, 4n]);
  });

  it("is not mistaken for another's that was first", async () => {
    const { store, proxy } = await throughProxy();
    const stream = newStream();
    proxy.refuse(true);
    proxy.cut();
    const appended = store.append(stream, newEvents(2), { expectedRevision: 'no-stream' });
    await log.embedded().append(stream, newEvents(2), { expectedRevision: 'no-stream' });
    proxy.refuse(false);
    expect(await failure(appended)).toMatchObject({ name: 'WrongExpectedRevisionError', actual: 1n });
    expect(await failure(appended)).toBeInstanceOf(WrongExpectedRevisionError);
  });

  it('is given up in its time, as unavailable, and does not keep the store from closing', async () => {
    const { store, proxy } = await throughProxy({ appendTimeoutMs: 400 });
    proxy.refuse(true);
    proxy.cut();
    const appended = store.append(newStream(), newEvents(1), { expectedRevision: 'any' });
    const error = await failure(appended);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(String(error)).toContain('may or may not have happened');
    await store.close();
  });
});

async function untilAtHead(stream: string, head: bigint): Promise<void> {
  for await (const message of log.embedded().subscribeToStream(stream, { after: 'start' }))
    if (message.kind === 'events' && message.events.some(event => event.revision === head)) return;
}

describe('while the connection is cut again and again', () => {
  it('every append is in the log exactly once, in the order of the calls', async () => {
    const { store, proxy } = await throughProxy({ appendTimeoutMs: 30_000 });
    const streams = Array.from({ length: 8 }, () => newStream());
    const events = Array.from({ length: 1_200 }, (_, i) => newEvent(i));
    const answers: Promise<AppendResult>[] = [];
    for (const [i, event] of events.entries()) {
      answers.push(store.append(streams[i % 8] ?? '', [event], { expectedRevision: 'any' }));
      if (i % 100 === 99) {
        await Promise.race(answers.slice(-50));
        proxy.cut();
      }
    }
    const results = await Promise.all(answers);
    expect(proxy.accepted()).toBeGreaterThan(10);
    for (const [at, stream] of streams.entries()) {
      const there = await collect(log.embedded().readStream(stream));
      expect(there.map(bodyOf)).toEqual(Array.from({ length: 150 }, (_, i) => i * 8 + at));
      expect(there.map(event => event.position)).toEqual(
        results.filter((_, i) => i % 8 === at).map(result => result.position),
      );
    }
  });

  it('subscriptions have no gap and no duplicate, to all and to one stream', async () => {
    const { store, proxy } = await throughProxy();
    const prefix = newStream('cut');
    const filter = { by: 'stream', prefixes: [prefix] } as const;
    const followers = [
      new Follower(signal => store.subscribeToAll({ after: 'start', filter, checkpointEveryEvents: 32, signal })),
      new Follower(signal => store.subscribeToAll({ after: 'end', filter, signal })),
      new Follower(signal => store.subscribeToStream(prefix, { after: 'start', signal })),
      new Follower(signal => store.subscribeToStream(prefix, { after: 'end', signal })),
    ];
    // Only then is it known where the end was.
    for (const follower of followers) await follower.until(seen => seen.caughtUps > 0);
    for (let i = 0; i < 60; i++) {
      await log.embedded().append(prefix, newEvents(1 + (i % 10)), { expectedRevision: 'any' });
      await log.embedded().append(newStream('other'), newEvents(5), { expectedRevision: 'any' });
      if (i % 4 === 3) proxy.cut();
      await delay(2);
    }
    const { head } = await log.embedded().streamBounds(prefix);
    for (const follower of followers) {
      await follower.until(seen => seen.revisions.at(-1) === head);
      expect(follower.revisions).toEqual(range(0, Number(head) + 1));
      await follower.until(seen => seen.caughtUps > 1);
      expect(await follower.stop()).toBeUndefined();
    }
  });

  it('a subscription outlives a link that is lost between its being found and its being asked', async () => {
    const { store } = await throughProxy();
    const stream = newStream();
    await log.embedded().append(stream, newEvents(3), { expectedRevision: 'any' });
    vi.spyOn(Link.prototype, 'subscribe').mockImplementationOnce(() => {
      throw new TransientError('The connection was lost.', { isConnectionLost: true });
    });
    onTestFinished(() => void vi.restoreAllMocks());
    const follower = new Follower(signal => store.subscribeToStream(stream, { after: 'start', signal }));
    await follower.until(seen => seen.revisions.length === 3);
    expect(await follower.stop()).toBeUndefined();
  });

  it('reads bring everything, both ways', async () => {
    const { store, proxy } = await throughProxy({ deadlineMs: 5_000 });
    const stream = newStream();
    for (let i = 0; i < 20; i++) await log.embedded().append(stream, newEvents(100), { expectedRevision: 'any' });
    const cutter = setInterval(() => proxy.cut(), 100);
    onTestFinished(() => clearInterval(cutter));
    for (let round = 0; round < 8; round++) {
      expect(await revisions(store, stream)).toEqual(range(0, 2_000));
      const backwards = await collect(store.readStream(stream, { direction: 'backwards' }));
      expect(backwards.map(event => event.revision)).toEqual(range(0, 2_000).reverse());
      const all = store.readAll({ filter: { by: 'stream', prefixes: [stream] } });
      expect((await collect(all)).map(event => event.revision)).toEqual(range(0, 2_000));
      expect(await store.streamBounds(stream)).toEqual({ first: 0n, head: 1_999n });
    }
    expect(proxy.accepted()).toBeGreaterThan(4);
  });
});

describe('the connection', () => {
  it('says why it is away, and that it is back, once each', async () => {
    const changes: string[] = [];
    const { store, proxy } = await throughProxy({ onChange: ({ kind }) => changes.push(kind) });
    expect(store.trouble()).toBeUndefined();
    const follower = new Follower(signal => store.subscribeToStream(newStream(), { after: 'start', signal }));
    await follower.until(seen => seen.caughtUps === 1);
    proxy.refuse(true);
    proxy.cut();
    await expect.poll(() => store.trouble()).toMatch(/cut|UNAVAILABLE|CANCELLED/);
    proxy.refuse(false);
    await store.connected(10_000);
    expect(store.trouble()).toBeUndefined();
    expect(changes).toEqual(['connected', 'away', 'connected']);
    await follower.stop();
  });

  it('that idles notices by itself that the server is gone', async () => {
    const { store, proxy } = await throughProxy();
    proxy.refuse(true);
    proxy.cut();
    await expect.poll(() => store.trouble()).toBeDefined();
  });

  it('is made again and again, and leaves nothing behind', async () => {
    const { store, proxy } = await throughProxy({ random: () => 0 });
    await reconnectOften({ store, proxy, times: 150 });
  }, 60_000);
});
