/**
 * Metadata, soft deletes and tombstones. A soft delete is metadata ($tb at int64's maximum, and, as the real server has it,
 * nothing else); the next append or metadata takes it back.
 */
import { randomUUID } from 'node:crypto';
import { StreamDeletedError, WrongExpectedRevisionError } from '../errors.ts';
import { UnavailableError } from '../../errors.ts';
import {
  decodeMetadata,
  describedStream,
  encodeMetadata,
  isMetadataStream,
  METADATA_TYPE,
  metadataStream,
  SOFT_DELETED,
} from '../metadata.ts';
import { checkName } from '../requests.ts';
import { appendResult, type Appender, type StreamWrite } from './appender.ts';
import { TOMBSTONE } from './record.ts';
import type {
  AppendResult,
  EventData,
  ExpectedRevision,
  StreamMetadata,
  StreamMetadataResult,
} from '../event-store.ts';
import type { LogReader } from './log-reader.ts';
import type { StreamEntry, StreamTable } from './streams.ts';

const TOMBSTONE_TYPE = '$streamDeleted';
/** How often a change of metadata starts again because another came between its read and its write. */
const ATTEMPTS_MAX = 10;

export class StreamMetadataStore {
  private readonly streams: StreamTable;
  private readonly appender: Appender;
  private readonly reader: LogReader;

  constructor(streams: StreamTable, appender: Appender, reader: LogReader) {
    this.streams = streams;
    this.appender = appender;
    this.reader = reader;
  }

  async set(name: string, metadata: StreamMetadata, expected: ExpectedRevision): Promise<AppendResult> {
    return this.appendMetadata(metadataStream(name), [metadataEvent(metadata)], expected);
  }

  async get(name: string): Promise<StreamMetadataResult> {
    checkName(metadataStream(name));
    if (this.streams.find(name)?.durable.tombstoned) throw new StreamDeletedError(name);
    const entry = this.streams.find(metadataStream(name));
    if (!entry || entry.durable.head < 0) return { metadata: undefined, revision: -1n };
    const { head, headPosition } = entry.durable;
    const [record] = await this.reader.records([headPosition]);
    return { metadata: record && decodeMetadata(record.data), revision: BigInt(head) };
  }

  append(name: string, events: readonly EventData[], expected: ExpectedRevision): Promise<AppendResult> {
    if (isMetadataStream(name)) return this.appendMetadata(name, events, expected);
    return this.appendEvents(name, events, expected);
  }

  private appendEvents(name: string, events: readonly EventData[], expected: ExpectedRevision): Promise<AppendResult> {
    return this.appender.append(name, events, expected, (...again) => this.revive(...again));
  }

  /**
   * A tombstoned stream has no metadata any more. Metadata set on a soft-deleted stream brings it back: a second event
   * puts $tb at the next revision.
   */
  private async appendMetadata(
    name: string,
    events: readonly EventData[],
    expected: ExpectedRevision,
  ): Promise<AppendResult> {
    checkName(name);
    const described = this.streams.find(describedStream(name));
    if (described?.accepted.tombstoned && (await this.appender.stillTrue(described))) {
      throw new StreamDeletedError(described.name);
    }
    const last = events.findLast(({ type }) => type === METADATA_TYPE);
    const metadata = last && decodeMetadata(last.data);
    const revives = described?.accepted.limits.truncateBefore === Infinity && last !== undefined;
    if (!revives || metadata?.truncateBefore === SOFT_DELETED) return this.appendEvents(name, events, expected);
    const reviving = metadataEvent({ ...metadata, truncateBefore: BigInt(described.accepted.head + 1) });
    const { revision, position } = await this.appendEvents(name, [...events, reviving], expected);
    return { revision: revision - 1n, position };
  }

  /** The append that brings a soft-deleted stream back: the metadata's $tb becomes its first revision. */
  private revive(name: string, events: readonly EventData[], expected: ExpectedRevision): Promise<AppendResult> {
    return this.withMetadata(
      name,
      (entry, metadata, metadataWrite) => {
        const first = entry.accepted.head + 1;
        const softDeleted = entry.accepted.limits.truncateBefore === Infinity;
        const check = this.appender.check(entry, events, expected);
        // Somebody else was first: it is an append like any other now.
        if (check instanceof Error || check.kind !== 'append' || !softDeleted) return undefined;
        const writes = [metadataWrite({ ...metadata, truncateBefore: BigInt(first) }), { entry, first, events }];
        const revision = first + events.length - 1;
        return this.appender.commit(writes).then(positions => appendResult(revision, positions.at(-1)));
      },
      () => this.append(name, events, expected),
    );
  }

  softDelete(name: string, expected: ExpectedRevision): Promise<AppendResult> {
    checkName(name);
    return this.withMetadata(name, (entry, _metadata, metadataWrite) => {
      const check = this.appender.check(entry, [], expected);
      if (check instanceof Error) {
        return this.appender.stillTrue(entry).then(still => {
          if (still) throw check;
          return this.softDelete(name, expected);
        });
      }
      const { head } = entry.accepted;
      if (head < 0 && this.streams.open(metadataStream(name)).accepted.head < 0) {
        throw new WrongExpectedRevisionError(name, expected, -1n);
      }
      const write = metadataWrite({ truncateBefore: SOFT_DELETED });
      return this.appender.commit([write]).then(positions => appendResult(head, positions.at(-1)));
    });
  }

  async tombstone(name: string, expected: ExpectedRevision): Promise<AppendResult> {
    checkName(name);
    const entry = this.streams.open(name);
    const check = this.appender.check(entry, [], expected);
    if (check instanceof Error) {
      if (await this.appender.stillTrue(entry)) throw check;
      return this.tombstone(name, expected);
    }
    const { head } = entry.accepted;
    const event = newEvent(TOMBSTONE_TYPE, Buffer.from('{}'));
    const positions = await this.appender.commit([{ entry, first: TOMBSTONE, events: [event] }]);
    return appendResult(head, positions.at(-1));
  }

  /**
   * Reads the metadata, then decides and writes in one turn; again where it changed in between.
   * @param decide undefined: not this way after all
   */
  private async withMetadata(
    name: string,
    decide: (
      entry: StreamEntry,
      metadata: StreamMetadata,
      write: (metadata: StreamMetadata) => StreamWrite,
    ) => Promise<AppendResult> | undefined,
    otherwise?: () => Promise<AppendResult>,
  ): Promise<AppendResult> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const before = this.streams.open(metadataStream(name));
      if (!(await this.appender.stillTrue(before)) || !(await this.appender.stillTrue(this.streams.open(name))))
        continue;
      const { metadata, revision } = await this.get(name);
      const metadataEntry = this.streams.open(metadataStream(name));
      if (BigInt(metadataEntry.accepted.head) !== revision) continue;
      const result = decide(this.streams.open(name), metadata ?? {}, changed => ({
        entry: metadataEntry,
        first: metadataEntry.accepted.head + 1,
        events: [metadataEvent(changed)],
      }));
      if (result) return result;
      if (otherwise) return otherwise();
    }
    throw new UnavailableError(`The metadata of ${name} changed ${ATTEMPTS_MAX} times meanwhile; try again.`);
  }
}

function metadataEvent(metadata: StreamMetadata): EventData {
  return newEvent(METADATA_TYPE, encodeMetadata(metadata));
}

function newEvent(type: string, data: Buffer): EventData {
  return { id: randomUUID(), type, data, metadata: Buffer.alloc(0), contentType: 'application/json' };
}
