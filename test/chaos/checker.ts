/**
 * Judges a chaos run: what clients noted down (their journals) against what the log says afterwards. Pure, so that its
 * own test can plant each fault and see it found.
 *
 * The promises it holds a run to: every revision reaches each client once and in order, whatever was cut (GW-3); what
 * was acknowledged is in the log, where the ack said (GW-8); what was sent, however often, is there once (GW-7).
 */

/** An event as the wire shows it, cut down to what is compared. */
export interface SeenEvent {
  readonly rev: number;
  readonly id: string;
  readonly type: string;
  readonly commandId?: string | undefined;
  /** Of posts and edits. */
  readonly text?: string | undefined;
}

/** One line of a client's journal, in the order it happened there. */
export type JournalEntry =
  /** A connection begins; a cursor of -1 means from the start. */
  | { readonly kind: 'subscribed'; readonly asked: number; readonly after: number }
  | { readonly kind: 'events'; readonly after: number; readonly upTo: number; readonly events: readonly SeenEvent[] }
  /** Noted before the bytes leave; again for each repeat. */
  | { readonly kind: 'sent'; readonly id: string; readonly command: string; readonly text?: string | undefined }
  | {
      readonly kind: 'acked';
      readonly id: string;
      readonly first: number | null;
      readonly last: number;
      readonly duplicate: boolean;
      /** As the ack names the place in the whole log; absent where a run does not look at it. */
      readonly position?: string | null;
    }
  | { readonly kind: 'nacked'; readonly id: string; readonly code: string; readonly retryable: boolean }
  | { readonly kind: 'cut' | 'lost' }
  /** `known`: the highest revision that an ack had told of before this was subscribed to. */
  | { readonly kind: 'caught-up'; readonly upTo: number; readonly known: number }
  | { readonly kind: 'reset' | 'error' | 'stray'; readonly detail: string };

export interface Journal {
  readonly client: string;
  /** Staff see every revision; visitors those that `isHidden` lets through. */
  readonly view: 'staff' | 'visitor';
  /**
   * `all` (also where absent): from the first revision to the head. `part`: from what its first subscription asked for to
   * where it left. `none`: it only sends.
   */
  readonly reads?: 'all' | 'part' | 'none';
  readonly entries: readonly JournalEntry[];
}

export type ViolationKind =
  | 'missing'
  | 'duplicated'
  | 'out-of-order'
  | 'different'
  | 'not-tiling'
  | 'acked-not-in-log'
  | 'acked-elsewhere'
  | 'acks-disagree'
  | 'never-answered'
  | 'sent-once-there-twice'
  | 'text-altered'
  | 'never-sent'
  | 'log-not-dense'
  | 'stale'
  | 'refused';

export interface Violation {
  readonly kind: ViolationKind;
  readonly where: string;
  readonly detail: string;
}

export interface Run {
  /** The whole room as the log has it, in order. */
  readonly log: readonly SeenEvent[];
  readonly journals: readonly Journal[];
  /** Command ids that the log may hold though no journal sent them (the room's start). */
  readonly foreign?: ReadonlySet<string>;
  /** What the visitor view leaves out. */
  readonly isHidden?: (event: SeenEvent) => boolean;
}

export function checkRun(run: Run): Violation[] {
  return [
    ...checkLog(run),
    ...run.journals.flatMap(journal => checkCoverage(journal, run)),
    ...run.journals.flatMap(journal => checkAnswers(journal, run)),
  ];
}

function checkLog({ log, journals, foreign }: Run): Violation[] {
  const violations: Violation[] = [];
  const sent = new Map<string, string | undefined>();
  for (const { entries } of journals) {
    for (const entry of entries) if (entry.kind === 'sent') sent.set(entry.id, entry.text);
  }
  const report = (kind: ViolationKind, event: SeenEvent, detail: string): void => {
    violations.push({ kind, where: 'log', detail: `revision ${event.rev}: ${detail}` });
  };
  const ids = new Set<string>();
  const commandsByType = new Set<string>();
  for (const [index, event] of log.entries()) {
    if (event.rev !== index) report('log-not-dense', event, `stands at place ${index}`);
    if (ids.has(event.id)) report('duplicated', event, `event id ${event.id} is there twice`);
    ids.add(event.id);
    const { commandId } = event;
    if (commandId === undefined || foreign?.has(commandId)) continue;
    if (!sent.has(commandId)) {
      report('never-sent', event, `nobody sent ${commandId}`);
      continue;
    }
    if (commandsByType.has(commandId)) report('sent-once-there-twice', event, commandId);
    commandsByType.add(commandId);
    const text = sent.get(commandId);
    if (text !== event.text) report('text-altered', event, `sent ${quoted(text)}, stored ${quoted(event.text)}`);
  }
  return violations;
}

