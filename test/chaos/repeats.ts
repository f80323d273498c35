/**
 * Once for life (GW-7): every message that was acked is sent again, long after, to processes that have seen nothing of it.
 * Sending is apart from judging, which is pure, so that its test can plant each fault.
 */
import type { ServerProcess } from '../support/server-process.ts';
import { connectWire } from '../support/wire-client.ts';
import type { Journal } from './checker.ts';
import { ROOM } from './talkers.ts';
import type { RunningTalker } from './talkers.ts';

export interface Repeat {
  readonly id: string;
  readonly first: { readonly first: number | null; readonly last: number };
  /** What the repeat was answered. */
  readonly answer: {
    readonly op: string;
    readonly first?: number | null;
    readonly last?: number;
    readonly duplicate?: boolean;
  };
}

interface Acked {
  readonly id: string;
  readonly text: string | undefined;
  readonly first: Repeat['first'];
}

/** Sends every post that the talker's journal saw acked once more, with the same id and text. */
export async function repeatPosts(
  at: ServerProcess,
  { name, role }: RunningTalker,
  journal: Journal,
): Promise<Repeat[]> {
  const client = await connectWire(at.gatewayUrl, at.token(role, name));
  const repeats: Repeat[] = [];
  for (const { id, text, first } of ackedPosts(journal)) {
    client.send({ op: 'send', id, room: ROOM, command: 'PostMessage', data: { text } });
    repeats.push({ id, first, answer: await client.next() });
  }
  await client.close();
  return repeats;
}

function ackedPosts({ entries }: Journal): Acked[] {
  const texts = new Map<string, string | undefined>();
  const acked = new Map<string, Acked>();
  for (const entry of entries) {
    if (entry.kind === 'sent' && entry.command === 'PostMessage') texts.set(entry.id, entry.text);
    else if (entry.kind === 'acked' && texts.has(entry.id))
      acked.set(entry.id, {
        id: entry.id,
        text: texts.get(entry.id),
        first: { first: entry.first, last: entry.last },
      });
  }
  return [...acked.values()];
}

/** What was not answered as it was the first time, as sentences. */
export function checkRepeats(repeats: readonly Repeat[]): string[] {
  return repeats.flatMap(({ id, first, answer }) => {
    const isSame = answer.first === first.first && answer.last === first.last;
    if (answer.op === 'ack' && answer.duplicate === true && isSame) return [];
    return [`${id}: first acked ${first.first}..${first.last}, then ${JSON.stringify(answer)}`];
  });
}
