/** The requests of the Streams service, decoded from their bytes once and checked as the real server checks them. */
import { MalformedMessageError, MessageReader } from './protobuf.ts';
import type { EventData, ExpectedRevision } from '../event-store.ts';

const UINT64_MAX = 2n ** 64n - 1n;
const INT64_MAX = 2n ** 63n - 1n;
const JSON_TYPE = 'application/json';
const WINDOW_EVENTS = 32;

/** What a read asks for. Revisions and positions that are the unsigned maximum mean the end, as the real server has it. */
export interface ReadRequest {
  readonly source: { readonly stream: string; readonly from: bigint | 'start' | 'end' } | AllSource;
  readonly backwards: boolean;
  /** Undefined: a subscription. */
  readonly count: bigint | undefined;
  readonly filter: FilterRequest | undefined;
  /** Event ids as two numbers instead of as text. */
  readonly structuredIds: boolean;
}

export interface AllSource {
  readonly stream: undefined;
  readonly from: bigint | 'start' | 'end';
}

export interface FilterRequest {
  readonly by: 'stream' | 'type';
  readonly regex: string;
  readonly prefixes: readonly string[];
  /** Considered events from one checkpoint to the next. */
  readonly checkpointEveryEvents: number;
}

/** @throws MalformedMessageError for a message that is torn, or lacks an option the real server asks for */
export function decodeRead(bytes: Buffer): ReadRequest {
  const message = new MessageReader(bytes);
  let request: ReadRequest | undefined;
  while (message.next()) {
    if (message.field === 1) request = readOptions(message.message());
    else message.skip();
  }
  return request ?? missing('options');
}

function readOptions(options: MessageReader): ReadRequest {
  let source: ReadRequest['source'] | undefined;
  let backwards = false;
  let count: bigint | 'subscription' | undefined;
  let filter: FilterRequest | 'none' | undefined;
  let structuredIds: boolean | undefined;
  while (options.next()) {
    if (options.field === 1) source = streamSource(options.message());
    else if (options.field === 2) source = allSource(options.message());
    else if (options.field === 3) backwards = options.uint32() === 1;
    else if (options.field === 5) count = options.uint64();
    else if (options.field === 6) count = skipped(options, 'subscription');
    else if (options.field === 7) filter = filterOptions(options.message());
    else if (options.field === 8) filter = skipped(options, 'none');
    else if (options.field === 9) structuredIds = wantsStructuredIds(options.message());
    else options.skip();
  }
  if (structuredIds === undefined) return missing('uuid_option');
  if (source === undefined || count === undefined || filter === undefined)
    return missing('stream, count or filter option');
  const isSubscription = count === 'subscription';
  if (isSubscription && backwards) return missing('a subscription that goes forwards');
  if (filter !== 'none' && source.stream !== undefined) return missing('$all, which alone is filtered');
  return {
    ...{ source, backwards, structuredIds },
    count: count === 'subscription' ? undefined : count,
    filter: filter === 'none' ? undefined : filter,
  };
}

function streamSource(message: MessageReader): ReadRequest['source'] {
  let stream: string | undefined;
  let from: bigint | 'start' | 'end' | undefined;
  while (message.next()) {
    if (message.field === 1) stream = streamIdentifier(message.message());
    else if (message.field === 2) from = placeOf(message.uint64());
    else if (message.field === 3) from = skipped(message, 'start');
    else if (message.field === 4) from = skipped(message, 'end');
    else message.skip();
  }
  return { stream: stream ?? '', from: from ?? missing('revision_option') };
}

function allSource(message: MessageReader): AllSource {
  let from: bigint | 'start' | 'end' | undefined;
  while (message.next()) {
    if (message.field === 1) from = positionOption(message.message());
    else if (message.field === 2) from = skipped(message, 'start');
    else if (message.field === 3) from = skipped(message, 'end');
    else message.skip();
  }
  return { stream: undefined, from: from ?? missing('all_option') };
}

function positionOption(message: MessageReader): bigint | 'end' {
  let commit = 0n;
  let prepare = 0n;
  while (message.next()) {
    if (message.field === 1) commit = message.uint64();
    else if (message.field === 2) prepare = message.uint64();
    else message.skip();
  }
  if (commit < prepare) return missing('a prepare position at or before the commit position');
  return placeOf(commit);
}

function placeOf(value: bigint): bigint | 'end' {
  if (value === UINT64_MAX) return 'end';
  return value > INT64_MAX ? missing('a place of at most 2^63 - 1') : value;
}

