/**
 * The index held against the log, both ways: every event must be found where the log has it, and every row must speak
 * of an event, or a stream, that the log has. `see` takes the log's records in order, `end` looks at all rows.
 */
import { CorruptLogError } from '../errors.ts';
import { TOMBSTONE, type LogRecord } from './record.ts';
import { decodeMetadata, describedStream, isMetadataStream, METADATA_TYPE } from '../metadata.ts';
import { limitsOf, NO_LIMITS } from './stream-limits.ts';
import type { LogIndex, StreamRow } from './log-index.ts';

/** What the log says of a stream. */
type Expected = { -readonly [Key in keyof StreamRow]: StreamRow[Key] };

const ADVICE = 'The log itself is whole: delete the index folder, and the next start builds it anew';

export class IndexCheck {
  private readonly file: string;
  private readonly index: LogIndex;
  /** The rows of events before this position are in. */
  private readonly checkpoint: number;
  private readonly expected = new Map<string, Expected>();

  constructor(file: string, index: LogIndex) {
    this.file = file;
    this.index = index;
    this.checkpoint = index.checkpoint;
  }

  /** @throws CorruptLogError */
  see(record: LogRecord): void {
    if (record.positionNumber >= this.checkpoint) return;
    const expected = this.of(record.stream);
    const revision = record.revisionNumber;
    expected.headPosition = record.positionNumber;
    if (record.type === METADATA_TYPE && isMetadataStream(record.stream)) {
      Object.assign(this.of(describedStream(record.stream)), limitsOf(decodeMetadata(record.data)));
    }
    if (revision === TOMBSTONE) {
      expected.tombstoned = true;
      return;
    }
    expected.head = revision;
    if (record.scavenged) expected.floor = revision + 1;
    const [position] = this.positions(expected.no, revision);
    if (position !== record.positionNumber) {
      throw this.fault(
        `${record.stream}@${revision} stands at position ${record.positionNumber}, the index says ${position ?? 'nothing'}`,
      );
    }
  }

  private positions(no: number, revision: number): number[] {
    const found: number[] = [];
    this.index.positions(no, revision, revision, found);
    return found;
  }

  private of(name: string): Expected {
    const known = this.expected.get(name);
    if (known) return known;
    const no = this.index.stream(name)?.no;
    if (no === undefined) throw this.fault(`the stream ${name} has no row`);
    const fresh = { no, head: -1, headPosition: -1, tombstoned: false, ...NO_LIMITS, floor: 0 };
    this.expected.set(name, fresh);
    return fresh;
  }

  /** @param inUse rows may have moved on since the log was walked @throws CorruptLogError */
  end(inUse: boolean): void {
    const heads = new Map<number, { readonly name: string; readonly head: number }>();
    for (const { name, row } of this.index.allStreams()) {
      const expected = this.expected.get(name);
      const isNewer = inUse && row.headPosition >= this.checkpoint;
      if (!expected) {
        // Of a flush that was cut off, or is under way: it says early what the log has behind the checkpoint.
        if (isNewer || row.headPosition >= this.checkpoint || row.headPosition < 0) continue;
        throw this.fault(`a row of the stream ${name}, of which the log has no event`);
      }
      heads.set(row.no, { name, head: Math.max(row.head, expected.head) });
      if (row.headPosition >= this.checkpoint) continue;
      // A raised floor may be ahead of the segment that was to be replaced.
      const wrong = (Object.keys(expected) as (keyof Expected)[]).find(key =>
        key === 'floor' ? row.floor < expected.floor : !inUse && row[key] !== expected[key],
      );
      if (wrong) throw this.fault(`${wrong} of the stream ${name} is ${row[wrong]}, by the log ${expected[wrong]}`);
    }
    this.checkPlaces(heads);
  }

  private checkPlaces(heads: ReadonlyMap<number, { readonly name: string; readonly head: number }>): void {
    let last: { no: number; first: number; positions: readonly number[] } | undefined;
    for (const row of this.index.allPlaces()) {
      const stream = heads.get(row.no);
      const early = row.positions.every(position => position >= this.checkpoint);
      if (!stream && !early) throw this.fault(`positions of a stream numbered ${row.no}, which no stream is`);
      const end = row.first + row.positions.length - 1;
      if (stream && end > stream.head && (row.positions.at(-1) ?? 0) < this.checkpoint) {
        throw this.fault(`a position of ${stream.name}@${end}, whose last revision is ${stream.head}`);
      }
      if (last?.no === row.no) {
        const { first, positions } = last;
        const differs = row.positions.findIndex((position, i) => {
          const other = positions[row.first + i - first];
          return other !== undefined && other !== position;
        });
        if (differs >= 0) throw this.fault(`two positions of ${stream?.name ?? row.no}@${row.first + differs}`);
      }
      last = row;
    }
  }

  private fault(what: string): CorruptLogError {
    return new CorruptLogError(this.file, 0, `${what}. ${ADVICE}`);
  }
}
