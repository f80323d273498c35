/**
 * The event store port on this machine's disk: segments are the truth, lmdb is the index behind them, and the last
 * groups stay in memory for readers at the end of the log. One process owns the folder (src/data-folder).
 */
import { setMaxListeners } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { UnavailableError } from '../errors.ts';
import { CorruptLogError } from './errors.ts';
import { Appender } from './embedded/appender.ts';
import { APPEND_BYTES_MAX } from './requests.ts';
import { Durability } from './embedded/durability.ts';
import { LogReader } from './embedded/log-reader.ts';
import { LogWriter } from './embedded/log-writer.ts';
import { Scavenger, type ScavengeOptions } from './embedded/scavenger.ts';
import { RecentIds } from './embedded/recent-ids.ts';
import {
  catchUpIndex,
  expectRoom,
  findEnd,
  openIndex,
  refillRecentIds,
  refuseLostSegments,
  type RecoveryProgress,
} from './embedded/recovery.ts';
import { SegmentFiles } from './embedded/segments.ts';
import { StreamMetadataStore } from './embedded/stream-metadata.ts';
import { StreamReads } from './embedded/stream-reads.ts';
import { StreamTable } from './embedded/streams.ts';
import { Subscriptions } from './embedded/subscriptions.ts';
import { Tail } from './embedded/tail.ts';
import type {
  AppendResult,
  EventData,
  EventStore,
  ExpectedRevision,
  ReadAllOptions,
  ReadStreamOptions,
  RecordedEvent,
  StreamBounds,
  StreamMetadata,
  StreamMetadataResult,
  SubscribeToAllOptions,
  SubscribeToStreamOptions,
  SubscriptionMessage,
} from './event-store.ts';
import type { LogIndex } from './embedded/log-index.ts';
import type { LogStats, ScavengeResult } from './log-upkeep.ts';

export interface EmbeddedEventStoreOptions {
  /** Holds `segments/` and `index/`; made if it is not there. */
  readonly directory: string;
  /** A segment is sealed once it has so many bytes. */
  readonly segmentBytes?: number;
  /** The end of the log kept in memory for subscribers and readers. */
  readonly tailBytesMax?: number;
  /** Appends that wait for the disk, in bytes; more are refused as unavailable. */
  readonly queueBytesMax?: number;
  /** Streams whose state is kept in memory. */
  readonly streamsCachedMax?: number;
  /** Event ids remembered for appends without an exact expected revision. */
  readonly recentIdsMax?: number;
  /** How long rows wait before they are written to the index. */
  readonly indexFlushMs?: number;
  /** So many rows are written before their time. */
  readonly indexFlushRowsMax?: number;
  /** Events that may wait for an index that cannot be written; past it appends are refused as unavailable. */
  readonly indexPendingRowsMax?: number;
  readonly now?: () => number;
  readonly onProgress?: (progress: RecoveryProgress) => void;
  /** Told of each group that became durable: its bytes on disk. */
  readonly onGroup?: (bytes: number) => void;
  /** Trouble that no caller hears of: the index could not be written (it is retried). */
  readonly onError?: (error: Error) => void;
}

export const EMBEDDED_DEFAULTS = {
  segmentBytes: 128 * 1024 * 1024,
  tailBytesMax: 16 * 1024 * 1024,
  queueBytesMax: 32 * 1024 * 1024,
  streamsCachedMax: 100_000,
  recentIdsMax: 20_000,
  indexFlushMs: 1_000,
  indexFlushRowsMax: 50_000,
  indexPendingRowsMax: 1_000_000,
} as const;

/** After a write that failed. */
const PROBE_EVERY_MS = 1_000;
/** A scan of the log waits so long, at the most, for a group that is on its way: appends come first. */
const SCAN_PAUSE_MS_MAX = 5;

/** The largest record there can be: an append at its limit, with the longest names. */
const RECORD_BYTES_MAX = APPEND_BYTES_MAX + 8 * 1024;

/** @throws CorruptLogError for a damaged or foreign folder, UnavailableError where it cannot be read or written */
export async function openEmbeddedEventStore(options: EmbeddedEventStoreOptions): Promise<EmbeddedEventStore> {
  const opened: { close(): Promise<void> }[] = [];
  try {
    return await openParts(options, opened);
  } catch (error) {
    for (const part of opened.reverse()) await part.close();
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new UnavailableError(`The log in ${options.directory} cannot be opened: ${error.message}`, { cause: error });
  }
}

