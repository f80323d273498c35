/** What can have happened to a conversation. Today's shapes; older stored ones are upcast on read. */
import type { Personal } from '../personal.ts';

export interface Attachment {
  readonly id: string;
  readonly name: Personal;
  readonly contentType: string;
  readonly bytes: number;
}

/** The words of the file an imported message came from. `author` is a name, so personal. */
export interface ImportSource {
  readonly id: string;
  readonly author: Personal;
  readonly replyTo?: string | undefined;
}

export type Priority = 'low' | 'normal' | 'high' | 'urgent';

/** The statuses of a conversation that has been started. `closed` is terminal. */
export type Status = 'open' | 'snoozed' | 'resolved' | 'closed';

/** Who has the conversation in hand: nobody, a queue it waits in, or an agent. */
export type Handling =
  | { readonly kind: 'none' }
  | { readonly kind: 'queued'; readonly queue: string }
  | { readonly kind: 'assigned'; readonly agent: string };

export type TransferTarget = { readonly queue: string } | { readonly agent: string };

/**
 * Every transition says what it left (`from`) and when that had begun (`since`, ISO 8601 UTC with milliseconds), so
 * that a fold finds the document it left, and how long that lasted, in the event alone.
 */
interface From<What> {
  readonly from: What;
  readonly since: string;
}

/**
 * The data of each event. The handling changes by ConversationQueued, ConversationAssigned and ConversationUnassigned
 * alone, the status by the start, snoozes, resolutions, reopenings and the close.
 */
export interface ConversationEventData {
  readonly ConversationStarted: {
    readonly channel: string;
    readonly visitor?: string | undefined;
    readonly topic?: Personal | undefined;
    readonly attributes?: Readonly<Record<string, Personal>> | undefined;
  };
  /** `seq` is the message's ordinal in its conversation, from 0. */
  readonly MessagePosted: {
    readonly seq: number;
    readonly text: Personal;
    readonly format: 'plain';
    readonly replyTo?: number | undefined;
    readonly attachments: readonly Attachment[];
    readonly source?: ImportSource | undefined;
  };
  readonly MessageEdited: { readonly seq: number; readonly text: Personal };
  readonly MessageRedacted: { readonly seq: number; readonly reason?: Personal | undefined };
  /** `seq` counts the conversation's notes, from 0. */
  readonly NoteAdded: { readonly seq: number; readonly text: Personal };

  readonly ParticipantJoined: { readonly participant: string };
  readonly ParticipantLeft: { readonly participant: string };
  /** `reader` has every message up to and with `seq`; `from`: the `seq` recorded before, absent where there was none. */
  readonly ReceiptRecorded: {
    readonly reader: string;
    readonly kind: 'read' | 'delivered';
    readonly seq: number;
    readonly from?: number | undefined;
  };
  readonly VisitorRemoved: { readonly visitor: string; readonly reason: Personal };

  readonly TagAdded: { readonly tag: string };
  readonly TagRemoved: { readonly tag: string };
  readonly PrioritySet: { readonly priority: Priority; readonly from: Priority };
  /** Attributes that are not named stayed as they were. */
  readonly AttributesSet: {
    readonly attributes: Readonly<Record<string, Personal>>;
    readonly removed: readonly string[];
  };

  /** `preference`: the agent whom a transfer or a reopening would like to see assigned. */
  readonly ConversationQueued: From<Handling> & {
    readonly queue: string;
    readonly preference?: string | undefined;
    readonly reason?: Personal | undefined;
  };
  readonly AssignmentRequested: { readonly agent: string };
  readonly ConversationAssigned: From<Handling> & {
    readonly agent: string;
    readonly reservation?: string | undefined;
    readonly forced?: true | undefined;
    readonly why: Personal;
  };
  /** In nobody's hands any more, whether it was assigned or queued. */
  readonly ConversationUnassigned: From<Handling> & { readonly reason?: Personal | undefined };
  /** Precedes the ConversationQueued that carries it out. */
  readonly ConversationTransferred: From<Handling> & { readonly to: TransferTarget; readonly reason: Personal };

  /** `until`: ISO 8601 UTC with milliseconds. */
  readonly ConversationSnoozed: From<Status> & { readonly until: string };
  readonly ConversationUnsnoozed: From<Status>;
  /** `resolution` counts the conversation's resolutions, from 0. */
  readonly ConversationResolved: From<Status> & { readonly resolution: number; readonly outcome?: string | undefined };
  readonly ConversationReopened: From<Status> & { readonly reason?: Personal | undefined };
  readonly ConversationClosed: From<Status>;
  readonly ConversationRated: {
    readonly resolution: number;
    readonly score: number;
    readonly comment?: Personal | undefined;
  };
}

export type ConversationEventType = keyof ConversationEventData;

export type ConversationEvent<Type extends ConversationEventType = ConversationEventType> = {
  [T in Type]: { readonly type: T; readonly data: ConversationEventData[T] };
}[Type];