function filterOptions(message: MessageReader): FilterRequest {
  let expression: Pick<FilterRequest, 'by' | 'regex' | 'prefixes'> | undefined;
  let window: number | undefined;
  let multiplier = 0;
  while (message.next()) {
    if (message.field === 1) expression = { by: 'stream', ...filterExpression(message.message()) };
    else if (message.field === 2) expression = { by: 'type', ...filterExpression(message.message()) };
    else if (message.field === 3) window = message.uint32();
    else if (message.field === 4) window = skipped(message, WINDOW_EVENTS);
    else if (message.field === 5) multiplier = message.uint32();
    else message.skip();
  }
  if (expression === undefined || window === undefined) return missing('filter or window');
  return { ...expression, checkpointEveryEvents: multiplier * window };
}

function filterExpression(message: MessageReader): { regex: string; prefixes: string[] } {
  let regex = '';
  const prefixes: string[] = [];
  while (message.next()) {
    if (message.field === 1) regex = message.text();
    else if (message.field === 2) prefixes.push(message.text());
    else message.skip();
  }
  return { regex, prefixes };
}

function wantsStructuredIds(message: MessageReader): boolean {
  let structured = true;
  while (message.next()) {
    structured = message.field === 1;
    message.skip();
  }
  return structured;
}

/** Where an append, a delete or a tombstone goes, and what it expects there. */
export interface WriteOptions {
  readonly stream: string;
  readonly expectedRevision: ExpectedRevision;
}

export type AppendRequest =
  | { readonly kind: 'options'; readonly options: WriteOptions }
  | { readonly kind: 'event'; readonly event: ProposedEvent };

/** @throws MalformedMessageError */
export function decodeAppend(bytes: Buffer): AppendRequest {
  const message = new MessageReader(bytes);
  let request: AppendRequest | undefined;
  while (message.next()) {
    if (message.field === 1) request = { kind: 'options', options: writeOptions(message.message()) };
    else if (message.field === 2) request = { kind: 'event', event: proposedEvent(message.message()) };
    else message.skip();
  }
  return request ?? missing('options or proposed_message');
}

/** Of a DeleteReq or a TombstoneReq, which are alike. @throws MalformedMessageError */
export function decodeDelete(bytes: Buffer): WriteOptions {
  const message = new MessageReader(bytes);
  let options: WriteOptions | undefined;
  while (message.next()) {
    if (message.field === 1) options = writeOptions(message.message());
    else message.skip();
  }
  return options ?? missing('options');
}

function writeOptions(message: MessageReader): WriteOptions {
  let stream = '';
  let expectedRevision: ExpectedRevision | undefined;
  while (message.next()) {
    if (message.field === 1) stream = streamIdentifier(message.message());
    else expectedRevision = expectedRevisionField(message, expectedRevision);
  }
  return { stream, expectedRevision: expectedRevision ?? missing('expected_stream_revision') };
}

/** Fields 2 to 5 of every request that writes. */
function expectedRevisionField(
  message: MessageReader,
  otherwise: ExpectedRevision | undefined,
): ExpectedRevision | undefined {
  if (message.field === 2) {
    const place = placeOf(message.uint64());
    return place === 'end' ? 'no-stream' : place;
  }
  const mode = ([undefined, undefined, undefined, 'no-stream', 'any', 'stream-exists'] as const)[message.field];
  message.skip();
  return mode ?? otherwise;
}

export interface BatchAppendRequest {
  /** As it came: it is answered as it came. */
  readonly correlation: Buffer;
  readonly correlationId: string;
  /** The first message of an append carries them. */
  readonly options: BatchAppendOptions | undefined;
  readonly events: readonly ProposedEvent[];
  readonly isFinal: boolean;
}

interface BatchAppendOptions {
  readonly stream: string | undefined;
  /** Undefined: the client named none. Refused by the handler, which can answer with the correlation id. */
  readonly expectedRevision: ExpectedRevision | undefined;
  /** How long the client waits: milliseconds from now. */
  readonly timeoutMs: number;
}

/** The correlation id could be read and the rest could not: the append is answered, the call goes on. */
export class BadAppendError extends Error {
  override readonly name = 'BadAppendError';
  readonly correlation: Buffer;
  readonly correlationId: string;
  constructor(correlation: Buffer, correlationId: string, cause: Error) {
    super(cause.message, { cause });
    this.correlation = correlation;
    this.correlationId = correlationId;
  }
}