/** @param opened gets what must be closed again if the rest fails */
async function openParts(
  options: EmbeddedEventStoreOptions,
  opened: { close(): Promise<void> }[],
): Promise<EmbeddedEventStore> {
  const settings: Settings = { ...EMBEDDED_DEFAULTS, now: Date.now, ...options };
  await mkdir(options.directory, { recursive: true });
  await expectRoom(options.directory);
  const [segmentFolder, indexFolder] = [join(options.directory, 'segments'), join(options.directory, 'index')];
  await refuseLostSegments(segmentFolder, indexFolder);
  const files = await SegmentFiles.open(segmentFolder);
  opened.push(files);
  const index = await openIndex(indexFolder, files);
  opened.push(index);
  const checkpoint = index.checkpoint;
  await findEnd(files, checkpoint, RECORD_BYTES_MAX);
  const tail = new Tail(settings.tailBytesMax);
  const reader = new LogReader(files, tail, RECORD_BYTES_MAX);
  const streams = new StreamTable(index, settings.streamsCachedMax);
  await catchUpIndex(reader, streams, checkpoint, files.end, options.onProgress ?? (() => undefined));
  const recent = new RecentIds(settings.recentIdsMax);
  let newestMs = 0;
  try {
    newestMs = (await reader.chunkBefore(files.end))?.records[0]?.createdMs ?? 0;
    await refillRecentIds(recent, reader, files.end, settings.recentIdsMax);
  } catch (error) {
    // The log opens without its older ids: who reads what is damaged is told, everybody else is not held up by it.
    if (!(error instanceof CorruptLogError)) throw error;
    options.onError?.(error);
  }
  const store = new EmbeddedEventStore({ settings, files, index, tail, reader, streams, recent, newestMs });
  await store.start();
  return store;
}

type Settings = EmbeddedEventStoreOptions &
  Readonly<Record<keyof typeof EMBEDDED_DEFAULTS, number>> & { readonly now: () => number };

interface Parts {
  readonly settings: Settings;
  readonly files: SegmentFiles;
  readonly index: LogIndex;
  readonly tail: Tail;
  readonly reader: LogReader;
  readonly streams: StreamTable;
  readonly recent: RecentIds;
  /** When the newest event in the log was created. */
  readonly newestMs: number;
}

export class EmbeddedEventStore implements EventStore {
  private readonly parts: Parts;
  private readonly durability: Durability;
  private readonly reads: StreamReads;
  private readonly subscriptions: Subscriptions;
  private readonly giveWay: () => Promise<void>;
  private readonly closing = new AbortController();
  private writer: LogWriter | undefined;
  private appender: Appender | undefined;
  private metadata: StreamMetadataStore | undefined;
  private scavenging: Promise<ScavengeResult> | undefined;
  private scavenged = { scavengedEvents: 0, scavengedBytes: 0 };
  private flushTimer: NodeJS.Timeout | undefined;
  private flushing: Promise<void> | undefined;
  /** The last group reached the disk, or a probe did since. */
  private writable = true;
  private probeTimer: NodeJS.Timeout | undefined;
  /** The next flush waits for its time, however many rows there are. */
  private flushFailed = false;

  constructor(parts: Parts) {
    this.parts = parts;
    // Every subscription listens to it, however many there are.
    setMaxListeners(0, this.closing.signal);
    const { files, reader, streams, settings } = parts;
    const durableEnd = () => files.end;
    this.durability = new Durability(durableEnd);
    this.giveWay = async (): Promise<void> => {
      if (this.writer?.isWriting) await this.durability.nextMove(SCAN_PAUSE_MS_MAX);
    };
    const closing = this.closing.signal;
    this.reads = new StreamReads({ streams, reader, durableEnd, now: settings.now, closing, giveWay: this.giveWay });
    this.subscriptions = new Subscriptions({
      streams,
      reads: this.reads,
      reader,
      durability: this.durability,
      durableEnd,
      closing: this.closing.signal,
    });
  }

  /** Opens the log for writing; called once by `openEmbeddedEventStore`. */
  async start(): Promise<void> {
    const { files, settings, tail, streams, reader, recent, newestMs } = this.parts;
    this.writer = await LogWriter.open(files, settings, {
      groupDurable: (from, end, buffer) => {
        tail.push(from, end, buffer);
        settings.onGroup?.(buffer.length);
      },
      groupSettled: failed => {
        this.durability.moved(failed);
        this.writable = !failed;
        if (failed) this.probeSoon();
        this.scheduleFlush();
      },
    });
    const { durability } = this;
    const { now, indexPendingRowsMax: pendingRowsMax } = settings;
    const shared = { streams, reader, recent, durability, now, newestMs, pendingRowsMax };
    this.appender = new Appender({ ...shared, writer: this.writer });
    const { appender } = this;
    this.metadata = new StreamMetadataStore(streams, appender, reader);
  }

  private get open(): StreamMetadataStore {
    if (!this.metadata || this.closing.signal.aborted) throw new UnavailableError('The event store is closed.');
    return this.metadata;
  }

  private scheduleFlush(): void {
    const { streams, settings } = this.parts;
    if (streams.pendingPositions >= settings.indexFlushRowsMax && !this.flushFailed) void this.flushIndex();
    if (this.flushTimer) return;
    this.flushTimer = setTimeout(() => {
      this.flushTimer = undefined;
      void this.flushIndex();
    }, settings.indexFlushMs);
    this.flushTimer.unref();
  }

  /** Without appends nobody would find out that the disk takes them again. */
  private probeSoon(): void {
    if (this.probeTimer || this.closing.signal.aborted) return;
    this.probeTimer = setTimeout(() => {
      this.probeTimer = undefined;
      void this.writer?.probe().then(works => {
        if (works) this.writable = true;
        else if (!this.writable) this.probeSoon();
      });
    }, PROBE_EVERY_MS);
    this.probeTimer.unref();
  }

