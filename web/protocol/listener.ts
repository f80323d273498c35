/** What a connection tells whoever holds it: its state, and what came over it in the order it may be relied on. */
import type { Ack, CaughtUp, ClientFrame, Events, HistoryPage, Nack, ServerFrame } from './frames.ts';
import type { Pending } from './outbox.ts';

export type ConnectionState =
  | { readonly phase: 'closed' }
  | { readonly phase: 'connecting' }
  | { readonly phase: 'online'; readonly session: string }
  | { readonly phase: 'waiting'; readonly retryInMs: number; readonly why: string }
  | { readonly phase: 'ended'; readonly why: string };

/** What the connection tells. Rooms, cursors and the outbox are already up to date when it is called. */
export interface ConnectionListener {
  stateChanged?(state: ConnectionState): void;
  /** Every frame as it passes, before anything is made of it. */
  frame?(direction: 'in' | 'out', text: string, frame: ServerFrame | ClientFrame | undefined): void;
  /** In order, each revision once, over all cuts. */
  events?(frame: Events): void;
  caughtUp?(frame: CaughtUp): void;
  historyPage?(frame: HistoryPage): void;
  typing?(frame: Extract<ServerFrame, { op: 'typing' }>): void;
  acked?(frame: Ack): void;
  /** For good: a retryable nack is tried again first. */
  refused?(frame: Nack, command: Pending): void;
  /** What was shown of the room no longer holds: `from` is the first revision that follows. */
  reset?(room: string, reason: string, from: number): void;
  /** The room is closed to us: access ended, or its errors have. */
  roomClosed?(room: string, why: string): void;
}
