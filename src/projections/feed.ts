/**
 * The log as projections take it: one catch-up subscription, its events opened once, in slices that are bounded in count
 * and bytes. Nothing is waited for: a slice is what is there.
 *
 * An erasure ends a slice. The subject's key is destroyed before the erasure is passed on, so that whatever is opened
 * after it, by whomever, opens without the subject's words; reading ahead is safe for the same reason.
 */
import type { ConversationEvent } from '../domain/conversation/events.ts';
import type { Recorded } from '../domain/decider.ts';
import type { TenantEvent } from '../domain/tenant/events.ts';
import { UnavailableError } from '../errors.ts';
import type { EventFilter, EventStore, RecordedEvent } from '../event-store/event-store.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { Checkpoint } from '../read-store/read-store.ts';
import type { FoldInput } from './fold-commit.ts';
import { gathered } from './gathered.ts';
import type { BatchLimits, EventsItem } from './gathered.ts';

/** What feeds read. */
export interface FeedSource {
  readonly store: Pick<EventStore, 'subscribeToAll' | 'readStream' | 'readAll'>;
  /** In the order given. */
  readonly open: (batch: readonly RecordedEvent[]) => Promise<readonly Recorded<ConversationEvent>[]>;
  readonly openTenant: (batch: readonly RecordedEvent[]) => Promise<readonly Recorded<TenantEvent>[]>;
  readonly keys: Pick<Keyring, 'destroy'>;
  readonly limits: FeedLimits;
}

export type FeedLimits = BatchLimits;

export interface ErasureItem {
  readonly kind: 'erasure';
  readonly tenant: string;
  readonly subject: string;
  readonly at: Checkpoint;
}

export type FeedItem = EventsItem | ErasureItem | { readonly kind: 'caught-up' };

/** An event that this code cannot open: no projection goes past it. The message says which and why, nothing of its contents. */
export class UnopenableEventError extends Error {
  override readonly name = 'UnopenableEventError';
}

const CONVERSATIONS = 'conversation-';
const TENANTS = 'tenant-';
export const PROJECTED: EventFilter = { by: 'stream', prefixes: [CONVERSATIONS, TENANTS] };
export const ERASURES: EventFilter = { by: 'stream', prefixes: [TENANTS] };

export interface FeedOptions {
  /** Exclusive. */
  readonly after: Checkpoint | undefined;
  /** Ends there: what is beyond it is not passed on. Default: never. */
  readonly until?: number;
  readonly signal: AbortSignal;
}

/**
 * Ends when the signal aborts, or at `until`, or, where there is an `until`, when it has caught up.
 *
 * @throws UnopenableEventError after everything before the event was passed on
 * @throws UnavailableError where log or keys are away
 */
export async function* openFeed(source: FeedSource, { after, until, signal }: FeedOptions): AsyncGenerator<FeedItem> {
  const ended = new AbortController();
  const either = AbortSignal.any([signal, ended.signal]);
  const from = after === undefined ? 'start' : BigInt(after.position);
  const messages = source.store.subscribeToAll({ after: from, filter: PROJECTED, signal: either });
  try {
    yield* gathered(itemsOf(source, messages, until), source.limits, ended);
  } finally {
    ended.abort();
  }
}

async function* itemsOf(
  source: FeedSource,
  messages: ReturnType<EventStore['subscribeToAll']>,
  until: number | undefined,
): AsyncGenerator<FeedItem> {
  for await (const message of messages) {
    if (message.kind === 'caught-up') {
      yield message;
      if (until !== undefined) return;
    }
    if (message.kind !== 'events') continue;
    const wanted = until === undefined ? message.events : message.events.filter(({ position }) => position <= until);
    yield* openSlices(source, wanted);
    if (until !== undefined && (message.events.at(-1)?.position ?? -1n) >= until) return;
  }
}

