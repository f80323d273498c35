/** A conversation's summary, as inboxes and lists show it. Times are ISO 8601 UTC with milliseconds. */
import type { Handling, Priority, Status } from '../../domain/conversation/events.ts';
import type { Actor } from '../../domain/decider.ts';
import type { Personal } from '../../domain/personal.ts';
import type { StoredDocument } from '../../read-store/read-store.ts';

/** Of the last message's text, in UTF-16 units; a surrogate pair is never cut. */
export const PREVIEW_UNITS_MAX = 200;

/** Unread messages are counted exactly below this; this many says "or more". */
export const UNREAD_MAX = 100;

export interface ConversationDocument extends StoredDocument {
  readonly tenant: string;
  readonly conversation: string;
  /** Under whose key its texts are sealed: the visitor, or the conversation's own id where it has none. */
  readonly subjects: readonly string[];

  readonly status: Status;
  readonly statusSince: string;
  readonly channel: string;
  /** Absent where it has none; null once erased. */
  readonly topic?: Personal;
  readonly visitor: string | null;
  readonly visitorRemoved: boolean;

  readonly handling: Handling['kind'];
  readonly handlingSince: string;
  /** The queue that it waits in, or waited in last. */
  readonly queue: string | null;
  /** Who has it; null unless `handling` is `assigned`. */
  readonly assignee: string | null;

  readonly priority: Priority;
  /** Sorted. */
  readonly tags: readonly string[];
  /** At most 50. Values are null once erased. */
  readonly attributes: Readonly<Record<string, Personal>>;
  /** Staff who joined and did not leave, in the order of joining. */
  readonly participants: readonly string[];

  readonly startedAt: string;
  readonly closedAt: string | null;
  /** Of the last event that is no receipt. */
  readonly lastActivityAt: string;
  /** Of the last post; null where there is none. */
  readonly lastMessageAt: string | null;
  /** `lastMessageAt`, or `startedAt` while there is none: to sort by. */
  readonly lastMessageOrStartAt: string;
  readonly lastMessage: LastMessage | null;
  /** How many were posted, redacted ones among them. */
  readonly messages: number;
  readonly notes: number;
  /** Each at most UNREAD_MAX, which says "or more". */
  readonly unread: PerSide<number>;
  /** `seq` of those, ascending. */
  readonly unreadSeqs: PerSide<readonly number[]>;

  readonly firstVisitorMessageAt: string | null;
  /** Of the first post of staff (agent or supervisor) behind the visitor's first. */
  readonly firstResponseAt: string | null;
  readonly resolutions: number;
  /** The last one. */
  readonly rating: Rating | null;
}

export interface LastMessage {
  readonly seq: number;
  /** The revision of the event that posted it. */
  readonly rev: number;
  readonly at: string;
  readonly actor: Actor;
  /** The beginning of its text, by its last edit; null once redacted or erased. */
  readonly text: Personal;
  readonly redacted?: true;
}

interface Rating {
  /** Which resolution was rated, from 0. */
  readonly resolution: number;
  /** From 1 to 5. */
  readonly score: number;
  /** Absent where there was none; null once erased. */
  readonly comment?: Personal;
  readonly at: string;
}

/**
 * `staff`: what visitors posted and no agent or supervisor has read. `visitor`: what anybody else posted (bots and
 * services too) and no visitor has read. Who posts has read what came before.
 */
export interface PerSide<Value> {
  readonly staff: Value;
  readonly visitor: Value;
}