  stats(): LogStats {
    const { streams, settings } = this.parts;
    const { pendingPositions } = streams;
    return {
      takesAppends: this.writable && pendingPositions < settings.indexPendingRowsMax,
      indexPending: pendingPositions,
      scavenging: this.scavenging !== undefined,
      ...this.scavenged,
    };
  }

  private flushIndex(): Promise<void> {
    this.flushing ??= this.parts.streams
      .flush(this.parts.files.end)
      .then(() => {
        this.flushFailed = false;
      })
      .catch((error: unknown) => {
        this.flushFailed = true;
        this.parts.settings.onError?.(new UnavailableError('The index could not be written.', { cause: error }));
        if (!this.closing.signal.aborted) this.scheduleFlush();
      })
      .finally(() => {
        this.flushing = undefined;
      });
    return this.flushing;
  }

  async append(
    stream: string,
    events: readonly EventData[],
    options: { readonly expectedRevision: ExpectedRevision },
  ): Promise<AppendResult> {
    return this.open.append(stream, events, options.expectedRevision);
  }

  readStream(stream: string, options: ReadStreamOptions = {}): AsyncGenerator<RecordedEvent> {
    void this.open;
    return this.reads.readStream(stream, options);
  }

  readAll(options: ReadAllOptions = {}): AsyncGenerator<RecordedEvent> {
    void this.open;
    return this.reads.readAll(options);
  }

  async streamBounds(stream: string): Promise<StreamBounds> {
    void this.open;
    return this.reads.bounds(stream);
  }

  subscribeToStream(stream: string, options: SubscribeToStreamOptions): AsyncGenerator<SubscriptionMessage> {
    void this.open;
    return this.subscriptions.toStream(stream, options);
  }

  subscribeToAll(options: SubscribeToAllOptions): AsyncGenerator<SubscriptionMessage> {
    void this.open;
    return this.subscriptions.toAll(options);
  }

  async deleteStream(stream: string, options: { readonly expectedRevision: ExpectedRevision }): Promise<AppendResult> {
    return this.open.softDelete(stream, options.expectedRevision);
  }

  async tombstoneStream(
    stream: string,
    options: { readonly expectedRevision: ExpectedRevision },
  ): Promise<AppendResult> {
    return this.open.tombstone(stream, options.expectedRevision);
  }

  async setStreamMetadata(
    stream: string,
    metadata: StreamMetadata,
    options: { readonly expectedRevision: ExpectedRevision },
  ): Promise<AppendResult> {
    return this.open.set(stream, metadata, options.expectedRevision);
  }

  async getStreamMetadata(stream: string): Promise<StreamMetadataResult> {
    return this.open.get(stream);
  }

  /**
   * Gives the disk back what nobody can read any more (embedded/scavenger.ts), while everything else goes on.
   * @throws UnavailableError while another is running
   */
  async scavenge(options: ScavengeOptions = {}): Promise<ScavengeResult> {
    void this.open;
    if (this.scavenging) throw new UnavailableError('The log is being scavenged already.');
    const { files, reader, streams, tail, index } = this.parts;
    const scavenger = new Scavenger({
      ...{ files, reader, streams, tail, giveWay: this.giveWay, pause: delay },
      newestMs: () => this.appender?.newest ?? 0,
      flushIndex: async () => {
        // What is being flushed now may have been gathered before.
        await this.flushing;
        await this.flushIndex();
        if (this.flushFailed) throw new UnavailableError('The index could not be written.');
        await index.synced();
      },
    });
    const signals = [this.closing.signal, ...(options.signal ? [options.signal] : [])];
    this.scavenging = scavenger.run({ ...options, signal: AbortSignal.any(signals) });
    try {
      const result = await this.scavenging;
      this.scavenged.scavengedEvents += result.eventsDropped;
      this.scavenged.scavengedBytes += result.bytesBefore - result.bytesAfter;
      return result;
    } catch (error) {
      if (this.closing.signal.aborted) throw new UnavailableError('The event store is closed.', { cause: error });
      throw error;
    } finally {
      this.scavenging = undefined;
    }
  }

  /** The log's files as they are now, durable up to `position`: all but the last are complete, and stay as they are. */
  files(): {
    readonly position: number;
    readonly files: readonly { readonly name: string; readonly file: string; readonly bytes?: number }[];
  } {
    const { files } = this.parts;
    const list = files.segments.map(segment => {
      const named = { name: basename(segment.file), file: segment.file };
      return segment === files.active ? { ...named, bytes: segment.size } : named;
    });
    return { position: files.end, files: list };
  }

  async close(): Promise<void> {
    if (this.closing.signal.aborted) return;
    this.closing.abort();
    await this.scavenging?.catch(() => undefined);
    await this.writer?.close();
    clearTimeout(this.flushTimer);
    clearTimeout(this.probeTimer);
    await this.flushing;
    await this.flushIndex();
    await this.parts.index.close();
    await this.parts.files.close();
  }
}
