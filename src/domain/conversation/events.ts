/** What can have happened to a conversation. Today's shapes; older stored ones are upcast on read. */

export interface Attachment {
  readonly id: string;
  readonly name: string;
  readonly contentType: string;
  readonly bytes: number;
}

/** The words of the file an imported message came from. `author` is a name, so personal. */
export interface ImportSource {
  readonly id: string;
  readonly author: string;
  readonly replyTo?: string | undefined;
}

export type ConversationStarted = {
  readonly type: 'ConversationStarted';
  readonly data: {
    readonly channel: string;
    readonly visitor?: string | undefined;
    readonly topic?: string | undefined;
    readonly attributes?: Readonly<Record<string, string>> | undefined;
  };
};

/** `seq` is the message's ordinal in its conversation, from 0. */
export type MessagePosted = {
  readonly type: 'MessagePosted';
  readonly data: {
    readonly seq: number;
    readonly text: string;
    readonly format: 'plain';
    readonly replyTo?: number | undefined;
    readonly attachments: readonly Attachment[];
    readonly source?: ImportSource | undefined;
  };
};

export type MessageEdited = {
  readonly type: 'MessageEdited';
  readonly data: { readonly seq: number; readonly text: string };
};

export type MessageRedacted = {
  readonly type: 'MessageRedacted';
  readonly data: { readonly seq: number; readonly reason?: string | undefined };
};

export type ConversationEvent = ConversationStarted | MessagePosted | MessageEdited | MessageRedacted;
