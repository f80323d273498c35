/**
 * Asks a store what the recorder asked a real EventStoreDB (test/golden), and says where an answer differs. Compared in
 * process: everything but transport codes and messages; persistent-subscription steps are left out.
 */
import { createHash } from 'node:crypto';
import {
  AppendTooLargeError,
  BadEventStoreRequestError,
  StreamDeletedError,
  StreamNotFoundError,
  WrongExpectedRevisionError,
} from '../../src/event-store/errors.ts';
import type { EventData, EventStore, ExpectedRevision, StreamMetadata } from '../../src/event-store/event-store.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export interface Step {
  readonly op: string;
  readonly result: { readonly [key: string]: Json };
  readonly [key: string]: Json;
}
export interface Scenario {
  readonly scenario: string;
  readonly steps: readonly Step[];
}

const MAX = 2n ** 63n - 1n;
const PERSISTENT = ['createGroup', 'updateGroup', 'deleteGroup', 'consume', 'compete', 'replayParked'];
/** How long a subscription may be quiet before its events count as all there are. */
const QUIET_MS = 40;

export function isComparable(step: Step): boolean {
  return !PERSISTENT.includes(step.op);
}

/** The recorded answer, as far as it is compared. `unknown` is the real server's word for a malformed request. */
export function expectedAnswer(step: Step): Json {
  const { code, message, ...rest } = step.result;
  void code;
  void message;
  if (rest.error === 'unknown') return { error: 'bad-request' };
  return rest;
}

export class Replay {
  private readonly store: EventStore;
  private readonly prefix: string;
  private readonly names = new Map<string, string>();

  constructor(store: EventStore, scenario: string) {
    this.store = store;
    this.prefix = `golden_${scenario}_`;
  }

  private stream(name: string): string {
    return name.startsWith('=') ? name.slice(1) : this.prefix + name;
  }

  private event(symbol: string, type: string, size: number | undefined): EventData {
    const hex = createHash('sha1')
      .update(this.prefix + symbol)
      .digest('hex');
    const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
    this.names.set(id, symbol);
    const data = Buffer.from(JSON.stringify({ n: size === undefined ? symbol : 'x'.repeat(size) }));
    return { id, type, data, metadata: Buffer.alloc(0), contentType: 'application/json' };
  }

  private symbol(id: string): string {
    return this.names.get(id) ?? '?';
  }

  async answer(step: Step): Promise<Json> {
    try {
      return { ok: await this.ask(step) };
    } catch (error) {
      return errorAnswer(error, step.op);
    }
  }

  private ask(step: Step): Promise<Json> {
    const name = typeof step.stream === 'string' ? this.stream(step.stream) : '';
    switch (step.op) {
      case 'append':
        return this.append(name, step);
      case 'read':
        return this.read(name, step);
      case 'readAll':
        return this.readAll(step);
      case 'delete':
        return this.store.deleteStream(name, { expectedRevision: expected(step.expected) }).then(() => ({}));
      case 'tombstone':
        return this.store.tombstoneStream(name, { expectedRevision: expected(step.expected) }).then(() => ({}));
      case 'setMetadata':
        return this.setMetadata(name, step);
      case 'getMetadata':
        return this.getMetadata(name);
      case 'subscribe':
        return this.subscribe(name, step);
      default:
        throw new Error(`unknown step ${step.op}`);
    }
  }

  private async append(name: string, step: Step): Promise<Json> {
    const type = typeof step.type === 'string' ? step.type : 'tested';
    const size = typeof step.size === 'number' ? step.size : undefined;
    const events = (step.events as string[]).map(symbol => this.event(symbol, type, size));
    const result = await this.store.append(name, events, { expectedRevision: expected(step.expected) });
    // The client shows an absent revision as 0, and a position for every append, empty ones too.
    return {
      revision: Math.max(0, Number(result.revision)),
      hasPosition: result.position !== undefined || events.length === 0,
    };
  }

  private async read(name: string, step: Step): Promise<Json> {
    const from = step.from === 'start' || step.from === 'end' ? step.from : BigInt(step.from as number);
    const events: Json[] = [];
    const direction = step.direction as 'forwards' | 'backwards';
    for await (const event of this.store.readStream(name, { direction, from, maxCount: step.max as number })) {
      events.push({ id: this.symbol(event.id), revision: Number(event.revision), type: event.type });
    }
    return { events };
  }

