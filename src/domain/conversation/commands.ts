/** What can be asked of a conversation. Wire names and shapes; parsed by src/schemas/conversation-commands.ts. */
import type { Attachment, ImportSource, Priority, TransferTarget } from './events.ts';

/** The data of each command. Texts are of people, so personal; channels, queues, tags and outcomes are keys, not texts. */
export interface ConversationCommandData {
  readonly StartConversation: {
    readonly channel: string;
    /** Who it is with; a visitor may name none but itself. */
    readonly visitor?: string | undefined;
    readonly topic?: string | undefined;
    readonly attributes?: Readonly<Record<string, string>> | undefined;
  };
  readonly PostMessage: {
    /** Up to 10,000 UTF-16 units; empty only with attachments or from an import. */
    readonly text: string;
    readonly format?: 'plain' | undefined;
    /** A `seq` of the same conversation. */
    readonly replyTo?: number | undefined;
    readonly attachments?: readonly (Attachment & { readonly name: string })[] | undefined;
    /** Only from an import. */
    readonly source?: ImportSource | undefined;
  };
  readonly EditMessage: { readonly seq: number; readonly text: string };
  readonly RedactMessage: { readonly seq: number; readonly reason?: string | undefined };
  readonly AddNote: { readonly text: string };

  readonly JoinConversation: Readonly<Record<string, never>>;
  readonly LeaveConversation: Readonly<Record<string, never>>;
  /** All messages up to and with `seq`. */
  readonly MarkRead: { readonly seq: number };
  readonly MarkDelivered: { readonly seq: number };
  readonly RemoveVisitor: { readonly reason: string };

  readonly AddTag: { readonly tag: string };
  readonly RemoveTag: { readonly tag: string };
  readonly SetPriority: { readonly priority: Priority };
  /** Attributes that are not named stay as they are. */
  readonly SetAttributes: {
    readonly attributes: Readonly<Record<string, string>>;
    readonly remove?: readonly string[] | undefined;
  };

  readonly QueueConversation: { readonly queue: string; readonly reason?: string | undefined };
  /** `agent`: who asks, unless named. */
  readonly RequestAssignment: { readonly agent?: string | undefined };
  /** The process names the reservation of the agent's slot; a supervisor forces. Exactly one of the two. */
  readonly AssignConversation: {
    readonly agent: string;
    readonly reservation?: string | undefined;
    readonly forced?: true | undefined;
    readonly why: string;
  };
  readonly UnassignConversation: { readonly reason?: string | undefined };
  readonly TransferConversation: { readonly to: TransferTarget; readonly reason: string };

  /** ISO 8601 with a zone. */
  readonly SnoozeConversation: { readonly until: string };
  readonly ResolveConversation: { readonly outcome?: string | undefined };
  readonly ReopenConversation: { readonly reason: string };
  readonly CloseConversation: Readonly<Record<string, never>>;
  /** `score` from 1 to 5. */
  readonly RateConversation: { readonly score: number; readonly comment?: string | undefined };
}

export type ConversationCommandType = keyof ConversationCommandData;

export type ConversationCommand<Type extends ConversationCommandType = ConversationCommandType> = {
  [T in Type]: { readonly type: T; readonly data: ConversationCommandData[T] };
}[Type];
