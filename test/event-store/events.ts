/** What the event store's tests share: events and streams of their own, reads into arrays, a subscriber that remembers. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventData, EventStore, RecordedEvent, SubscriptionMessage } from '../../src/event-store/event-store.ts';

/** A stream no other test uses. */
export function newStream(category = 'tested'): string {
  return `${category}-default.${randomUUID()}`;
}

export function newEvent(body: unknown = {}, more: Partial<EventData> = {}): EventData {
  return {
    id: randomUUID(),
    type: 'Tested',
    data: Buffer.from(JSON.stringify(body)),
    metadata: Buffer.alloc(0),
    contentType: 'application/json',
    ...more,
  };
}

/** `count` events whose bodies are 0, 1, 2, … */
export function newEvents(count: number, more: Partial<EventData> = {}): EventData[] {
  return Array.from({ length: count }, (_, i) => newEvent(i, more));
}

export function bodyOf(event: RecordedEvent): unknown {
  return JSON.parse(Buffer.from(event.data).toString('utf8'));
}

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

/** The revisions of a stream, as they are read. */
export async function revisions(store: EventStore, stream: string): Promise<bigint[]> {
  return (await collect(store.readStream(stream))).map(event => event.revision);
}

export function range(from: number, to: number): bigint[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => BigInt(from + i));
}

/** What a promise was rejected with. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('It was to fail, and did not.');
}

const WAIT_MS = 20_000;

/** Reads a subscription as fast as it comes and lets a test wait for what it has seen. */
export class Follower {
  readonly messages: SubscriptionMessage[] = [];
  readonly events: RecordedEvent[] = [];
  /** Resolves when the subscription has ended: with its error, or undefined. */
  readonly ended: Promise<unknown>;
  private readonly aborter = new AbortController();
  private over = false;
  private watchers: (() => void)[] = [];

  constructor(subscribe: (signal: AbortSignal) => AsyncIterable<SubscriptionMessage>) {
    this.ended = this.run(subscribe(this.aborter.signal));
  }

  private async run(source: AsyncIterable<SubscriptionMessage>): Promise<unknown> {
    try {
      for await (const message of source) {
        this.messages.push(message);
        if (message.kind === 'events') this.events.push(...message.events);
        this.look();
      }
      return undefined;
    } catch (error) {
      return error;
    } finally {
      this.over = true;
      this.look();
    }
  }

  private look(): void {
    for (const watcher of this.watchers.splice(0)) watcher();
  }

  get caughtUps(): number {
    return this.messages.filter(message => message.kind === 'caught-up').length;
  }

  get checkpoints(): bigint[] {
    return this.messages.flatMap(message => (message.kind === 'checkpoint' ? [message.position] : []));
  }

  get revisions(): bigint[] {
    return this.events.map(event => event.revision);
  }

  /** Resolves as soon as it holds; fails when the subscription ends, or nothing comes for long, before that. */
  async until(holds: (seen: this) => boolean): Promise<void> {
    const deadline = new AbortController();
    const late = delay(WAIT_MS, 'late', { signal: deadline.signal }).catch(() => 'aborted');
    try {
      while (!holds(this)) {
        if (this.over) throw new Error(`The subscription ended: ${String(await this.ended)}`);
        const next = new Promise<string>(resolve => this.watchers.push(() => resolve('seen')));
        if ((await Promise.race([next, late])) === 'late') {
          throw new Error(`Still not seen after ${WAIT_MS} ms; ${this.events.length} events so far.`);
        }
      }
    } finally {
      deadline.abort();
    }
  }

  async stop(): Promise<unknown> {
    this.aborter.abort();
    return this.ended;
  }
}
