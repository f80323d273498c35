/**
 * `events` frames: a run of a room's events in one view, encoded once and sent to many sockets. Frames of a run tile:
 * the first one's `after` is the revision before the run, each next one's is the last one's `upTo`, and revisions that
 * the view hides are covered by the range without being in `events`.
 */
import { view as viewEvent, type View } from '../domain/conversation/view.ts';
import type { HistoryPage, Run } from './room-log.ts';
import { wireRevision } from './server-frames.ts';

export interface EventFrame {
  /** The revision before the first one covered. */
  readonly after: bigint;
  /** The last revision covered. */
  readonly upTo: bigint;
  /** UTF-8, shared by all its sockets. */
  readonly bytes: Uint8Array;
}

/** Room names need no escaping: their letters are those of ID_PATTERN. */
function encodeFrame(room: string, after: bigint, upTo: bigint, events: string): EventFrame {
  const head = `{"op":"events","room":"${room}","after":${wireRevision(after)},"upTo":${wireRevision(upTo)}`;
  return { after, upTo, bytes: Buffer.from(`${head},"events":[${events}]}`, 'utf8') };
}

/** JSON of each event of a run, '' where the view hides it. */
function encodeEvents(run: Run, view: View): string[] {
  return run.map(recorded => {
    const wire = viewEvent(recorded, view);
    return wire === undefined ? '' : JSON.stringify(wire);
  });
}

/** A run, and what each view makes of it, encoded when it is first asked for. */
export class EncodedRun {
  readonly run: Run;
  private readonly views: Partial<Record<View, readonly string[]>> = {};

  constructor(run: Run) {
    this.run = run;
  }

  /** JSON of each event, '' where the view hides it. */
  in(view: View): readonly string[] {
    return (this.views[view] ??= encodeEvents(this.run, view));
  }
}

/** What surrounds the events of a frame, at most: the room's name and two revisions of 16 digits. */
const FRAME_HEAD_BYTES = 240;

/** Contiguous revisions of a room in one view, of which frames are made. */
export interface FrameSource {
  /** `conversation:42` */
  readonly room: string;
  /** The revision that `encoded` begins with. */
  readonly first: bigint;
  /** JSON of each event, '' where the view hides it. */
  readonly encoded: readonly string[];
  /** From this place of `encoded` on … */
  readonly from: number;
  /** … to this one, exclusive. */
  readonly to: number;
}

/** Frames of at most `frameBytes`, one event at least each; none is begun once they hold `bytesMax`. */
export function eventFrames(source: FrameSource, frameBytes: number, bytesMax = Infinity): EventFrame[] {
  const { room, first, encoded, from, to } = source;
  const frames: EventFrame[] = [];
  if (from >= to) return frames;
  let after = first + BigInt(from) - 1n;
  let events = '';
  let bytes = FRAME_HEAD_BYTES;
  let bytesBefore = 0;
  for (let i = from; i < to; i++) {
    const event = encoded[i] ?? '';
    const size = event === '' ? 0 : Buffer.byteLength(event, 'utf8') + 1;
    if (size > 0 && events !== '' && bytes + size > frameBytes) {
      const upTo = first + BigInt(i) - 1n;
      frames.push(encodeFrame(room, after, upTo, events));
      bytesBefore += bytes;
      if (bytesBefore >= bytesMax) return frames;
      after = upTo;
      events = '';
      bytes = FRAME_HEAD_BYTES;
    }
    if (size > 0) events = events === '' ? event : `${events},${event}`;
    bytes += size;
  }
  frames.push(encodeFrame(room, after, first + BigInt(to) - 1n, events));
  return frames;
}

/**
 * A `history-page`: the newest revisions of what was read that fit into `frameBytes`, one event at least. It covers
 * [`from`, `before`), hidden revisions counted.
 */
export function historyPageFrame(options: {
  readonly room: string;
  readonly ref: string | undefined;
  readonly page: HistoryPage;
  readonly view: View;
  readonly frameBytes: number;
}): Uint8Array {
  const { room, ref, page, view, frameBytes } = options;
  const encoded = encodeEvents(page.run, view);
  const events: string[] = [];
  let first = encoded.length;
  let bytes = FRAME_HEAD_BYTES;
  for (; first > 0; first--) {
    const event = encoded[first - 1] ?? '';
    bytes += event === '' ? 0 : Buffer.byteLength(event, 'utf8') + 1;
    if (bytes > frameBytes && events.length > 0) break;
    if (event !== '') events.push(event);
  }
  const from = page.before - BigInt(encoded.length - first);
  const head = { op: 'history-page', ref, room, from: wireRevision(from), before: wireRevision(page.before) };
  const more = first > 0 || page.more;
  return Buffer.from(
    `${JSON.stringify({ ...head, more }).slice(0, -1)},"events":[${events.reverse().join(',')}]}`,
    'utf8',
  );
}
