/** Judges what the clients of a storm noted down. Pure, so that its test can plant faults and see them found. */

/** One client: the broadcasts that reached it, in the order they came, and when its connections began. */
export interface StormNotes {
  /** Ordinals of broadcasts. */
  readonly seqs: readonly number[];
  /** When each of them arrived, in ms since the machine's epoch. */
  readonly arrivedAt: readonly number[];
  /** When each connection after the first was begun, as TCP. */
  readonly connectedAt: readonly number[];
}

export interface StormVerdict {
  readonly expected: number;
  readonly delivered: number;
  readonly lost: number;
  readonly duplicates: number;
  /** Came after one that was sent later. */
  readonly disordered: number;
  /** Of each connection that had something to catch up with: ms from TCP connect to the last broadcast it missed. */
  readonly replayMs: readonly number[];
}

/** `sentAt`: when each broadcast was sent, by ordinal. */
export function judgeStorm(sentAt: readonly number[], clients: readonly StormNotes[]): StormVerdict {
  const verdict = { delivered: 0, lost: 0, duplicates: 0, disordered: 0 };
  const replayMs: number[] = [];
  for (const { seqs, arrivedAt, connectedAt } of clients) {
    const arrival = new Map<number, number>();
    let highest = -1;
    seqs.forEach((seq, i) => {
      if (arrival.has(seq)) verdict.duplicates += 1;
      else {
        arrival.set(seq, arrivedAt[i] ?? NaN);
        if (seq < highest) verdict.disordered += 1;
      }
      highest = Math.max(highest, seq);
    });
    verdict.delivered += arrival.size;
    verdict.lost += sentAt.length - arrival.size;
    for (const connected of connectedAt) {
      // What was sent before the connection began and came after it was missed, and replayed.
      const missed = sentAt.flatMap((sent, seq) => {
        const arrived = arrival.get(seq);
        return sent < connected && arrived !== undefined && arrived > connected ? [arrived] : [];
      });
      if (missed.length > 0) replayMs.push(Math.max(...missed) - connected);
    }
  }
  return { ...verdict, expected: sentAt.length * clients.length, replayMs: replayMs.sort((a, b) => a - b) };
}
