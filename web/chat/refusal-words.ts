/** Why the server said no, in words; codes that no person of this page can cause are told as they are. */
import type { Nack } from '../protocol/frames.ts';

const WORDS: ReadonlyMap<string, string> = new Map([
  ['erased', 'the visitor’s data was erased, and nothing more is kept about them'],
  ['conversation-closed', 'the conversation is closed'],
  ['not-resolved', 'the conversation is not resolved'],
  ['not-open', 'the conversation is not open'],
  ['already-rated', 'it has been rated'],
  ['already-redacted', 'the message is redacted'],
  ['not-the-author', 'another person wrote it'],
  ['too-many-tags', 'it has as many tags as it may have'],
  ['forbidden', 'your role may not'],
  ['rate-limited', 'too much at once'],
]);

export function refusalWords({ reason, code, message }: Pick<Nack, 'reason' | 'code' | 'message'>): string {
  if (code === 'bad-request') return message;
  const said = reason ?? code;
  return WORDS.get(said) ?? said;
}
