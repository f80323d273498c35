import { describe, expect, it } from 'vitest';
import { StreamDeletedError } from '../../src/event-store/errors.ts';
import { bodyOf, collect, Follower, newEvent, newEvents, newStream, range } from './events.ts';
import type { ContractContext } from './contract.ts';
import type { SubscribeToAllOptions, SubscribeToStreamOptions } from '../../src/event-store/event-store.ts';

export function subscriptionContract({ store, factory }: ContractContext): void {
  const append = (stream: string, count = 1) => store().append(stream, newEvents(count), { expectedRevision: 'any' });
  const followStream = (stream: string, after: SubscribeToStreamOptions['after'] = 'start'): Follower =>
    new Follower(signal => store().subscribeToStream(stream, { after, signal }));
  const followAll = (prefix: string, more: Partial<SubscribeToAllOptions> = {}): Follower =>
    new Follower(signal =>
      store().subscribeToAll({ after: 'start', filter: { by: 'stream', prefixes: [prefix] }, signal, ...more }),
    );

  describe('a subscription to a stream', () => {
    it('brings its history, says that it is caught up, once, and goes on live', async () => {
      const stream = newStream();
      await append(stream, 1000);
      const follower = followStream(stream);
      await follower.until(seen => seen.caughtUps === 1);
      expect(follower.revisions).toEqual(range(0, 1000));
      expect(follower.messages.at(-1)?.kind).toBe('caught-up');
      await append(stream, 3);
      await append(stream, 2);
      await follower.until(seen => seen.events.length === 1005);
      expect(follower.revisions).toEqual(range(0, 1005));
      expect(follower.caughtUps).toBe(1);
      await follower.stop();
    });

    it('begins behind the revision it names', async () => {
      const stream = newStream();
      await append(stream, 10);
      const follower = followStream(stream, 6n);
      await follower.until(seen => seen.caughtUps === 1);
      expect(follower.revisions).toEqual([7n, 8n, 9n]);
      await follower.stop();
    });

    it('from the end brings only what is new', async () => {
      const stream = newStream();
      await append(stream, 10);
      const follower = followStream(stream, 'end');
      await follower.until(seen => seen.caughtUps === 1);
      await append(stream, 2);
      await follower.until(seen => seen.events.length === 2);
      expect(follower.revisions).toEqual([10n, 11n]);
      await follower.stop();
    });

    it('to a stream that is not there yet brings its events from the first on', async () => {
      const stream = newStream();
      const follower = followStream(stream);
      await append(stream, 2);
      await follower.until(seen => seen.events.length === 2);
      expect(follower.revisions).toEqual([0n, 1n]);
      await follower.stop();
    });

    it('misses and repeats nothing while writers append, wherever it begins', async () => {
      const stream = newStream();
      await append(stream);
      const followers: Follower[] = [followStream(stream)];
      const writer = async (): Promise<void> => {
        for (let i = 0; i < 50; i++) await append(stream, 1 + (i % 7));
      };
      const writers = Promise.all([writer(), writer(), writer()]);
      for (let i = 0; i < 20; i++) {
        const { head } = await store().streamBounds(stream);
        followers.push(followStream(stream, head));
        await append(stream);
      }
      await writers;
      const { head } = await store().streamBounds(stream);
      for (const follower of followers) {
        await follower.until(seen => seen.revisions.at(-1) === head);
        const first = Number(follower.revisions[0]);
        expect(follower.revisions).toEqual(range(first, Number(head) + 1));
        await follower.stop();
      }
    });

    it('ends when its signal aborts: before it began, while it waits, and in the middle of its history', async () => {
      const stream = newStream();
      await append(stream, 2000);
      const aborted = AbortSignal.abort();
      expect(await collect(store().subscribeToStream(stream, { after: 'start', signal: aborted }))).toEqual([]);
      const waiting = followStream(stream);
      await waiting.until(seen => seen.caughtUps === 1);
      expect(await waiting.stop()).toBeUndefined();
      const aborter = new AbortController();
      const seen: bigint[] = [];
      for await (const message of store().subscribeToStream(stream, { after: 'start', signal: aborter.signal })) {
        if (message.kind === 'events') seen.push(...message.events.map(event => event.revision));
        aborter.abort();
      }
      expect(seen.length).toBeLessThan(2000);
      expect(seen).toEqual(range(0, seen.length));
    });

    it('ends when its loop is left', async () => {
      const stream = newStream();
      await append(stream, 5);
      const source = store().subscribeToStream(stream, { after: 'start' })[Symbol.asyncIterator]();
      expect((await source.next()).value).toMatchObject({ kind: 'events' });
      await source.return?.();
      expect(await source.next()).toEqual({ value: undefined, done: true });
    });

    it('sees its stream tombstoned while it is live: the mark at the last possible revision, then the error', async () => {
      const stream = newStream();
      await append(stream, 2);
      const follower = followStream(stream);
      await follower.until(seen => seen.caughtUps === 1);
      await store().tombstoneStream(stream, { expectedRevision: 1n });
      expect(await follower.ended).toBeInstanceOf(StreamDeletedError);
      expect(follower.revisions).toEqual([0n, 1n, 2n ** 63n - 1n]);
      expect(follower.events.at(-1)?.type).toBe('$streamDeleted');
    });

    it('to a tombstoned stream is refused', async () => {
      const stream = newStream();
      await append(stream, 2);
      await store().tombstoneStream(stream, { expectedRevision: 1n });
      const follower = followStream(stream);
      expect(await follower.ended).toBeInstanceOf(StreamDeletedError);
      expect(follower.events).toEqual([]);
    });

    it('goes on over a soft delete with what comes after it', async () => {
      const stream = newStream();
      await append(stream, 3);
      const follower = followStream(stream);
      await follower.until(seen => seen.caughtUps === 1);
      await store().deleteStream(stream, { expectedRevision: 2n });
      await append(stream, 2);
      await follower.until(seen => seen.events.length === 5);
      expect(follower.revisions).toEqual(range(0, 5));
      await follower.stop();
    });

    it('skips what truncation hides', async () => {
      const stream = newStream();
      await append(stream, 10);
      await store().setStreamMetadata(stream, { truncateBefore: 4n }, { expectedRevision: 'any' });
      const follower = followStream(stream, 1n);
      await follower.until(seen => seen.caughtUps === 1);
      expect(follower.revisions).toEqual(range(4, 10));
      await follower.stop();
    });
  });

  describe('a subscription to all streams', () => {
    it('brings what passes its filter, history and live, in order, and says when it is caught up', async () => {
      const prefix = newStream('followed');
      await append(`${prefix}a`, 700);
      await append(newStream('other'), 700);
      await append(`${prefix}b`, 700);
      const follower = followAll(prefix);
      await follower.until(seen => seen.caughtUps === 1);
      expect(follower.events).toHaveLength(1400);
      expect(follower.messages.at(-1)?.kind).toBe('caught-up');
      await append(newStream('other'));
      await append(`${prefix}a`);
      await follower.until(seen => seen.events.length === 1401);
      const read = await collect(store().readAll({ filter: { by: 'stream', prefixes: [prefix] } }));
      expect(follower.events.map(event => event.position)).toEqual(read.map(event => event.position));
      await follower.stop();
    });

    it('filters by type', async () => {
      const type = `Kind${newStream()}`;
      const stream = newStream();
      for (let i = 0; i < 4; i++) {
        const event = newEvent(i, { type: i % 2 === 0 ? `${type}Even` : 'Odd' });
        await store().append(stream, [event], { expectedRevision: 'any' });
      }
      const follower = followAll('', { filter: { by: 'type', prefixes: [type] } });
      await follower.until(seen => seen.caughtUps === 1);
      expect(follower.events.map(bodyOf)).toEqual([0, 2]);
      await follower.stop();
    });

    it('from the end brings only what is new', async () => {
      const prefix = newStream('followed');
      await append(prefix, 3);
      const follower = followAll(prefix, { after: 'end' });
      await follower.until(seen => seen.caughtUps === 1);
      await append(prefix, 2);
      await follower.until(seen => seen.events.length === 2);
      expect(follower.revisions).toEqual([3n, 4n]);
      await follower.stop();
    });

    it('goes on behind any event it names', async () => {
      const prefix = newStream('followed');
      await append(prefix, 6);
      for (const event of await collect(store().readStream(prefix))) {
        const follower = followAll(prefix, { after: event.position });
        await follower.until(seen => seen.caughtUps === 1);
        expect(follower.revisions).toEqual(range(Number(event.revision) + 1, 6));
        await follower.stop();
      }
    });

    it('gives checkpoints that only rise, above all it has given, and below all it will give', async () => {
      const prefix = newStream('followed');
      const follower = followAll(prefix, { checkpointEveryEvents: 10 });
      for (let i = 0; i < 60; i++) {
        await append(i % 3 === 0 ? prefix : newStream('other'), 1 + (i % 5));
        if (i % 10 === 0) await follower.until(seen => seen.events.at(-1)?.stream === prefix);
      }
      await append(prefix);
      const { head } = await store().streamBounds(prefix);
      await follower.until(seen => seen.revisions.at(-1) === head && seen.checkpoints.length > 5);
      await follower.stop();
      let given = -1n;
      let checkpoint = -1n;
      for (const message of follower.messages) {
        if (message.kind === 'checkpoint') {
          expect(message.position).toBeGreaterThan(checkpoint);
          expect(message.position).toBeGreaterThanOrEqual(given);
          checkpoint = message.position;
        } else if (message.kind === 'events') {
          for (const { position } of message.events) {
            expect(position).toBeGreaterThan(checkpoint);
            expect(position).toBeGreaterThan(given);
            given = position;
          }
        }
      }
    });

    it('gives checkpoints where nothing passes its filter', async () => {
      const follower = followAll(newStream('nobody'), { checkpointEveryEvents: 5 });
      await follower.until(seen => seen.caughtUps === 1);
      const before = follower.checkpoints.length;
      for (let i = 0; i < 30; i++) await append(newStream('other'));
      await follower.until(seen => seen.checkpoints.length >= before + 3);
      expect(follower.events).toEqual([]);
      await follower.stop();
    });

    it('resumed again and again from checkpoints and events, while writers append, has no gap and no duplicate', async () => {
      const prefix = newStream('resumed');
      const total = 600;
      const written = new Set<string>();
      const writer = async (name: string): Promise<void> => {
        for (let i = 0; i < total / 3; i++) {
          const event = newEvent(i);
          written.add(event.id);
          await store().append(`${prefix}${name}`, [event], { expectedRevision: 'any' });
          await append(newStream('other'));
        }
      };
      const writers = Promise.all([writer('a'), writer('b'), writer('c')]);
      const seen: string[] = [];
      let after: bigint | 'start' = 'start';
      for (let cut = 0; seen.length < total; cut++) {
        let messages = 0;
        for await (const message of store().subscribeToAll({
          after,
          filter: { by: 'stream', prefixes: [prefix] },
          checkpointEveryEvents: 7,
        })) {
          if (message.kind === 'events') {
            seen.push(...message.events.map(event => event.id));
            after = message.events.at(-1)?.position ?? after;
          } else if (message.kind === 'checkpoint') after = message.position;
          if (++messages > cut % 4 || seen.length >= total) break;
        }
      }
      await writers;
      expect(seen).toHaveLength(total);
      expect(new Set(seen)).toEqual(written);
    });

    it('sees tombstones, and events of streams that were deleted', async () => {
      const prefix = newStream('followed');
      await append(prefix, 2);
      await store().tombstoneStream(prefix, { expectedRevision: 1n });
      const follower = followAll(prefix);
      await follower.until(seen => seen.caughtUps === 1);
      expect(follower.events.map(event => event.type)).toEqual(['Tested', 'Tested', '$streamDeleted']);
      await follower.stop();
    });

    it('ends when its signal aborts and when its loop is left', async () => {
      const prefix = newStream('followed');
      await append(prefix, 5);
      const follower = followAll(prefix);
      await follower.until(seen => seen.caughtUps === 1);
      expect(await follower.stop()).toBeUndefined();
      for await (const message of store().subscribeToAll({ after: 'start' })) {
        if (message.kind === 'events') break;
      }
      const aborted = AbortSignal.abort();
      expect(await collect(store().subscribeToAll({ after: 'start', signal: aborted }))).toEqual([]);
    });
  });

  it('a hundred subscribers at once each get everything, and a warning of leaks is never printed', async () => {
    const warnings: string[] = [];
    const note = (warning: Error): void => {
      warnings.push(warning.message);
    };
    process.on('warning', note);
    const { store: fresh } = await factory();
    const stream = newStream('followed');
    const followers = Array.from(
      { length: 100 },
      (_, i) =>
        new Follower(signal =>
          i % 2 === 0
            ? fresh.subscribeToStream(stream, { after: 'start', signal })
            : fresh.subscribeToAll({ after: 'start', signal }),
        ),
    );
    for (let i = 0; i < 20; i++) await fresh.append(stream, newEvents(2), { expectedRevision: 'any' });
    for (const follower of followers) {
      await follower.until(seen => seen.events.length === 40);
      expect(follower.revisions).toEqual(range(0, 40));
      await follower.stop();
    }
    await fresh.close();
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });
}
