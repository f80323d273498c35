/**
 * Gives the disk back what nobody can read any more. Segment by segment, the oldest first, sealed ones only: a survey
 * says which events truncation has hidden; if that is worth it, their streams' floors are raised, where nothing has shown
 * those events again, and are on disk first; then the segment is written anew with a stub in the place of each such event,
 * synced, and put in the old one's place. A crash at any instant leaves the old file or the new one. A stub keeps
 * position, stream, revision and id, so that repeats, expected revisions and a rebuilt index are what they were
 * (docs/decisions/0008-scavenged-segments.md).
 *
 * A stream's last event, its tombstone and all metadata stay. Ages count from the newest event of the log, so that a
 * clock that runs ahead drops nothing before its time.
 */
import { CompactedWriter } from './compacted-writer.ts';
import { firstReadable } from './stream-limits.ts';
import type { ScavengeResult, UpkeepOptions } from '../log-upkeep.ts';
import type { LogReader } from './log-reader.ts';
import type { LogRecord } from './record.ts';
import type { Segment, SegmentFiles } from './segments.ts';
import type { StreamTable } from './streams.ts';
import type { Tail } from './tail.ts';

export interface ScavengeOptions extends UpkeepOptions {
  /** A segment that would give back a smaller share of its file is left as it is. */
  readonly savedShareMin?: number;
  /** Read and written together. */
  readonly bytesPerSecondMax?: number;
}

const SCAVENGE_DEFAULTS = { savedShareMin: 0.05, bytesPerSecondMax: 48 * 1024 * 1024 } as const;

export interface ScavengerParts {
  readonly files: SegmentFiles;
  readonly reader: LogReader;
  readonly streams: StreamTable;
  readonly tail: Tail;
  /** When the newest event of the log was created, ms. */
  readonly newestMs: () => number;
  /** Resolves when the index has everything that memory has, on disk. */
  readonly flushIndex: () => Promise<void>;
  /** Resolves when work in the background may go on: appends come first. */
  readonly giveWay: () => Promise<void>;
  readonly pause: (ms: number) => Promise<unknown>;
}

/** What a segment has of one stream that nobody can read. */
interface Hidden {
  /** The last such event: whatever hides it hides those before it. */
  revision: number;
  createdMs: number;
  events: number;
  savedBytes: number;
}

/** By stream. */
type Survey = ReadonlyMap<string, Hidden>;

export class Scavenger {
  private readonly parts: ScavengerParts;

  constructor(parts: ScavengerParts) {
    this.parts = parts;
  }

  async run(options: ScavengeOptions): Promise<ScavengeResult> {
    const { files } = this.parts;
    const settings = { ...SCAVENGE_DEFAULTS, ...options };
    const sealed = files.segments.slice(0, -1);
    const total = sealed.reduce((sum, { size }) => sum + size, 0);
    const pace = new Pace(settings.bytesPerSecondMax, this.parts.pause);
    const result = { segments: sealed.length, segmentsRewritten: 0, eventsDropped: 0, bytesBefore: 0, bytesAfter: 0 };
    let surveyed = 0;
    for (const segment of sealed) {
      const step = async (bytes: number): Promise<void> => {
        options.signal?.throwIfAborted();
        await this.parts.giveWay();
        await pace.spend(bytes);
      };
      const before = fileBytes(segment);
      let after = before;
      const survey = await this.survey(segment, async (bytes, done) => {
        await step(bytes);
        options.onProgress?.({ done: surveyed + done, total });
      });
      // Up to the raising of the floors, in the same turn: a limit relaxed meanwhile has shown events again.
      const hidden = this.stillHidden(survey);
      const { events, savedBytes } = sumOf(hidden);
      if (events > 0 && savedBytes >= before * settings.savedShareMin) {
        after = await this.rewrite(segment, hidden, step);
        result.segmentsRewritten++;
        result.eventsDropped += events;
      }
      result.bytesBefore += before;
      result.bytesAfter += after;
      surveyed += segment.size;
      options.onProgress?.({ done: surveyed, total });
    }
    return result;
  }

