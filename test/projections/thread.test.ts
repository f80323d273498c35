import { randomUUID } from 'node:crypto';
import { MessageChannel } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RequestError, UnavailableError } from '../../src/errors.ts';
import { StreamNotFoundError } from '../../src/event-store/errors.ts';
import type { RecordedEvent, SubscriptionMessage } from '../../src/event-store/event-store.ts';
import { createCalls } from '../../src/projections/thread/calls.ts';
import type { Calls } from '../../src/projections/thread/calls.ts';
import { loggerOver, writeLine } from '../../src/projections/thread/log-lines.ts';
import type { LogLine } from '../../src/projections/thread/log-lines.ts';
import { logOverCalls, offerLog } from '../../src/projections/thread/log-calls.ts';
import type { LogMethods } from '../../src/projections/thread/log-calls.ts';
import { packEvents, unpackEvents } from '../../src/projections/thread/packed-events.ts';
import type { LogFields, Logger } from '../../src/telemetry/logger.ts';
import { until } from '../support/fake-time.ts';
import { MemoryEventStore } from '../support/memory-event-store.ts';
import { MemoryKeyring } from '../support/memory-keyring.ts';

let channel: MessageChannel;
beforeEach(() => {
  channel = new MessageChannel();
});
afterEach(() => {
  channel.port1.close();
  channel.port2.close();
});

describe('Calls between threads', () => {
  const methods = {
    double: async (n: number) => Promise.resolve(n * 2),
    echo: (value: unknown) => value,
    closure: () => () => undefined,
    refuse: (): never => {
      throw new RequestError('not-found', 'No such thing.', { path: 'name', retryAfterMs: 5 });
    },
    away: (): never => {
      throw new UnavailableError('The store is away.', { cause: new Error('ECONNREFUSED') });
    },
    lost: (): never => {
      throw new StreamNotFoundError('conversation-acme.1');
    },
    broken: (): never => {
      throw new TypeError('x is not a function');
    },
  };
  let calls: Calls<typeof methods>;
  beforeEach(() => {
    createCalls(channel.port1, methods);
    calls = createCalls<typeof methods>(channel.port2, {});
  });

  it('answer each call with its own value, whatever order the answers come in', async () => {
    expect(await Promise.all([1, 2, 3].map(n => calls.call('double', n)))).toEqual([2, 4, 6]);
  });

  it('throw what callers tell apart as the class it was, with its code and path', async () => {
    const error = await calls.call('refuse', undefined).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RequestError);
    expect(error).toMatchObject({ code: 'not-found', message: 'No such thing.', path: 'name', retryAfterMs: 5 });
    await expect(calls.call('lost', undefined)).rejects.toBeInstanceOf(StreamNotFoundError);
    await expect(calls.call('away', undefined)).rejects.toThrow('The store is away. (ECONNREFUSED)');
    await expect(calls.call('away', undefined)).rejects.toBeInstanceOf(UnavailableError);
    await expect(calls.call('broken', undefined)).rejects.toMatchObject({ name: 'TypeError' });
  });

  it('tell their caller of what cannot be cloned, in either direction, and keep nothing of such a call', async () => {
    await expect(calls.call('echo', () => undefined)).rejects.toMatchObject({ name: 'DataCloneError' });
    expect(calls.underWay).toBe(0);
    await expect(calls.call('closure', undefined)).rejects.toMatchObject({ name: 'DataCloneError' });
    const asked = calls.call('echo', 'still there');
    expect(calls.underWay).toBe(1);
    expect(await asked).toBe('still there');
    expect(calls.underWay).toBe(0);
  });

  it('fail what is under way, and all later calls, once the other side is gone', async () => {
    const underWay = calls.call('double', 1);
    calls.close(new UnavailableError('The thread has ended.'));
    await expect(underWay).rejects.toThrow('The thread has ended.');
    await expect(calls.call('double', 1)).rejects.toThrow('The thread has ended.');
  });
});

describe('Log lines between threads', () => {
  const lines: { readonly level: keyof Logger; readonly message: string; readonly fields: LogFields | undefined }[] =
    [];
  let logger: Logger;
  beforeEach(() => {
    lines.length = 0;
    const at = (level: keyof Logger) => (message: string, fields?: LogFields) => {
      lines.push({ level, message, fields });
    };
    const written: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
    const methods = {
      write: (line: LogLine) => {
        writeLine(written, line);
      },
    };
    createCalls(channel.port1, methods);
    const calls = createCalls<typeof methods>(channel.port2, {});
    logger = loggerOver(line => calls.call('write', line));
  });

  it('are written as they were, an error as one', async () => {
    logger.warn('waits', { ids: [1, 2], error: new UnavailableError('The store is away.') });
    await until(() => lines.length === 1, 'the line');
    expect(lines[0]).toMatchObject({ level: 'warn', message: 'waits', fields: { ids: [1, 2] } });
    expect(lines[0]?.fields?.error).toBeInstanceOf(UnavailableError);
  });

  it('whose fields cannot be cloned are written with those in words', async () => {
    const error = new TypeError('x is not a function');
    logger.error('an event could not be folded', { projection: 'tiny', revision: 3n, at: { done: () => 1 }, error });
    await until(() => lines.length > 0, 'the line');
    const fields = { projection: 'tiny', revision: 3n, at: '{ done: [Function: done] }' };
    const told = { name: 'TypeError', message: error.message };
    expect(lines).toMatchObject([{ level: 'error', message: 'an event could not be folded', fields }]);
    expect(lines[0]?.fields?.error).toMatchObject(told);
  });
});