/** @throws BadAppendError, MalformedMessageError */
export function decodeBatchAppend(bytes: Buffer, nowMs: number): BatchAppendRequest {
  const message = new MessageReader(bytes);
  let correlation: Buffer | undefined;
  let options: MessageReader | undefined;
  const proposed: MessageReader[] = [];
  let isFinal = false;
  while (message.next()) {
    if (message.field === 1) correlation = message.bytes();
    else if (message.field === 2) options = message.message();
    else if (message.field === 3) proposed.push(message.message());
    else if (message.field === 4) isFinal = message.bool();
    else message.skip();
  }
  if (correlation === undefined) return missing('correlation_id');
  const correlationId = uuid(new MessageReader(correlation));
  try {
    const events = proposed.map(proposedEvent);
    return { correlation, correlationId, events, isFinal, options: options && batchAppendOptions(options, nowMs) };
  } catch (error) {
    if (error instanceof Error) throw new BadAppendError(correlation, correlationId, error);
    throw error;
  }
}

function batchAppendOptions(message: MessageReader, nowMs: number): BatchAppendOptions {
  let stream: string | undefined;
  let expectedRevision: ExpectedRevision | undefined;
  let timeoutMs = Infinity;
  while (message.next()) {
    if (message.field === 1) stream = streamIdentifier(message.message());
    else if (message.field === 6) timeoutMs = milliseconds(message.message()) - nowMs;
    else if (message.field === 7) timeoutMs = milliseconds(message.message());
    else expectedRevision = expectedRevisionField(message, expectedRevision);
  }
  return { stream, expectedRevision, timeoutMs };
}

/** Of a google.protobuf Timestamp or Duration. */
function milliseconds(message: MessageReader): number {
  let seconds = 0n;
  let nanos = 0;
  while (message.next()) {
    if (message.field === 1) seconds = message.int64();
    else if (message.field === 2) nanos = Number(message.int64());
    else message.skip();
  }
  return Number(seconds) * 1_000 + nanos / 1_000_000;
}

export interface ProposedEvent extends Omit<EventData, 'type'> {
  /** Undefined where the client named none. */
  readonly type: string | undefined;
  readonly hasContentType: boolean;
}

function proposedEvent(message: MessageReader): ProposedEvent {
  let id: string | undefined;
  let type: string | undefined;
  let contentType: string | undefined;
  let metadata: Buffer = EMPTY;
  let data: Buffer = EMPTY;
  while (message.next()) {
    if (message.field === 1) id = uuid(message.message());
    else if (message.field === 2) {
      const [key, value] = mapEntry(message.message());
      if (key === 'type') type = value;
      else if (key === 'content-type') contentType = value;
    } else if (message.field === 3) metadata = message.bytes();
    else if (message.field === 4) data = message.bytes();
    else message.skip();
  }
  return {
    id: id ?? missing('id'),
    type,
    data,
    metadata,
    hasContentType: contentType !== undefined,
    contentType: contentType === JSON_TYPE ? JSON_TYPE : 'application/octet-stream',
  };
}

const EMPTY = Buffer.alloc(0);

function mapEntry(message: MessageReader): [key: string, value: string] {
  let key = '';
  let value = '';
  while (message.next()) {
    if (message.field === 1) key = message.text();
    else if (message.field === 2) value = message.text();
    else message.skip();
  }
  return [key, value];
}

/** A stream's name in UTF-8; bytes that are none are replaced, as the real server does. */
function streamIdentifier(message: MessageReader): string {
  let name = '';
  while (message.next()) {
    if (message.field === 3) name = message.text();
    else message.skip();
  }
  return name;
}

const UUID_TEXT = /^[{(]?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})[)}]?$/;

/** In lower case, whichever way it came. */
function uuid(message: MessageReader): string {
  let text: string | undefined;
  while (message.next()) {
    if (message.field === 1) text = structuredUuid(message.message());
    else if (message.field === 2) text = message.text();
    else message.skip();
  }
  const parts = UUID_TEXT.exec((text ?? '').trim().toLowerCase());
  return parts === null ? missing('a UUID') : parts.slice(1).join('-');
}

function structuredUuid(message: MessageReader): string {
  let most = 0n;
  let least = 0n;
  while (message.next()) {
    if (message.field === 1) most = message.uint64();
    else if (message.field === 2) least = message.uint64();
    else message.skip();
  }
  return most.toString(16).padStart(16, '0') + least.toString(16).padStart(16, '0');
}

function skipped<T>(message: MessageReader, value: T): T {
  message.skip();
  return value;
}

function missing(what: string): never {
  throw new MalformedMessageError(`The request lacks ${what}.`);
}