/** GW-3: frames tile across all connections of a client, and carry each visible revision of the log once, in order. */
function checkCoverage({ client, view, reads = 'all', entries }: Journal, { log, isHidden }: Run): Violation[] {
  if (reads === 'none') return [];
  const violations: Violation[] = [];
  const report = (kind: ViolationKind, detail: string): void => {
    violations.push({ kind, where: client, detail });
  };
  const received = new Set<number>();
  const first = reads === 'part' ? entries.find(entry => entry.kind === 'subscribed') : undefined;
  const begin = first?.asked ?? -1;
  let cursor = begin;
  let lastRev = -1;
  for (const entry of entries) {
    if (entry.kind === 'subscribed') {
      if (entry.asked !== cursor) report('not-tiling', `subscribed after ${entry.asked}, cursor was ${cursor}`);
      if (entry.after !== entry.asked) report('not-tiling', `asked after ${entry.asked}, got after ${entry.after}`);
    } else if (entry.kind === 'events') {
      if (entry.after !== cursor) report('not-tiling', `a frame after ${entry.after}, cursor was ${cursor}`);
      for (const event of entry.events) {
        if (event.rev <= entry.after || event.rev > entry.upTo) {
          report('not-tiling', `revision ${event.rev} in a frame of (${entry.after}, ${entry.upTo}]`);
        }
        if (received.has(event.rev)) report('duplicated', `revision ${event.rev}`);
        else if (event.rev < lastRev) report('out-of-order', `revision ${event.rev} after ${lastRev}`);
        received.add(event.rev);
        lastRev = Math.max(lastRev, event.rev);
        const stored = log[event.rev];
        if (!stored || !sameEvent(stored, event)) {
          report('different', `revision ${event.rev}: got ${JSON.stringify(event)}, log ${JSON.stringify(stored)}`);
        }
      }
      cursor = entry.upTo;
    } else if (entry.kind === 'caught-up') {
      if (entry.upTo < entry.known)
        report('stale', `caught up at ${entry.upTo}, though ${entry.known} was acked before`);
    } else if (entry.kind === 'reset' || entry.kind === 'error' || entry.kind === 'stray') {
      report('refused', `${entry.kind}: ${entry.detail}`);
    }
  }
  for (const event of log) {
    const wanted = reads === 'all' || (event.rev > begin && event.rev <= cursor);
    const visible = view === 'staff' || !isHidden?.(event);
    if (wanted && visible && !received.has(event.rev)) report('missing', `revision ${event.rev}`);
  }
  return violations;
}

/** GW-7, GW-8: every send was answered in the end, each ack is true, and the acks of one id agree. */
function checkAnswers({ client, entries }: Journal, { log }: Run): Violation[] {
  const violations: Violation[] = [];
  const report = (kind: ViolationKind, detail: string): void => {
    violations.push({ kind, where: client, detail });
  };
  const unanswered = new Set<string>();
  const acks = new Map<string, { first: number | null; last: number }>();
  for (const entry of entries) {
    if (entry.kind === 'sent') {
      if (!acks.has(entry.id)) unanswered.add(entry.id);
    } else if (entry.kind === 'nacked') {
      if (!entry.retryable) report('refused', `${entry.id}: nack ${entry.code}`);
    } else if (entry.kind === 'acked') {
      unanswered.delete(entry.id);
      const before = acks.get(entry.id);
      if (before && (before.first !== entry.first || before.last !== entry.last)) {
        report('acks-disagree', `${entry.id}: ${before.first}..${before.last}, then ${entry.first}..${entry.last}`);
      }
      acks.set(entry.id, entry);
    }
  }
  for (const [id, { first, last }] of acks) {
    const revisions = log.filter(({ commandId }) => commandId === id).map(({ rev }) => rev);
    if (revisions.length === 0) report('acked-not-in-log', `${id} at ${first}..${last}`);
    else if (revisions[0] !== first || revisions.at(-1) !== last) {
      report('acked-elsewhere', `${id}: ack says ${first}..${last}, log has ${revisions.join(', ')}`);
    }
  }
  for (const id of unanswered) report('never-answered', id);
  return violations;
}

function sameEvent(a: SeenEvent, b: SeenEvent): boolean {
  return a.rev === b.rev && a.id === b.id && a.type === b.type && a.commandId === b.commandId && a.text === b.text;
}

function quoted(text: string | undefined): string {
  return text === undefined ? 'no text' : JSON.stringify(text.slice(0, 200));
}
