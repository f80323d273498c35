/** The last frames of both sides as they passed, for the wire view. Bounded: the oldest go. */
import type { ClientFrame, ServerFrame } from '../protocol/frames.ts';

export type SideName = 'visitor' | 'agent';
export type Tone = 'plain' | 'faint' | 'resume' | 'duplicate' | 'cut' | 'error';

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
}

const ENTRIES_MAX = 250;
/** Of a frame's text as it is shown when opened. */
const TEXT_CHARACTERS_MAX = 4_000;

const shortId = (id: string): string => (id.length > 9 ? `${id.slice(0, 8)}…` : id);

/** `18…23` for a run, else the revisions themselves. */
function revisions(revs: readonly number[]): string {
  const [first] = revs;
  const last = revs.at(-1);
  if (first === undefined || last === undefined) return 'none';
  if (revs.length > 2 && last - first === revs.length - 1) return `${String(first)}…${String(last)}`;
  return revs.length > 6 ? `${revs.slice(0, 6).join(', ')}, …` : revs.join(', ');
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
      return `${String(frame.after)} → ${String(frame.upTo)}, rev ${revisions(frame.events.map(({ rev }) => rev))}`;
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
  if (frame.op === 'typing') return 'faint';
  if (frame.op === 'ack' && frame.duplicate) return 'duplicate';
  if (frame.op === 'subscribe' && frame.after !== undefined) return 'resume';
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
    });
  }

  mark(side: SideName, op: string, summary: string, tone: Tone): void {
    this.#add({ side, direction: 'mark', op, summary, tone, text: '' });
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
