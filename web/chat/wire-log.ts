/** The last frames of both sides as they passed, for the wire view. Bounded: the oldest go. */
import type { ClientFrame, Events, ServerFrame } from '../protocol/frames.ts';

export type SideName = 'visitor' | 'agent';
export type Tone = 'plain' | 'faint' | 'hidden' | 'resume' | 'duplicate' | 'cut' | 'error';

export interface WireEntry {
  readonly number: number;
  readonly side: SideName;
  readonly at: Date;
  /** `mark` is no frame: something the page says about the connection. */
  readonly direction: 'in' | 'out' | 'mark';
  readonly op: string;
  readonly summary: string;
  readonly tone: Tone;
  readonly text: string;
  /** What the page adds for whoever wonders at the frame. */
  readonly remark: string | undefined;
}

const ENTRIES_MAX = 250;
/** Of a frame's text as it is shown when opened. */
const TEXT_CHARACTERS_MAX = 4_000;
/** Runs of revisions named in one line. */
const RUNS_MAX = 6;
/** Revisions of a frame that are looked through for what it hides, newest first. */
const HIDDEN_LISTED_MAX = 1_000;

const shortId = (id: string): string => (id.length > 9 ? `${id.slice(0, 8)}…` : id);

/** Runs as `18…23`, the first few. */
function revisions(revs: readonly number[]): string {
  const runs: { readonly first: number; last: number }[] = [];
  for (const rev of revs) {
    const run = runs.at(-1);
    if (run?.last === rev - 1) run.last = rev;
    else runs.push({ first: rev, last: rev });
  }
  const said = runs.slice(0, RUNS_MAX).map(({ first, last }) => (first === last ? [first] : [first, last]).join('…'));
  return said.join(', ') + (runs.length > RUNS_MAX ? ', …' : '');
}

/** What an `events` frame covers and does not say. */
function hiddenIn({ after, upTo, events }: Events): readonly number[] {
  const sent = new Set(events.map(({ rev }) => rev));
  const first = Math.max(after + 1, upTo - HIDDEN_LISTED_MAX);
  return Array.from({ length: Math.max(0, upTo - first + 1) }, (_, index) => first + index).filter(
    rev => !sent.has(rev),
  );
}

function coverageOf(frame: Events): string {
  const hidden = hiddenIn(frame);
  const sent = frame.events.map(({ rev }) => rev);
  const said = [
    ...(hidden.length > 0 ? [`hidden ${revisions(hidden)}`] : []),
    ...(sent.length > 0 ? [`rev ${revisions(sent)}`] : []),
  ];
  return `${String(frame.after)} → ${String(frame.upTo)}, ${said.length === 0 ? 'nothing' : said.join(', ')}`;
}

/** Why a frame moves the cursor over what it does not carry. */
function remarkOn(side: SideName, frame: ClientFrame | ServerFrame): string | undefined {
  if (frame.op !== 'events') return undefined;
  const hidden = hiddenIn(frame);
  if (hidden.length === 0) return undefined;
  return `Rev ${revisions(hidden)}: not for the ${side} to see, so nothing of it was sent. upTo counts it all the same: the cursor moves past it, without a gap.`;
}

function summaryOf(frame: ClientFrame | ServerFrame): string {
  switch (frame.op) {
    case 'hello':
      return `session ${shortId(frame.session)}`;
    case 'subscribe':
      if (frame.tail !== undefined) return `the last ${String(frame.tail)}`;
      return frame.after === undefined ? 'from the start' : `after ${String(frame.after)}`;
    case 'subscribed':
      return `after ${String(frame.after)}, head ${String(frame.head)}`;
    case 'events':
      return coverageOf(frame);
    case 'caught-up':
      return `at ${String(frame.upTo)}`;
    case 'reset':
      return `${frame.reason}, from ${String(frame.from)}`;
    case 'send':
      return `${frame.command} ${shortId(frame.id)}`;
    case 'ack':
      return `${frame.duplicate ? 'duplicate: true, ' : ''}rev ${String(frame.last)}, ${shortId(frame.id)}`;
    case 'nack':
      return `${shortId(frame.id)} ${frame.reason ?? frame.code}`;
    case 'error':
      return `${frame.code}: ${frame.message}`;
    case 'typing':
      return frame.on ? 'on' : 'off';
    case 'read':
    case 'delivered':
      return `up to message ${String(frame.seq)}`;
    case 'history':
      return `before ${String(frame.before ?? 'the end')}, ${String(frame.limit)} revisions`;
    case 'history-page':
      return `${String(frame.from)}…${String(frame.before - 1)}${frame.more ? '' : ', the beginning'}`;
    case 'drain':
      return `come back in ${String(frame.reconnectAfterMs)} ms`;
    case 'refreshed':
      return `until ${frame.expiresAt}`;
    case 'refresh':
      return 'a newer token';
    case 'unsubscribe':
    case 'unsubscribed':
      return frame.room;
  }
}

function toneOf(frame: ClientFrame | ServerFrame, resuming: boolean): Tone {
  if (frame.op === 'nack' || frame.op === 'error' || frame.op === 'reset') return 'error';
  if (frame.op === 'typing' || frame.op === 'read' || frame.op === 'delivered') return 'faint';
  if (frame.op === 'ack' && frame.duplicate) return 'duplicate';
  if (frame.op === 'subscribe' && frame.after !== undefined) return 'resume';
  if (frame.op === 'events' && !resuming && hiddenIn(frame).length > 0) return 'hidden';
  return resuming && (frame.op === 'subscribed' || frame.op === 'events' || frame.op === 'caught-up')
    ? 'resume'
    : 'plain';
}

export class WireLog {
  #entries: readonly WireEntry[] = [];
  #count = 0;
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Newest first. */
  get entries(): readonly WireEntry[] {
    return this.#entries;
  }

  frame(
    side: SideName,
    direction: 'in' | 'out',
    text: string,
    frame: ClientFrame | ServerFrame | undefined,
    resuming: boolean,
  ): void {
    const known = frame ?? { op: '(unknown)' };
    // A token is a credential: it is not put on a screen that may be shared.
    const shown = known.op === 'refresh' ? '{"op":"refresh","token":"…"}' : text;
    this.#add({
      side,
      direction,
      op: known.op,
      summary: frame === undefined ? 'an op this page does not know' : summaryOf(frame),
      tone: frame === undefined ? 'plain' : toneOf(frame, resuming),
      text: shown,
      remark: frame === undefined ? undefined : remarkOn(side, frame),
    });
  }

  mark(side: SideName, op: string, summary: string, tone: Tone): void {
    this.#add({ side, direction: 'mark', op, summary, tone, text: '', remark: undefined });
  }

  #add(entry: Omit<WireEntry, 'number' | 'at'>): void {
    this.#count += 1;
    const added: WireEntry = { ...entry, number: this.#count, at: new Date(), text: clip(entry.text) };
    this.#entries = [added, ...this.#entries.slice(0, ENTRIES_MAX - 1)];
    this.#changed();
  }
}

function clip(text: string): string {
  if (text.length <= TEXT_CHARACTERS_MAX) return text;
  return `${text.slice(0, TEXT_CHARACTERS_MAX)}… (${String(text.length)} characters)`;
}
