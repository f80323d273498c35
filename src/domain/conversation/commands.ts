/** What can be asked of a conversation. Wire names and shapes; parsed by src/schemas/conversation-commands.ts. */
import type { Attachment, ImportSource } from './events.ts';

export type StartConversation = {
  readonly type: 'StartConversation';
  readonly data: {
    readonly channel: string;
    readonly visitor?: string | undefined;
    readonly topic?: string | undefined;
    readonly attributes?: Readonly<Record<string, string>> | undefined;
  };
};

export type PostMessage = {
  readonly type: 'PostMessage';
  readonly data: {
    /** Up to 10,000 UTF-16 units; empty only with attachments or from an import. */
    readonly text: string;
    readonly format?: 'plain' | undefined;
    /** A `seq` of the same conversation. */
    readonly replyTo?: number | undefined;
    readonly attachments?: readonly Attachment[] | undefined;
    /** Only from an import. */
    readonly source?: ImportSource | undefined;
  };
};

export type EditMessage = {
  readonly type: 'EditMessage';
  readonly data: { readonly seq: number; readonly text: string };
};

export type RedactMessage = {
  readonly type: 'RedactMessage';
  readonly data: { readonly seq: number; readonly reason?: string | undefined };
};

export type ConversationCommand = StartConversation | PostMessage | EditMessage | RedactMessage;
