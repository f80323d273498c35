/** The command port: the one door through which anything is written. The gateway, HTTP and imports all call it. */
import type { Actor, Folded, Origin } from '../domain/decider.ts';
import type { ConversationState } from '../domain/conversation/state.ts';
import type { ConversationCommand } from '../domain/conversation/commands.ts';
import type { TenantCommand } from '../domain/tenant/commands.ts';
import type { TenantState } from '../domain/tenant/state.ts';

export interface CommandRequest<Command> {
  readonly tenant: string;
  /** The id part of the stream: `42` of `conversation-acme.42`. */
  readonly id: string;
  readonly command: Command;
  /** The idempotency key, in the scope of tenant and stream: 1 to 128 of `[A-Za-z0-9._~-]`. */
  readonly commandId: string;
  readonly actor: Actor;
  /** -1n: no event yet. A conflict with it is never retried past. */
  readonly expectedRevision?: bigint;
  /** Only an import gives it: when it happened, ms since 1970, and who imports. */
  readonly imported?: { readonly at: number; readonly by: string };
  readonly correlationId?: string;
  readonly traceparent?: string;
}

/** `first` is null where the command changed nothing; `last` is then the current revision (-1n: no event). */
export interface CommandAck {
  readonly first: bigint | null;
  readonly last: bigint;
  readonly position: bigint | null;
  readonly duplicate: boolean;
}

/**
 * @throws Rejection the decider said no
 * @throws RequestError `forbidden`, `revision-conflict`, `idempotency-mismatch`, `rate-limited` (the stream's queue is full), …
 * @throws UnavailableError the store did not answer or cannot write: repeat with the same command id
 */
export interface Commands<Command, State> {
  /** Resolves after the events are durable. */
  handle(request: CommandRequest<Command>): Promise<CommandAck>;
  /** The folded state at (at least) the durable head when called; from the cache where it can be. Read only. */
  load(tenant: string, id: string): Promise<Readonly<Folded<State>>>;
}

export type ConversationCommands = Commands<ConversationCommand, ConversationState>;
export type TenantCommands = Commands<TenantCommand, TenantState>;

export type { Origin };