const event = (text: string) => ({
  ...{ id: randomUUID(), type: 'Said', data: Buffer.from(text), metadata: Buffer.from('{}') },
  contentType: 'application/json' as const,
});

function plain({ data, metadata, ...rest }: RecordedEvent) {
  return { ...rest, data: Buffer.from(data).toString(), metadata: Buffer.from(metadata).toString() };
}

describe('A log read from another thread', () => {
  let store: MemoryEventStore;
  let log: ReturnType<typeof logOverCalls>;
  const keyring = new MemoryKeyring();
  beforeEach(async () => {
    store = new MemoryEventStore();
    createCalls(channel.port1, offerLog(store, keyring));
    log = logOverCalls(createCalls<LogMethods>(channel.port2, {}));
    for (const name of ['conversation-acme.1', 'conversation-acme.2', 'agent-acme.1'])
      await store.append(name, [event('one ✓'), event('')], { expectedRevision: 'no-stream' });
  });

  const all = async (events: AsyncIterable<RecordedEvent>) => {
    const gathered: RecordedEvent[] = [];
    for await (const each of events) gathered.push(each);
    return gathered;
  };

  it('gives every event as it is, byte for byte', async () => {
    const read = await all(store.readAll());
    expect(unpackEvents(packEvents(read)).map(plain)).toEqual(read.map(plain));
    expect((await all(log.readAll())).map(plain)).toEqual(read.map(plain));
    const stream = await all(store.readStream('conversation-acme.2'));
    expect((await all(log.readStream('conversation-acme.2'))).map(plain)).toEqual(stream.map(plain));
  });

  it('reads a stream of more than a page, from anywhere', async () => {
    const many = Array.from({ length: 2_500 }, (_, i) => event(String(i)));
    await store.append('conversation-acme.3', many, { expectedRevision: 'no-stream' });
    expect(await all(log.readStream('conversation-acme.3'))).toHaveLength(2_500);
    const some = await all(log.readStream('conversation-acme.3', { from: 1_000n, maxCount: 1_100 }));
    expect(some.map(({ revision }) => revision)).toEqual(Array.from({ length: 1_100 }, (_, i) => BigInt(i + 1_000)));
    const whole = (await all(store.readAll())).map(({ position }) => position);
    expect((await all(log.readAll())).map(({ position }) => position)).toEqual(whole);
    const backwards = await all(log.readAll({ direction: 'backwards', maxCount: 2_000 }));
    expect(backwards.map(({ position }) => position)).toEqual(whole.toReversed().slice(0, 2_000));
    await expect(all(log.readStream('conversation-acme.none'))).rejects.toBeInstanceOf(StreamNotFoundError);
  });

  it('follows what is new behind a filter, and ends with its signal', async () => {
    const ended = new AbortController();
    const filter = { by: 'stream', prefixes: ['conversation-'] } as const;
    const seen: string[] = [];
    const kinds = new Set<SubscriptionMessage['kind']>();
    for await (const message of log.subscribeToAll({ after: 'start', filter, signal: ended.signal })) {
      kinds.add(message.kind);
      if (message.kind === 'events') seen.push(...message.events.map(({ stream }) => stream));
      if (message.kind === 'caught-up')
        await store.append('conversation-acme.1', [event('new')], { expectedRevision: 1n });
      if (seen.length === 5) ended.abort();
    }
    expect(kinds).toContain('caught-up');
    const [one, two] = ['conversation-acme.1', 'conversation-acme.2'];
    expect(seen).toEqual([one, one, two, two, one]);
  });

  it('finds and destroys keys, and clones none but those asked for', async () => {
    const subject = { tenant: 'acme', subject: 'ann' };
    const [made] = await keyring.obtain([subject]);
    const [found] = await log.keys.find([subject]);
    expect(Buffer.from(found as Uint8Array)).toEqual(Buffer.from(made as Uint8Array));
    expect((found as Uint8Array).buffer.byteLength).toBe(32);
    await log.keys.destroy([subject]);
    expect(await log.keys.find([subject, { tenant: 'acme', subject: 'nobody' }])).toEqual(['erased', undefined]);
  });
});
