/** The answers of the Streams service, encoded straight from what the store gives. */
import { MessageWriter } from './protobuf.ts';
import type { AppendResult, ExpectedRevision, RecordedEvent } from '../event-store.ts';

/** Tags, lengths, numbers, keys and the id of one event's answer: everything that is not its names and bytes. */
const EVENT_OVERHEAD_BYTES = 256;
const ANSWER_OVERHEAD_BYTES = 256;
const BYTES_A_CHARACTER_MAX = 3;
const TICKS_A_MILLISECOND = 10_000n;

const READ_EVENT = 1;
const READ_CONFIRMATION = 2;
const READ_CHECKPOINT = 3;
const READ_STREAM_NOT_FOUND = 4;
const READ_CAUGHT_UP = 8;

export function encodeEvent(event: RecordedEvent, structuredIds: boolean): Buffer {
  const { stream, type, data, metadata, position } = event;
  const names = (stream.length + type.length) * BYTES_A_CHARACTER_MAX;
  const writer = new MessageWriter(EVENT_OVERHEAD_BYTES + names + data.length + metadata.length);
  const response = writer.mark();
  writer.uint(3, position);
  const recorded = writer.mark();
  writer.bytes(8, data);
  writer.bytes(7, metadata);
  writer.entry(6, 'content-type', event.contentType);
  writer.entry(6, 'created', String(BigInt(Math.trunc(event.createdMs)) * TICKS_A_MILLISECOND));
  writer.entry(6, 'type', type);
  writer.uint(5, position);
  writer.uint(4, position);
  writer.uint(3, event.revision);
  streamIdentifier(writer, 2, stream);
  eventId(writer, event.id, structuredIds);
  writer.message(1, recorded);
  writer.message(READ_EVENT, response);
  return writer.finish();
}

function eventId(writer: MessageWriter, id: string, structured: boolean): void {
  const mark = writer.mark();
  if (structured) {
    const hex = id.replaceAll('-', '');
    const halves = writer.mark();
    writer.uint(2, BigInt(`0x${hex.slice(16)}`));
    writer.uint(1, BigInt(`0x${hex.slice(0, 16)}`));
    writer.message(1, halves);
  } else writer.text(2, id);
  writer.message(1, mark);
}

function streamIdentifier(writer: MessageWriter, field: number, stream: string): void {
  const mark = writer.mark();
  writer.text(3, stream);
  writer.message(field, mark);
}

export function encodeConfirmation(subscriptionId: string): Buffer {
  const writer = new MessageWriter(ANSWER_OVERHEAD_BYTES);
  const mark = writer.mark();
  writer.text(1, subscriptionId);
  writer.message(READ_CONFIRMATION, mark);
  return writer.finish();
}

export function encodeCheckpoint(position: bigint): Buffer {
  const writer = new MessageWriter(ANSWER_OVERHEAD_BYTES);
  allPosition(writer, READ_CHECKPOINT, position);
  return writer.finish();
}

export function encodeStreamNotFound(stream: string): Buffer {
  const writer = new MessageWriter(ANSWER_OVERHEAD_BYTES + stream.length * BYTES_A_CHARACTER_MAX);
  const mark = writer.mark();
  streamIdentifier(writer, 1, stream);
  writer.message(READ_STREAM_NOT_FOUND, mark);
  return writer.finish();
}

export function encodeCaughtUp(): Buffer {
  const writer = new MessageWriter(ANSWER_OVERHEAD_BYTES);
  writer.emptyMessage(READ_CAUGHT_UP);
  return writer.finish();
}

function allPosition(writer: MessageWriter, field: number, position: bigint): void {
  const mark = writer.mark();
  writer.uint(2, position);
  writer.uint(1, position);
  writer.message(field, mark);
}

/** What an append answers; field for field the same in AppendResp and BatchAppendResp. */
interface Appended extends AppendResult {
  /** The real server answers a position for an append of nothing too. */
  readonly isEmpty: boolean;
}

function success(writer: MessageWriter, field: number, { revision, position, isEmpty }: Appended): void {
  const mark = writer.mark();
  if (position !== undefined || isEmpty) allPosition(writer, 3, position ?? 0n);
  else writer.emptyMessage(4);
  if (revision >= 0n) writer.uint(1, revision);
  else writer.emptyMessage(2);
  writer.message(field, mark);
}