  private async survey(segment: Segment, step: (bytes: number, done: number) => Promise<void>): Promise<Survey> {
    const hidden = new Map<string, Hidden>();
    await this.eachRecord(
      segment,
      record => {
        const { stream, revisionNumber: revision, createdMs } = record;
        if (record.scavenged || !this.isHidden(stream, { revision, createdMs })) return;
        const { events = 0, savedBytes = 0 } = hidden.get(stream) ?? {};
        const saved = savedBytes + record.length - record.stubLength;
        hidden.set(stream, { revision, createdMs, events: events + 1, savedBytes: saved });
      },
      step,
    );
    return hidden;
  }

  private stillHidden(survey: Survey): Survey {
    return new Map([...survey].filter(([stream, last]) => this.isHidden(stream, last)));
  }

  /** By the limits that readers have, and by those on their way to the disk: they may be acknowledged at any time. */
  private isHidden(stream: string, { revision, createdMs }: Pick<Hidden, 'revision' | 'createdMs'>): boolean {
    const entry = this.parts.streams.find(stream);
    if (!entry || entry.describes) return false;
    const { head, floor, tombstoned } = entry.durable;
    if (revision >= head) return false;
    if (tombstoned) return true;
    return [entry.durable.limits, entry.accepted.limits].every(
      limits =>
        revision < firstReadable({ limits, head, floor }) ||
        createdMs < this.parts.newestMs() - limits.maxAgeSeconds * 1000,
    );
  }

  /** Gives the new file's bytes. */
  private async rewrite(segment: Segment, hidden: Survey, step: (bytes: number) => Promise<void>): Promise<number> {
    const { files, streams, tail } = this.parts;
    for (const [name, { revision }] of hidden) streams.raiseFloor(streams.open(name), revision + 1);
    await this.parts.flushIndex();
    const writer = await CompactedWriter.create(segment, files.storageId);
    try {
      await this.eachRecord(
        segment,
        record =>
          writer.add(record, record.scavenged || record.revisionNumber <= (hidden.get(record.stream)?.revision ?? -1)),
        async bytes => {
          await writer.drain();
          await step(bytes);
        },
      );
      const compacted = await writer.finish();
      await files.replace(segment, writer.file, compacted);
      tail.dropBefore(segment.base + segment.size);
      return compacted.fileBytes;
    } catch (error) {
      await writer.discard();
      throw error;
    }
  }

  /** All records of a segment in order, from its file, whatever is in memory; `step` between the chunks. */
  private async eachRecord(
    segment: Segment,
    look: (record: LogRecord) => void,
    step: (bytes: number, done: number) => Promise<void>,
  ): Promise<void> {
    const end = segment.base + segment.size;
    for (let next = segment.base; next < end;) {
      const chunk = await this.parts.reader.chunkOnDisk(next);
      if (!chunk) return;
      for (const record of chunk.records) look(record);
      await step(chunk.end - next, chunk.end - segment.base);
      next = chunk.end;
    }
  }
}

function sumOf(survey: Survey): Pick<Hidden, 'events' | 'savedBytes'> {
  const sum = { events: 0, savedBytes: 0 };
  for (const { events, savedBytes } of survey.values()) {
    sum.events += events;
    sum.savedBytes += savedBytes;
  }
  return sum;
}

export function fileBytes(segment: Segment): number {
  return segment.compacted?.fileBytes ?? segment.size;
}

/** Holds work in the background to a rate. */
class Pace {
  private readonly bytesPerMs: number;
  private readonly pause: (ms: number) => Promise<unknown>;
  private owed = 0;

  constructor(bytesPerSecondMax: number, pause: (ms: number) => Promise<unknown>) {
    this.bytesPerMs = bytesPerSecondMax / 1000;
    this.pause = pause;
  }

  async spend(bytes: number): Promise<void> {
    this.owed += bytes / this.bytesPerMs;
    const ms = Math.floor(this.owed);
    this.owed -= ms;
    if (ms > 0) await this.pause(ms);
  }
}
