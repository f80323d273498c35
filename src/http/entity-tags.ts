/**
 * ETags carry revisions: `"<log>.<revision>"`. The log is part of them, because the same revision of another log (a
 * restored backup, a new data folder) is another thing.
 */
import { z } from 'zod';
import { RequestError } from '../errors.ts';

const OPAQUE_TAG = '(W/)?"[\\x21\\x23-\\x7e]*"';
/** As RFC 9110 writes it; longer lists are nobody's. */
export const ifMatchHeader = z
  .string()
  .max(1_024)
  .regex(new RegExp(`^(\\*|${OPAQUE_TAG}([ \\t]*,[ \\t]*${OPAQUE_TAG})*)$`), 'must be ETags in double quotes, or *')
  .describe('The ETag of the revision it is meant for.');

const TAG = /^"([0-9a-f-]{36})\.(\d{1,16})"$/;

export function entityTag(log: string, revision: bigint): string {
  return `"${log}.${revision}"`;
}

/**
 * The revision that `If-Match` (RFC 9110, 13.1.1) wants the stream to be at, for the command handler to check when it
 * decides; undefined where there is no condition left to check. `head` is asked only where a list or `*` needs it.
 *
 * @throws RequestError `precondition-failed` where no tag of this log is named
 */
export async function expectedRevisionOf(
  ifMatch: string | undefined,
  log: string,
  head: () => Promise<bigint>,
): Promise<bigint | undefined> {
  if (ifMatch === undefined) return undefined;
  // Any representation will do, so only a stream without events fails; 0 is then a revision it is not at.
  if (ifMatch.trim() === '*') return (await head()) >= 0n ? undefined : 0n;
  const revisions = ifMatch
    .split(',')
    .map(tag => TAG.exec(tag.trim()))
    .filter(match => match?.[1] === log)
    .map(match => BigInt(match?.[2] ?? 0));
  const [first] = revisions;
  if (first === undefined)
    throw new RequestError('precondition-failed', 'If-Match names no ETag of this log.', { path: 'if-match' });
  if (revisions.length === 1) return first;
  const current = await head();
  return revisions.includes(current) ? current : first;
}
