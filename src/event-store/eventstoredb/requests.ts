/** The requests of the Streams service, encoded by hand: this is the path of every append and read. */
import { MessageWriter } from '../node/protobuf.ts';
import type { EventData, EventFilter, ExpectedRevision } from '../event-store.ts';

const BYTES_A_CHARACTER_MAX = 3;
/** Of everything in a message but names, types, prefixes and the events' own bytes. */
const OVERHEAD_BYTES = 256;
/** Tags, lengths, id and map keys of one proposed event. */
const EVENT_OVERHEAD_BYTES = 128;
/** A request is cut into messages of about so much; servers take 4 MB a message by default. */
const MESSAGE_BYTES_MAX = 2_097_152;
/** The search window of a filtered read or subscription, in events. */
const FILTER_WINDOW_EVENTS = 32;

const BACKWARDS = 1;

export type ReadSource =
  | { readonly stream: string; readonly from: bigint | 'start' | 'end' }
  | { readonly stream: undefined; readonly from: bigint | 'start' | 'end'; readonly filter: EventFilter | undefined };

/** @param count undefined: a subscription, with a checkpoint every `checkpointEveryEvents` considered events */
export function encodeRead(
  source: ReadSource,
  options: {
    readonly backwards?: boolean;
    readonly count: number | undefined;
    readonly checkpointEveryEvents?: number;
  },
): Buffer {
  const filter = source.stream === undefined ? source.filter : undefined;
  const prefixBytes = filter?.prefixes.reduce((sum, prefix) => sum + prefix.length * BYTES_A_CHARACTER_MAX + 16, 0);
  const names = (source.stream?.length ?? 0) * BYTES_A_CHARACTER_MAX + (prefixBytes ?? 0);
  const writer = new MessageWriter(OVERHEAD_BYTES + names);
  const all = writer.mark();
  const ids = writer.mark();
  writer.emptyMessage(2);
  writer.message(9, ids);
  if (filter === undefined) writer.emptyMessage(8);
  else writeFilter(writer, filter, options.checkpointEveryEvents ?? FILTER_WINDOW_EVENTS);
  if (options.count === undefined) writer.emptyMessage(6);
  else writer.uint(5, options.count);
  if (options.backwards === true) writer.uint(3, BACKWARDS);
  writeSource(writer, source);
  writer.message(1, all);
  return writer.finish();
}

function writeSource(writer: MessageWriter, { stream, from }: ReadSource): void {
  const mark = writer.mark();
  if (stream === undefined) {
    if (from === 'start') writer.emptyMessage(2);
    else if (from === 'end') writer.emptyMessage(3);
    else {
      const position = writer.mark();
      writer.uint(2, from);
      writer.uint(1, from);
      writer.message(1, position);
    }
    writer.message(2, mark);
    return;
  }
  if (from === 'start') writer.emptyMessage(3);
  else if (from === 'end') writer.emptyMessage(4);
  else writer.uint(2, from);
  writeStream(writer, stream);
  writer.message(1, mark);
}

/** Checkpoints come every multiplier x window considered events. */
function writeFilter(writer: MessageWriter, { by, prefixes }: EventFilter, checkpointEveryEvents: number): void {
  const window = Math.max(1, Math.min(FILTER_WINDOW_EVENTS, Math.floor(checkpointEveryEvents)));
  const mark = writer.mark();
  writer.uint(5, Math.max(1, Math.floor(checkpointEveryEvents / window)));
  writer.uint(3, window);
  const expression = writer.mark();
  for (const prefix of prefixes.toReversed()) writer.text(2, prefix);
  writer.message(by === 'stream' ? 1 : 2, expression);
  writer.message(7, mark);
}

function writeStream(writer: MessageWriter, stream: string): void {
  const mark = writer.mark();
  writer.text(3, stream);
  writer.message(1, mark);
}

function writeExpected(writer: MessageWriter, expected: ExpectedRevision): void {
  if (expected === 'no-stream') writer.emptyMessage(3);
  else if (expected === 'any') writer.emptyMessage(4);
  else if (expected === 'stream-exists') writer.emptyMessage(5);
  else writer.uint(2, expected);
}

/** A delete, or a tombstone: the two are alike. */
export function encodeDelete(stream: string, expected: ExpectedRevision): Buffer {
  const writer = new MessageWriter(OVERHEAD_BYTES + stream.length * BYTES_A_CHARACTER_MAX);
  const mark = writer.mark();
  writeExpected(writer, expected);
  writeStream(writer, stream);
  writer.message(1, mark);
  return writer.finish();
}

export interface BatchAppendRequest {
  readonly correlationId: string;
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly events: readonly EventData[];
  /** How long the server may take. */
  readonly timeoutMs: number;
  /** The server takes a duration; an older one only a time, by its own clock. */
  readonly takesDuration: boolean;
}

/** One message, or several where the events are large. */
export function encodeBatchAppend(request: BatchAppendRequest): Buffer[] {
  const messages: Buffer[] = [];
  let from = 0;
  do {
    let bytes = 0;
    let to = from;
    for (; to < request.events.length && bytes < MESSAGE_BYTES_MAX; to++) bytes += eventBytes(request.events[to]);
    messages.push(encodeBatchMessage(request, from, to, bytes));
    from = to;
  } while (from < request.events.length);
  return messages;
}

function eventBytes(event: EventData | undefined): number {
  if (event === undefined) return 0;
  const { data, metadata, type } = event;
  return data.length + metadata.length + type.length * BYTES_A_CHARACTER_MAX + EVENT_OVERHEAD_BYTES;
}

function encodeBatchMessage(request: BatchAppendRequest, from: number, to: number, bytes: number): Buffer {
  const { correlationId, stream, events } = request;
  const writer = new MessageWriter(OVERHEAD_BYTES + stream.length * BYTES_A_CHARACTER_MAX + bytes);
  if (to === events.length) writer.uint(4, 1);
  for (const event of events.slice(from, to).reverse()) writeEvent(writer, event);
  if (from === 0) writeOptions(writer, request);
  writeUuid(writer, correlationId);
  return writer.finish();
}

function writeOptions(writer: MessageWriter, request: BatchAppendRequest): void {
  const mark = writer.mark();
  const { timeoutMs, takesDuration } = request;
  writeTime(writer, takesDuration ? 7 : 6, takesDuration ? timeoutMs : Date.now() + timeoutMs);
  writeExpected(writer, request.expected);
  writeStream(writer, request.stream);
  writer.message(2, mark);
}

/** A google.protobuf Duration or Timestamp: seconds and nanoseconds. */
function writeTime(writer: MessageWriter, field: number, ms: number): void {
  const mark = writer.mark();
  writer.uint(2, Math.floor(ms % 1_000) * 1_000_000);
  writer.uint(1, Math.floor(ms / 1_000));
  writer.message(field, mark);
}

function writeUuid(writer: MessageWriter, id: string): void {
  const mark = writer.mark();
  writer.text(2, id);
  writer.message(1, mark);
}

function writeEvent(writer: MessageWriter, { id, type, data, metadata, contentType }: EventData): void {
  const mark = writer.mark();
  writer.bytes(4, data);
  if (metadata.length > 0) writer.bytes(3, metadata);
  writer.entry(2, 'content-type', contentType);
  writer.entry(2, 'type', type);
  writeUuid(writer, id);
  writer.message(3, mark);
}