  private async readAll(step: Step): Promise<Json> {
    const direction = step.direction as 'forwards' | 'backwards';
    const types = (step.filter as { types?: string[] } | undefined)?.types;
    const events: Json[] = [];
    let last = -1n;
    for await (const event of this.store.readAll({ direction })) {
      if (!event.stream.startsWith(this.prefix)) continue;
      if (types && !types.includes(event.type)) continue;
      if (direction === 'forwards' && event.position <= last) throw new Error('positions do not increase');
      last = event.position;
      const revision = event.revision === MAX ? 'max' : Number(event.revision);
      events.push({
        stream: event.stream.slice(this.prefix.length),
        id: this.symbol(event.id),
        revision,
        type: event.type,
      });
      if (events.length >= (step.max as number)) break;
    }
    return { events };
  }

  private async setMetadata(name: string, step: Step): Promise<Json> {
    const { maxCount, truncateBefore, ...custom } = step.metadata as Record<string, Json>;
    const metadata: StreamMetadata = {
      ...(typeof maxCount === 'number' ? { maxCount } : {}),
      ...(typeof truncateBefore === 'number' ? { truncateBefore: BigInt(truncateBefore) } : {}),
      ...(Object.keys(custom).length > 0 ? { custom } : {}),
    };
    const options = { expectedRevision: expected(step.expected) };
    return { revision: Number((await this.store.setStreamMetadata(name, metadata, options)).revision) };
  }

  private async getMetadata(name: string): Promise<Json> {
    const { metadata } = await this.store.getStreamMetadata(name);
    if (!metadata) return { metadata: null };
    const { maxCount, truncateBefore, custom } = metadata;
    const tb = truncateBefore === MAX ? 'max' : Number(truncateBefore);
    return {
      metadata: {
        ...(custom as { [key: string]: Json } | undefined),
        ...(maxCount === undefined ? {} : { maxCount }),
        ...(truncateBefore === undefined ? {} : { truncateBefore: tb }),
      },
    };
  }

  private async subscribe(name: string, step: Step): Promise<Json> {
    const after = step.from === 'start' || step.from === 'end' ? step.from : BigInt(step.from as number);
    const aborter = new AbortController();
    const events: Json[] = [];
    let ended: string | undefined;
    let quiet = setTimeout(() => {
      aborter.abort();
    }, QUIET_MS);
    try {
      for await (const message of this.store.subscribeToStream(name, { after, signal: aborter.signal })) {
        if (message.kind !== 'events') continue;
        clearTimeout(quiet);
        quiet = setTimeout(() => {
          aborter.abort();
        }, QUIET_MS);
        for (const event of message.events) {
          if (events.length < (step.count as number))
            events.push({ id: this.symbol(event.id), revision: Number(event.revision) });
        }
        if (events.length >= (step.count as number)) break;
      }
    } catch (error) {
      ended = (errorAnswer(error, step.op) as { error: string }).error;
    }
    clearTimeout(quiet);
    return { events, ...(ended === undefined ? {} : { ended }) };
  }
}

function expected(value: Json | undefined): ExpectedRevision {
  if (typeof value === 'number') return BigInt(value);
  return (value as string).replace('_', '-') as ExpectedRevision;
}

function errorAnswer(error: unknown, op: string): Json {
  if (error instanceof WrongExpectedRevisionError) return wrongAnswer(error, op);
  if (error instanceof StreamNotFoundError) return { error: 'stream-not-found' };
  if (error instanceof StreamDeletedError) return { error: 'stream-deleted' };
  if (error instanceof BadEventStoreRequestError) return { error: 'bad-request' };
  if (error instanceof AppendTooLargeError)
    return { error: 'maximum-append-size-exceeded', maxAppendSize: error.bytesMax };
  throw error;
}

/** Deletes say their modes and a missing stream as numbers, appends as words. */
function wrongAnswer(error: WrongExpectedRevisionError, op: string): Json {
  const numbers = op === 'delete' || op === 'tombstone';
  const modes = { any: -2, 'no-stream': -1, 'stream-exists': -4 };
  const expectedValue =
    typeof error.expected === 'bigint'
      ? Number(error.expected)
      : numbers
        ? modes[error.expected]
        : error.expected.replace('-', '_');
  const actual = error.actual < 0n && !numbers ? 'no_stream' : Number(error.actual);
  return { error: 'wrong-expected-version', expected: expectedValue, actual };
}