export function encodeAppended(result: Appended): Buffer {
  const writer = new MessageWriter(ANSWER_OVERHEAD_BYTES);
  success(writer, 1, result);
  return writer.finish();
}

/** A conflict is a normal answer of Append; fields 1 to 5 are the same in the words of clients before 20.6.1. */
export function encodeAppendConflict(expected: ExpectedRevision, actual: bigint): Buffer {
  const writer = new MessageWriter(ANSWER_OVERHEAD_BYTES);
  const mark = writer.mark();
  if (expected === 'no-stream') writer.emptyMessage(11);
  else if (expected === 'stream-exists') writer.emptyMessage(10);
  else if (expected === 'any') writer.emptyMessage(9);
  else writer.uint(8, expected);
  if (actual < 0n) writer.emptyMessage(7);
  else writer.uint(6, actual);
  if (expected === 'stream-exists') writer.emptyMessage(5);
  else if (expected === 'any') writer.emptyMessage(4);
  else writer.uint(3, expected === 'no-stream' ? -1n : expected);
  if (actual < 0n) writer.emptyMessage(2);
  else writer.uint(1, actual);
  writer.message(2, mark);
  return writer.finish();
}

export function encodeBatchAppended(correlation: Buffer, stream: string, result: Appended): Buffer {
  const writer = batchWriter(correlation, stream);
  streamIdentifier(writer, 4, stream);
  success(writer, 3, result);
  writer.bytes(1, correlation);
  return writer.finish();
}

/** One append of a batch that failed: `type` is the detail's message, `detail` its bytes. */
export interface BatchFailure {
  readonly code: number;
  readonly message: string;
  readonly type: string;
  readonly detail: Buffer;
}

export function encodeBatchFailure(correlation: Buffer, stream: string | undefined, failure: BatchFailure): Buffer {
  const { code, message, type, detail } = failure;
  const writer = batchWriter(correlation, stream ?? '', detail.length + message.length * BYTES_A_CHARACTER_MAX);
  if (stream !== undefined) streamIdentifier(writer, 4, stream);
  const status = writer.mark();
  const any = writer.mark();
  if (detail.length > 0) writer.bytes(2, detail);
  writer.text(1, `type.googleapis.com/${type}`);
  writer.message(3, any);
  writer.text(2, message);
  writer.uint(1, code);
  writer.message(2, status);
  writer.bytes(1, correlation);
  return writer.finish();
}

function batchWriter(correlation: Buffer, stream: string, more = 0): MessageWriter {
  return new MessageWriter(ANSWER_OVERHEAD_BYTES + correlation.length + stream.length * BYTES_A_CHARACTER_MAX + more);
}

/** Of a delete or a tombstone. */
export function encodeDeleted(position: bigint | undefined): Buffer {
  const writer = new MessageWriter(ANSWER_OVERHEAD_BYTES);
  if (position === undefined) writer.emptyMessage(2);
  else allPosition(writer, 1, position);
  return writer.finish();
}

/** `event_store.client.WrongExpectedVersion`. */
export function encodeWrongExpectedVersion(expected: ExpectedRevision, actual: bigint): Buffer {
  const writer = new MessageWriter(ANSWER_OVERHEAD_BYTES);
  if (expected === 'no-stream') writer.emptyMessage(6);
  else if (expected === 'stream-exists') writer.emptyMessage(5);
  else if (expected === 'any') writer.emptyMessage(4);
  else writer.uint(3, expected);
  if (actual < 0n) writer.emptyMessage(2);
  else writer.uint(1, actual);
  return writer.finish();
}

/** `event_store.client.StreamDeleted`. */
export function encodeStreamDeleted(stream: string): Buffer {
  const writer = new MessageWriter(ANSWER_OVERHEAD_BYTES + stream.length * BYTES_A_CHARACTER_MAX);
  streamIdentifier(writer, 1, stream);
  return writer.finish();
}

/** A message of one number or one text in field 1. */
export function encodeSingle(value: number | string): Buffer {
  const writer = new MessageWriter(
    ANSWER_OVERHEAD_BYTES + (typeof value === 'string' ? value.length * BYTES_A_CHARACTER_MAX : 0),
  );
  if (typeof value === 'string') writer.text(1, value);
  else writer.uint(1, value);
  return writer.finish();
}
