/**
 * What a stream is at, asked in as few calls as can be: its last event and its first, at the same time. Where nothing can
 * be read of it, an append of nothing that expects what cannot be is refused with the revision that the stream is at.
 */
import { StreamDeletedError, StreamNotFoundError, WrongExpectedRevisionError } from '../errors.ts';
import type { AppendResult, EventData, ExpectedRevision, RecordedEvent, StreamBounds } from '../event-store.ts';
import type { AppendLane } from './append-lane.ts';
import { PAGE_EVENTS } from './reads.ts';
import type { Reads } from './reads.ts';
import type { ReadSource } from './requests.ts';

/** No stream ever gets there, so that an append which expects it is always refused. */
const UNREACHED_REVISION = 2n ** 62n;
const NEVER_WAS: StreamBounds = { first: 0n, head: -1n };

export class StreamState {
  private readonly reads: Reads;
  private readonly appends: Pick<AppendLane, 'append'>;

  constructor(reads: Reads, appends: Pick<AppendLane, 'append'>) {
    this.reads = reads;
    this.appends = appends;
  }

  /** Of a tombstoned stream nothing is told any more: as of one that never was. */
  async bounds(stream: string): Promise<StreamBounds> {
    try {
      const [last, first] = await Promise.all([
        this.lastOf({ stream, from: 'end' }),
        this.edge({ stream, from: 'start' }, false),
      ]);
      // What came or went between the two reads: the later revision is the truer head.
      if (first !== undefined && last !== undefined)
        return { first: first.revision, head: last.revision > first.revision ? last.revision : first.revision };
    } catch (error) {
      if (error instanceof StreamDeletedError) return NEVER_WAS;
      throw error;
    }
    const head = await this.probe(stream);
    return head < 0n ? NEVER_WAS : { first: head + 1n, head };
  }

  /** The last event of a stream that can be read, or of `$all`; undefined where there is none. */
  lastOf(source: ReadSource): Promise<RecordedEvent | undefined> {
    return this.edge(source, true);
  }

  /** What an append of no events answers: the place of the last event, if there is one. */
  async placeOf(stream: string): Promise<AppendResult> {
    const last = await this.lastOf({ stream, from: 'end' });
    if (last !== undefined) return { revision: last.revision, position: last.position };
    return { revision: await this.probe(stream), position: undefined };
  }

  /**
   * The result of an append whose events stand where it would have put them; undefined where others do. With a mode that
   * names no place, the end of the stream is looked at.
   */
  async recognise(
    stream: string,
    events: readonly EventData[],
    expected: ExpectedRevision,
  ): Promise<AppendResult | undefined> {
    if (events.length === 0 || expected === 'any' || expected === 'stream-exists') return undefined;
    const found: RecordedEvent[] = [];
    let from = expected === 'no-stream' ? ('start' as const) : expected + 1n;
    try {
      while (found.length < events.length) {
        const count = Math.min(PAGE_EVENTS, events.length - found.length);
        const page = await this.reads.page({ stream, from }, { backwards: false, count });
        found.push(...page.events);
        const last = found.at(-1);
        if (page.isLast || last === undefined) break;
        from = last.revision + 1n;
      }
    } catch (error) {
      if (error instanceof StreamNotFoundError) return undefined;
      throw error;
    }
    const last = found.at(-1);
    if (last === undefined || !events.every((event, i) => found[i]?.id === event.id)) return undefined;
    return { revision: last.revision, position: last.position };
  }

  private async edge(source: ReadSource, backwards: boolean): Promise<RecordedEvent | undefined> {
    try {
      const { events } = await this.reads.page(source, { backwards, count: 1 });
      return events[0];
    } catch (error) {
      if (error instanceof StreamNotFoundError) return undefined;
      throw error;
    }
  }

  /** The last revision of a stream of which nothing can be read; -1n where it never was, or is tombstoned. */
  private async probe(stream: string): Promise<bigint> {
    try {
      await this.appends.append(stream, [], UNREACHED_REVISION, 0);
    } catch (error) {
      if (error instanceof WrongExpectedRevisionError) return error.actual;
      if (error instanceof StreamDeletedError) return -1n;
      throw error;
    }
    throw new Error(`An append to ${stream} was taken at a revision that no stream has.`);
  }
}
