/** What stands between a command and its append, all of it pure: names, the first ack, the decision, the envelope. */
import type { Clock } from '../domain/clock.ts';
import { Rejection } from '../domain/decider.ts';
import type { CommandRecord, Decider, DomainEvent, Folded, Origin } from '../domain/decider.ts';
import { ID_PATTERN, TENANT_PATTERN, streamName } from '../domain/stream-name.ts';
import { RequestError } from '../errors.ts';
import type { Envelope } from '../schemas/envelope.ts';
import type { Subjects } from '../schemas/event-serializer.ts';
import type { CommandAck, CommandRequest } from './commands.ts';

/** What the handler of commands must know of a kind of aggregate. */
export interface Aggregate<Command extends DomainEvent, Event extends DomainEvent, State> {
  /** Of its streams; also what an answer calls it: `conversation`. */
  readonly category: string;
  readonly decider: Decider<Command, Event, State>;
  /** Whose keys seal its personal fields, once these events have happened to it. */
  readonly subjectsOf: (
    events: readonly Event[],
    state: Readonly<State>,
    request: Pick<CommandRequest<Command>, 'id' | 'actor'>,
  ) => Subjects;
}

/** How far ahead of the clock an import may be: a zone mistaken, and not a year. Every later time would be held to it. */
const IMPORT_AHEAD_MS_MAX = 24 * 3_600_000;

/** The tenant of the product's own streams. */
const RESERVED_TENANT = 'system';

/** @throws RequestError `bad-request` */
export function streamOf(category: string, tenant: string, id: string): string {
  if (!TENANT_PATTERN.test(tenant) || tenant === RESERVED_TENANT)
    throw new RequestError('bad-request', 'tenant must be 1 to 63 of a-z 0-9 -, and not "system".', { path: 'tenant' });
  checkId('id', id);
  return streamName(category, tenant, id);
}

/** @throws RequestError `bad-request` */
export function checkId(path: string, id: string): void {
  if (!ID_PATTERN.test(id))
    throw new RequestError('bad-request', `${path} must be 1 to 128 of A-Z a-z 0-9 . _ ~ -`, { path });
}

/** The answer to a command id that the stream has seen. @throws RequestError `idempotency-mismatch` */
export function firstAck(
  { first, last, position, digest: seen }: CommandRecord,
  digest: string | undefined,
): CommandAck {
  if (seen === digest) return { first, last, position, duplicate: true };
  throw new RequestError('idempotency-mismatch', 'This id was used before, for a command with other content.');
}

export type Decision<Event extends DomainEvent> =
  | {
      readonly kind: 'append';
      readonly events: readonly Event[];
      readonly at: number;
      readonly origin: Origin;
    }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'refused'; readonly error: Rejection | RequestError };

/** Events that are incidental to their aggregate may have followed the revision that a caller expects. */
function holds(expectedRevision: bigint, { expectableFrom, revision }: Readonly<Folded<unknown>>): boolean {
  return expectableFrom <= expectedRevision && expectedRevision <= revision;
}

/** What the fold as it is makes of a command. Refusals are values here: the fold may turn out to be behind. */
export function decideOn<Command extends DomainEvent, Event extends DomainEvent, State>(
  { category, decider }: Pick<Aggregate<Command, Event, State>, 'category' | 'decider'>,
  folded: Readonly<Folded<State>>,
  request: CommandRequest<Command>,
  clock: Clock,
): Decision<Event> {
  const { command, actor, imported, expectedRevision } = request;
  if (expectedRevision !== undefined && !holds(expectedRevision, folded)) {
    const message = `The ${category} is at revision ${folded.revision}, expected ${expectedRevision}.`;
    // The caller's own revision does not come true by waiting: only another one can hold.
    return { kind: 'refused', error: new RequestError('revision-conflict', message, { retryable: false }) };
  }
  if (imported !== undefined && imported.at > clock.now() + IMPORT_AHEAD_MS_MAX) {
    const message = `An import may be at most ${IMPORT_AHEAD_MS_MAX / 3_600_000} h ahead of the server's clock.`;
    return { kind: 'refused', error: new RequestError('bad-request', message, { path: 'at' }) };
  }
  if (imported !== undefined && imported.at < folded.at) {
    const last = new Date(folded.at).toISOString();
    return { kind: 'refused', error: new Rejection('out-of-order', `The ${category}'s last event was at ${last}.`) };
  }
  const origin = imported === undefined ? 'live' : 'import';
  const at = imported?.at ?? Math.max(clock.now(), folded.at);
  try {
    const events = decider.decide(command, folded.state, { actor, at, origin });
    return events.length === 0 ? { kind: 'unchanged' } : { kind: 'append', events, at, origin };
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    return {
      kind: 'refused',
      error: error.code === 'forbidden' ? new RequestError('forbidden', error.message) : error,
    };
  }
}

/** `commandId` is the head of the chain of causes where the caller names none. */
export function envelopeOf(
  { tenant, actor, commandId, correlationId, traceparent, imported }: CommandRequest<DomainEvent>,
  commandDigest: string,
  { at, origin }: Extract<Decision<DomainEvent>, { kind: 'append' }>,
): Envelope {
  return {
    correlationId: correlationId ?? commandId,
    causationId: imported?.by ?? commandId,
    actor,
    tenant,
    commandId,
    commandDigest,
    occurredAt: at,
    origin,
    traceparent,
  };
}
