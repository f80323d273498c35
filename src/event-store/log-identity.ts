/**
 * Which log this is: the last event of a stream of its own, appended at the first start. Cursors name it, so that a
 * client of a restored or replaced log is told so; and it names the codec that writes the log, so that one log is
 * never written by two.
 */
import type { Clock } from '../domain/clock.ts';
import { streamName } from '../domain/stream-name.ts';
import { logIdentified } from '../schemas/log-events.ts';
import type { LogIdentified } from '../schemas/log-events.ts';
import { StreamNotFoundError, WrongExpectedRevisionError } from './errors.ts';
import type { EventData, EventStore, RecordedEvent } from './event-store.ts';

export const LOG_IDENTITY_STREAM = streamName('verbatimLog', 'system', 'id');
const TYPE = 'LogIdentified';

/** The log was begun by another codec: its fields are sealed otherwise than this product would seal them. */
export class ForeignCodecError extends Error {
  override readonly name = 'ForeignCodecError';
  readonly expected: string;
  readonly actual: string;
  constructor(expected: string, actual: string) {
    super(
      `This log was begun with the codec "${actual}", and this version writes "${expected}". ` +
        'A log keeps its codec: start a new one in an empty data folder and import into it.',
    );
    this.expected = expected;
    this.actual = actual;
  }
}

/** The identity stream holds something that this product never wrote there. */
export class UnreadableLogIdentityError extends Error {
  override readonly name = 'UnreadableLogIdentityError';
  constructor(revision: bigint) {
    super(`${LOG_IDENTITY_STREAM}@${String(revision)} does not say which log this is: another program wrote it.`);
  }
}

export interface IdentifyLogOptions {
  readonly codec: { readonly name: string };
  /** A UUIDv7. */
  readonly newId: () => string;
  readonly clock: Clock;
}

/** Gives the log's id; a log without one gets it now. @throws ForeignCodecError, UnreadableLogIdentityError */
export async function identifyLog(
  store: Pick<EventStore, 'append' | 'readStream'>,
  { codec, newId, clock }: IdentifyLogOptions,
): Promise<{ readonly log: string }> {
  const identity = (await lastIdentity(store)) ?? (await beginLog(store, { log: newId(), codec: codec.name }, clock));
  if (identity.codec !== codec.name) throw new ForeignCodecError(codec.name, identity.codec);
  return { log: identity.log };
}

/** The id that the log had first: all its copies share it. `now`: the id it has. @throws UnreadableLogIdentityError */
export async function firstIdOf(store: Pick<EventStore, 'readStream'>, now: string): Promise<string> {
  for await (const recorded of store.readStream(LOG_IDENTITY_STREAM, { maxCount: 1 })) return parse(recorded).log;
  return now;
}

/** Whether the log has this id, or had it before it was restored or copied. @throws UnreadableLogIdentityError */
export async function wasIdentifiedAs(store: Pick<EventStore, 'readStream'>, log: string): Promise<boolean> {
  try {
    for await (const recorded of store.readStream(LOG_IDENTITY_STREAM)) if (parse(recorded).log === log) return true;
  } catch (error) {
    if (!(error instanceof StreamNotFoundError)) throw error;
  }
  return false;
}

/** Whether the log has begun. */
export async function isIdentified(store: Pick<EventStore, 'streamBounds'>): Promise<boolean> {
  return (await store.streamBounds(LOG_IDENTITY_STREAM)).head >= 0n;
}

/**
 * Gives a log that was restored its new id, so that clients of the one it was copied from are told. Again with the same
 * id changes nothing.
 *
 * @throws ForeignCodecError, UnreadableLogIdentityError
 */
export async function renewLog(
  store: Pick<EventStore, 'append' | 'readStream'>,
  log: string,
  { codec, clock }: Pick<IdentifyLogOptions, 'codec' | 'clock'>,
): Promise<void> {
  const last = await lastIdentity(store);
  if (last?.log === log) return;
  if (last && last.codec !== codec.name) throw new ForeignCodecError(codec.name, last.codec);
  await store.append(LOG_IDENTITY_STREAM, [identityEvent({ log, codec: codec.name }, clock)], {
    expectedRevision: 'any',
  });
}

async function lastIdentity(store: Pick<EventStore, 'readStream'>): Promise<LogIdentified | undefined> {
  try {
    for await (const recorded of store.readStream(LOG_IDENTITY_STREAM, { direction: 'backwards', maxCount: 1 }))
      return parse(recorded);
    return undefined;
  } catch (error) {
    if (error instanceof StreamNotFoundError) return undefined;
    throw error;
  }
}

function parse({ type, data, revision }: RecordedEvent): LogIdentified {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8'));
  } catch {
    throw new UnreadableLogIdentityError(revision);
  }
  const parsed = logIdentified.safeParse(json);
  if (type !== TYPE || !parsed.success) throw new UnreadableLogIdentityError(revision);
  return parsed.data;
}

async function beginLog(
  store: Pick<EventStore, 'append' | 'readStream'>,
  identity: LogIdentified,
  clock: Clock,
): Promise<LogIdentified> {
  try {
    await store.append(LOG_IDENTITY_STREAM, [identityEvent(identity, clock)], { expectedRevision: 'no-stream' });
    return identity;
  } catch (error) {
    // Another node was first: its identity is the log's.
    const first = error instanceof WrongExpectedRevisionError ? await lastIdentity(store) : undefined;
    if (first === undefined) throw error;
    return first;
  }
}

function identityEvent(identity: LogIdentified, clock: Clock): EventData {
  const metadata = {
    $correlationId: identity.log,
    $causationId: identity.log,
    actor: { id: 'verbatim', role: 'service' },
    tenant: 'system',
    occurredAt: new Date(clock.now()).toISOString(),
    origin: 'live',
    schema: 1,
  };
  return {
    id: identity.log,
    type: TYPE,
    data: Buffer.from(JSON.stringify(identity)),
    metadata: Buffer.from(JSON.stringify(metadata)),
    contentType: 'application/json',
  };
}