async function* openSlices(source: FeedSource, events: readonly RecordedEvent[]): AsyncGenerator<FeedItem> {
  const { batchEventsMax, batchBytesMax } = source.limits;
  let slice: RecordedEvent[] = [];
  let bytes = 0;
  for (const event of events) {
    if (event.stream.startsWith(TENANTS)) {
      const erasure = await openErasure(source, event);
      if (erasure === undefined) continue;
      if (slice.length > 0) yield* openSlice(source, slice);
      [slice, bytes] = [[], 0];
      await source.keys.destroy([{ tenant: erasure.tenant, subject: erasure.subject }]);
      yield erasure;
      continue;
    }
    if (isOfTheStore(event)) continue;
    if (slice.length >= batchEventsMax || (slice.length > 0 && bytes + event.data.length > batchBytesMax)) {
      yield* openSlice(source, slice);
      [slice, bytes] = [[], 0];
    }
    slice.push(event);
    bytes += event.data.length;
  }
  if (slice.length > 0) yield* openSlice(source, slice);
}

/** Tombstones and the like. */
function isOfTheStore({ type }: RecordedEvent): boolean {
  return type.startsWith('$');
}

/** The slice whole; where that fails, what comes before the event it fails at, and then the failure. */
async function* openSlice(source: FeedSource, slice: readonly RecordedEvent[]): AsyncGenerator<FeedItem> {
  try {
    yield { kind: 'events', inputs: await openEvents(source, slice) };
    return;
  } catch (error) {
    if (!(error instanceof UnopenableEventError) || slice.length === 1) throw error;
  }
  for (const event of slice) yield { kind: 'events', inputs: await openEvents(source, [event]) };
}

/** Events of conversations, opened. @throws UnopenableEventError, UnavailableError */
export async function openEvents(
  source: Pick<FeedSource, 'open'>,
  events: readonly RecordedEvent[],
): Promise<FoldInput[]> {
  const ours = events.filter(event => !isOfTheStore(event));
  const opened = await opening(ours, () => source.open(ours));
  return ours.map(({ stream, position, createdMs, data }, i) => {
    const recorded = opened[i];
    if (recorded === undefined) throw new Error('An event was not given back when it was opened.');
    const event = { ...placeOf(stream, CONVERSATIONS), recorded, position: Number(position) };
    return { event, createdMs, bytes: data.length };
  });
}

async function openErasure(source: FeedSource, event: RecordedEvent): Promise<ErasureItem | undefined> {
  if (!isErasure(event)) return undefined;
  const [opened] = await opening([event], () => source.openTenant([event]));
  if (opened?.event.type !== 'SubjectErased') return undefined;
  const at = { position: Number(event.position), createdMs: event.createdMs };
  return { kind: 'erasure', tenant: placeOf(event.stream, TENANTS).tenant, subject: opened.event.data.subject, at };
}

/** Whether projections are given this one of what the filter lets through: their checkpoints come to it. */
export function isTaken(event: RecordedEvent): boolean {
  return event.stream.startsWith(TENANTS) ? isErasure(event) : !isOfTheStore(event);
}

export function isErasure({ type }: RecordedEvent): boolean {
  return type === 'SubjectErased';
}

/** Both tell the same of what cannot be opened, whichever library or thread found that out. */
async function opening<Result>(events: readonly RecordedEvent[], open: () => Promise<Result>): Promise<Result> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof UnavailableError) throw error;
    const at = events[0] === undefined ? '' : `${events[0].stream}@${String(events[0].revision)}`;
    const why = error instanceof Error ? `${error.name}: ${error.message}` : 'of an unknown error';
    throw new UnopenableEventError(`The event ${at} cannot be opened: ${why}`, { cause: error });
  }
}

/** `conversation-acme.42`: tenants have no dots, so the first one ends the tenant. */
function placeOf(stream: string, prefix: string): { readonly tenant: string; readonly conversation: string } {
  const dot = stream.indexOf('.', prefix.length);
  return { tenant: stream.slice(prefix.length, dot), conversation: stream.slice(dot + 1) };
}
