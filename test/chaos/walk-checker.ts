/**
 * Judges walks over conversation lists by the history of every conversation: which matched the list's filter all the time
 * that a walk took, and which changed during it. Its own tests plant every fault that it must find.
 */

/** What a conversation was from a position on, until the next of its states. */
export interface ConversationState {
  readonly position: bigint;
  readonly matches: boolean;
}

export interface Walk {
  /** The position that the first page showed: what came before it was seen by every page. */
  readonly start: bigint;
  /** The position that the last page showed: what came before it is what the walker knows. */
  readonly end: bigint;
  /** Nothing behind it can have been seen by any page. */
  readonly latest: bigint;
  /** Entries in the order in which they came; `gone`: it was told not to belong to the list. */
  readonly seen: readonly { readonly conversation: string; readonly gone: boolean }[];
}

/** By conversation, its states in order. */
export type Histories = ReadonlyMap<string, readonly ConversationState[]>;

export function checkWalk(histories: Histories, walk: Walk): string[] {
  const entries = new Map<string, boolean[]>();
  for (const { conversation, gone } of walk.seen)
    entries.set(conversation, [...(entries.get(conversation) ?? []), gone]);
  const unknown = [...entries.keys()].filter(conversation => !histories.has(conversation));
  return [
    ...unknown.map(conversation => `${conversation} is listed and was never begun`),
    ...[...histories].flatMap(([conversation, states]) =>
      checkConversation(states, walk, entries.get(conversation) ?? []).map(fault => `${conversation} ${fault}`),
    ),
  ];
}

function checkConversation(states: readonly ConversationState[], walk: Walk, entries: readonly boolean[]): string[] {
  const { start, end, latest } = walk;
  const atStart = states.findLast(({ position }) => position <= start)?.matches ?? false;
  const during = states.filter(({ position }) => position > start && position <= latest);
  const shown = entries.filter(gone => !gone).length;
  const faults: string[] = [];
  if (atStart && during.every(({ matches }) => matches) && shown === 0)
    faults.push('belonged to the list all the time and was not seen');
  // Each change may move it before the walker once, along the list, and is told once behind it.
  if (entries.length > 2 * during.length + 1)
    faults.push(`was seen ${entries.length} times and changed ${during.length} times`);
  if (!atStart && during.length === 0 && entries.length > 0) faults.push('was seen and never belonged to the list');
  // What it was when the walk ended is what the walker was told last, unless it changed while the last page was made.
  if (!during.some(({ position }) => position > end)) {
    const atEnd = states.findLast(({ position }) => position <= end)?.matches ?? false;
    const known = entries.length > 0 && entries.at(-1) === false;
    if (atEnd !== known) faults.push(atEnd ? 'belongs to the list and is not known' : 'is known and left the list');
  }
  return faults;
}
