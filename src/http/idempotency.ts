/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): the key is the command id, so that what makes a
 * repeat harmless is the log itself, for life and on every node. Here is what the header adds: its syntax, and 409
 * while the first request is still being worked on by this node.
 */
import { z } from 'zod';
import { RequestError } from '../errors.ts';

const KEY = '[A-Za-z0-9._~-]{1,128}';
/** Quoted as the draft's structured fields have it, or bare as most clients send it. */
const PATTERN = new RegExp(`^(${KEY}|"${KEY}")$`);

export const idempotencyKey = z
  .string('is needed: a unique id of this request, best a UUID, the same one when it is sent again')
  .regex(PATTERN, 'must be 1 to 128 of A-Z a-z 0-9 . _ ~ - (in double quotes or not)')
  .transform(key => key.replaceAll('"', ''))
  .meta({
    description: 'A unique id of this request, best a UUID; the same one when it is sent again.',
    examples: ['6f1c2b0e-6f0f-4c53-9a0b-0f6f6d6a9f51'],
  });

const RETRY_AFTER_MS = 1_000;

/** The keys this node works on; bounded by the requests that it takes. */
export class KeysInFlight {
  private readonly keys = new Set<string>();

  /** @throws RequestError `in-flight` at once where the same key of the same scope is being worked on */
  async run<T>(scope: readonly string[], key: string, work: () => Promise<T>): Promise<T> {
    const name = [...scope, key].join('\n');
    if (this.keys.has(name))
      throw new RequestError('in-flight', 'A request with this key has not been answered yet.', {
        path: 'idempotency-key',
        retryAfterMs: RETRY_AFTER_MS,
      });
    this.keys.add(name);
    try {
      return await work();
    } finally {
      this.keys.delete(name);
    }
  }
}
