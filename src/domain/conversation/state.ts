/** What a conversation's decider must remember to decide: no texts, only who did what and what became of it. */
import type { Handling, Priority, Status } from './events.ts';

export interface MessageState {
  readonly author: string;
  redacted: boolean;
}

/** The highest `seq` recorded of each kind; -1: none. */
export interface ReceiptState {
  read: number;
  delivered: number;
}

export interface ConversationState {
  status: 'not-started' | Status;
  /** Since when the status is what it is, ms since 1970, UTC. */
  statusSince: number;
  /** The visitor's id, where the conversation has one; it never changes. */
  visitor: string | undefined;
  visitorRemoved: boolean;
  handling: Handling;
  handlingSince: number;
  /** The queue it waits in or waited in last. */
  queue: string | undefined;
  priority: Priority;
  readonly tags: Set<string>;
  /** The names of its attributes. */
  readonly attributes: Set<string>;
  /** Staff who joined and did not leave. */
  readonly participants: Set<string>;
  /** By `seq`, dense from 0. */
  readonly messages: MessageState[];
  /** `seq` of each imported message by its id in the file, so that a later line's `replyTo` resolves. */
  readonly seqBySourceId: Map<string, number>;
  notes: number;
  /** By reader. */
  readonly receipts: Map<string, ReceiptState>;
  resolutions: number;
  /** Whether the last resolution has its rating. */
  rated: boolean;
}
