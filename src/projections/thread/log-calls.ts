/**
 * The log and the keys, from the thread that has them to the thread that projects. Everything is asked for, a message at a
 * time, so a projector that is slow holds nothing up and nothing is buffered for it.
 */
import type {
  EventStore,
  ReadAllOptions,
  ReadStreamOptions,
  RecordedEvent,
  SubscribeToAllOptions,
  SubscriptionMessage,
} from '../../event-store/event-store.ts';
import type { Keyring, SubjectId, SubjectKey } from '../../keyring/keyring.ts';
import { Handed } from './calls.ts';
import type { Calls } from './calls.ts';
import { handMessage, packEvents, unpackEvents } from './packed-events.ts';
import type { PackedMessage } from './packed-events.ts';

/** What a projector reads of an event store. */
export type ProjectedLog = Pick<EventStore, 'subscribeToAll' | 'readStream' | 'readAll'>;
export type ProjectedKeys = Pick<Keyring, 'find' | 'destroy'>;

/** Of one read; more is asked for again. */
const READ_PAGE_EVENTS = 1_024;

type Subscribe = Omit<SubscribeToAllOptions, 'signal'>;

export type LogMethods = ReturnType<typeof offerLog>;

/** On the side that has them. `close` ends every subscription. */
export function offerLog(store: ProjectedLog, keys: ProjectedKeys) {
  const subscriptions = new Map<number, { messages: AsyncIterator<SubscriptionMessage>; ended: AbortController }>();
  let last = 0;
  const end = (id: number): void => {
    subscriptions.get(id)?.ended.abort();
    subscriptions.delete(id);
  };
  return {
    subscribe: (options: Subscribe): number => {
      last += 1;
      const ended = new AbortController();
      const messages = store.subscribeToAll({ ...options, signal: ended.signal })[Symbol.asyncIterator]();
      subscriptions.set(last, { messages, ended });
      return last;
    },
    next: async (id: number): Promise<Handed<PackedMessage | undefined>> => {
      try {
        const next = await subscriptions.get(id)?.messages.next();
        if (next !== undefined && next.done !== true) return handMessage(next.value);
      } catch (error) {
        end(id);
        throw error;
      }
      end(id);
      return new Handed(undefined, []);
    },
    unsubscribe: (id: number): void => {
      end(id);
    },
    readStream: async ({ stream, options }: { stream: string; options: ReadStreamOptions }) =>
      handEvents(await gather(store.readStream(stream, options))),
    readAll: async (options: ReadAllOptions) => handEvents(await gather(store.readAll(options))),
    // Copied, since a key may be a view into a page of other keys, all of which would be cloned with it.
    find: async (subjects: readonly SubjectId[]): Promise<readonly (SubjectKey | undefined)[]> =>
      (await keys.find(subjects)).map(key => (key instanceof Uint8Array ? Uint8Array.from(key) : key)),
    destroy: (subjects: readonly SubjectId[]): Promise<void> => keys.destroy(subjects),
    close: (): void => {
      for (const id of subscriptions.keys()) end(id);
    },
  };
}

function handEvents(events: readonly RecordedEvent[]) {
  const packed = packEvents(events);
  return new Handed(packed, [packed.bytes.buffer]);
}

async function gather(events: AsyncIterable<RecordedEvent>): Promise<RecordedEvent[]> {
  const gathered: RecordedEvent[] = [];
  for await (const event of events) gathered.push(event);
  return gathered;
}

/** On the side that projects. */
export function logOverCalls(calls: Calls<LogMethods>): ProjectedLog & { readonly keys: ProjectedKeys } {
  return {
    subscribeToAll: options => subscribe(calls, options),
    readStream: (stream, options = {}) => readStream(calls, stream, options),
    readAll: options => readAll(calls, options),
    keys: {
      find: subjects => calls.call('find', subjects),
      destroy: subjects => calls.call('destroy', subjects),
    },
  };
}

async function* subscribe(
  calls: Calls<LogMethods>,
  { signal, ...options }: SubscribeToAllOptions,
): AsyncGenerator<SubscriptionMessage> {
  if (signal?.aborted) return;
  const id = await calls.call('subscribe', options);
  const unsubscribe = (): void => {
    void calls.call('unsubscribe', id).catch(() => undefined);
  };
  signal?.addEventListener('abort', unsubscribe, { once: true });
  try {
    for (;;) {
      const message = await calls.call('next', id);
      if (message === undefined || signal?.aborted) return;
      yield message.kind === 'events' ? { kind: 'events', events: unpackEvents(message.packed) } : message;
    }
  } finally {
    signal?.removeEventListener('abort', unsubscribe);
    unsubscribe();
  }
}

async function* readStream(
  calls: Calls<LogMethods>,
  stream: string,
  { maxCount = Infinity, ...options }: ReadStreamOptions,
): AsyncGenerator<RecordedEvent> {
  let { from } = options;
  for (let left = maxCount; left > 0;) {
    const count = Math.min(left, READ_PAGE_EVENTS);
    const asked = { ...options, ...(from === undefined ? {} : { from }), maxCount: count };
    const events = unpackEvents(await calls.call('readStream', { stream, options: asked }));
    yield* events;
    const end = events.at(-1);
    if (end === undefined || events.length < count) return;
    left -= events.length;
    from = options.direction === 'backwards' ? end.revision - 1n : end.revision + 1n;
    if (from < 0n) return;
  }
}

async function* readAll(
  calls: Calls<LogMethods>,
  { maxCount = Infinity, ...options }: ReadAllOptions = {},
): AsyncGenerator<RecordedEvent> {
  let { from } = options;
  for (let left = maxCount; left > 0;) {
    const count = Math.min(left, READ_PAGE_EVENTS);
    const asked = { ...options, ...(from === undefined ? {} : { from }), maxCount: count };
    const events = unpackEvents(await calls.call('readAll', asked));
    yield* events;
    const end = events.at(-1);
    if (end === undefined || events.length < count) return;
    left -= events.length;
    // Forwards inclusive, backwards exclusive.
    from = options.direction === 'backwards' ? end.position : end.position + 1n;
  }
}
