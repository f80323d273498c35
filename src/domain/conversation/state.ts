/** What a conversation's decider must remember to decide: no texts, only who wrote what and what became of it. */

export interface MessageState {
  readonly author: string;
  redacted: boolean;
}

export interface ConversationState {
  status: 'not-started' | 'open';
  /** The visitor's id, where the conversation has one; it never changes. */
  visitor: string | undefined;
  /** By `seq`, dense from 0. */
  readonly messages: MessageState[];
  /** `seq` of each imported message by its id in the file, so that a later line's `replyTo` resolves. */
  readonly seqBySourceId: Map<string, number>;
}
