/** What stands between a command and its append, all of it pure: names, the first ack, the decision, the envelope. */
import type { Clock } from '../domain/clock.ts';
import type { ConversationCommand } from '../domain/conversation/commands.ts';
import { conversationDecider } from '../domain/conversation/decider.ts';
import type { ConversationEvent } from '../domain/conversation/events.ts';
import type { ConversationState } from '../domain/conversation/state.ts';
import { Rejection } from '../domain/decider.ts';
import type { CommandRecord, Folded, Origin } from '../domain/decider.ts';
import { ID_PATTERN, TENANT_PATTERN, streamName } from '../domain/stream-name.ts';
import { RequestError } from '../errors.ts';
import type { Envelope } from '../schemas/envelope.ts';
import type { Subject } from '../schemas/personal.ts';
import type { CommandAck, CommandRequest } from './commands.ts';

export type ConversationRequest = CommandRequest<ConversationCommand>;
export type ConversationFold = Folded<ConversationState>;

/** The tenant of the product's own streams. */
const RESERVED_TENANT = 'system';

/** @throws RequestError `bad-request` */
export function conversationStream(tenant: string, id: string): string {
  if (!TENANT_PATTERN.test(tenant) || tenant === RESERVED_TENANT)
    throw new RequestError('bad-request', 'tenant must be 1 to 63 of a-z 0-9 -, and not "system".', { path: 'tenant' });
  checkId('id', id);
  return streamName('conversation', tenant, id);
}

/** @throws RequestError `bad-request` */
export function checkId(path: string, id: string): void {
  if (!ID_PATTERN.test(id))
    throw new RequestError('bad-request', `${path} must be 1 to 128 of A-Z a-z 0-9 . _ ~ -`, { path });
}

/** The answer to a command id that the stream has seen. @throws RequestError `idempotency-mismatch` */
export function firstAck({ first, last, position, digest: seen }: CommandRecord, digest: string): CommandAck {
  if (seen === digest) return { first, last, position, duplicate: true };
  throw new RequestError('idempotency-mismatch', 'This id was used before, for a command with other content.');
}

export type Decision =
  | {
      readonly kind: 'append';
      readonly events: readonly ConversationEvent[];
      readonly at: number;
      readonly origin: Origin;
    }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'refused'; readonly error: Rejection | RequestError };

/** What the fold as it is makes of a command. Refusals are values here: the fold may turn out to be behind. */
export function decideOn(folded: ConversationFold, request: ConversationRequest, clock: Clock): Decision {
  const { command, actor, imported, expectedRevision } = request;
  if (expectedRevision !== undefined && expectedRevision !== folded.revision) {
    const message = `The conversation is at revision ${folded.revision}, expected ${expectedRevision}.`;
    return { kind: 'refused', error: new RequestError('revision-conflict', message) };
  }
  if (imported !== undefined && imported.at < folded.at) {
    const last = new Date(folded.at).toISOString();
    return { kind: 'refused', error: new Rejection('out-of-order', `The conversation's last event was at ${last}.`) };
  }
  const origin = imported === undefined ? 'live' : 'import';
  const at = imported?.at ?? Math.max(clock.now(), folded.at);
  try {
    const events = conversationDecider.decide(command, folded.state, { actor, at, origin });
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
  { tenant, actor, commandId, correlationId, traceparent, imported }: ConversationRequest,
  commandDigest: string,
  { at, origin }: Extract<Decision, { kind: 'append' }>,
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

/** Whose keys seal what was decided: the visitor of the conversation, from its start on, else the conversation itself. */
export function subjectsOf(
  events: readonly ConversationEvent[],
  { state }: ConversationFold,
  { id, actor }: ConversationRequest,
): Record<Subject, string> {
  const started = events.find(event => event.type === 'ConversationStarted');
  return { visitor: started?.data.visitor ?? state.visitor ?? id, author: actor.id };
}
