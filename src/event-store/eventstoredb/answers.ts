/** The answers of the Streams service, decoded by hand: this is the path of every append, read and subscription. */
import { MessageReader } from '../node/protobuf.ts';
import { WrongExpectedRevisionError } from '../errors.ts';
import type { ExpectedRevision, RecordedEvent } from '../event-store.ts';

const TICK_DIGITS = 4;
const JSON_TYPE = 'application/json';
const EMPTY = new Uint8Array(0);

export type ReadAnswer =
  | { readonly kind: 'event'; readonly event: RecordedEvent }
  | { readonly kind: 'confirmation' | 'stream-not-found' | 'caught-up' | 'fell-behind' | 'other' }
  | { readonly kind: 'checkpoint'; readonly position: bigint };

/** @throws MalformedMessageError */
export function decodeReadAnswer(bytes: Buffer): ReadAnswer {
  const message = new MessageReader(bytes);
  let answer: ReadAnswer = { kind: 'other' };
  while (message.next()) {
    if (message.field === 1) answer = readEvent(message.message());
    else if (message.field === 3) answer = { kind: 'checkpoint', position: commitPosition(message.message()) };
    else {
      const kind = KINDS[message.field];
      message.skip();
      if (kind !== undefined) answer = { kind };
    }
  }
  return answer;
}

const KINDS: Readonly<Record<number, 'confirmation' | 'stream-not-found' | 'caught-up' | 'fell-behind'>> = {
  2: 'confirmation',
  4: 'stream-not-found',
  8: 'caught-up',
  9: 'fell-behind',
};

function readEvent(message: MessageReader): ReadAnswer {
  let answer: ReadAnswer = { kind: 'other' };
  while (message.next()) {
    if (message.field === 1) answer = { kind: 'event', event: recordedEvent(message.message()) };
    else message.skip();
  }
  return answer;
}

function recordedEvent(message: MessageReader): RecordedEvent {
  let id = '';
  let stream = '';
  let revision = 0n;
  let position = 0n;
  let type = '';
  let contentType = '';
  let createdTicks = '0';
  let metadata: Uint8Array = EMPTY;
  let data: Uint8Array = EMPTY;
  while (message.next()) {
    if (message.field === 1) id = uuid(message.message());
    else if (message.field === 2) stream = streamName(message.message());
    else if (message.field === 3) revision = message.uint64();
    else if (message.field === 5) position = message.uint64();
    else if (message.field === 6) {
      const [key, value] = mapEntry(message.message());
      if (key === 'type') type = value;
      else if (key === 'content-type') contentType = value;
      else if (key === 'created') createdTicks = value;
    } else if (message.field === 7) metadata = message.bytes();
    else if (message.field === 8) data = message.bytes();
    else message.skip();
  }
  return {
    ...{ stream, id, type, revision, position, data, metadata },
    // Ticks of 100 ns since 1970 are more than a number holds exactly; their last four digits are no whole millisecond.
    createdMs: Number(createdTicks.slice(0, -TICK_DIGITS)),
    contentType: contentType === JSON_TYPE ? JSON_TYPE : 'application/octet-stream',
  };
}

/** Asked for as text; a server may give two numbers all the same. */
function uuid(message: MessageReader): string {
  let text = '';
  while (message.next()) {
    if (message.field === 2) text = message.text();
    else if (message.field === 1) text = structuredUuid(message.message());
    else message.skip();
  }
  return text;
}

function structuredUuid(message: MessageReader): string {
  let most = 0n;
  let least = 0n;
  while (message.next()) {
    if (message.field === 1) most = message.uint64();
    else if (message.field === 2) least = message.uint64();
    else message.skip();
  }
  const hex = most.toString(16).padStart(16, '0') + least.toString(16).padStart(16, '0');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function streamName(message: MessageReader): string {
  let name = '';
  while (message.next()) {
    if (message.field === 3) name = message.text();
    else message.skip();
  }
  return name;
}

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

function commitPosition(message: MessageReader): bigint {
  let commit = 0n;
  while (message.next()) {
    if (message.field === 1) commit = message.uint64();
    else message.skip();
  }
  return commit;
}

/** `position` of a delete or a tombstone, which has it in field 1. */
export function decodeDeleted(bytes: Buffer): bigint | undefined {
  const message = new MessageReader(bytes);
  let position: bigint | undefined;
  while (message.next()) {
    if (message.field === 1) position = commitPosition(message.message());
    else message.skip();
  }
  return position;
}

export interface AppendFailure {
  /** `event_store.client.WrongExpectedVersion`, …: the name of the packed message; '' where there is none. */
  readonly type: string;
  readonly code: number;
  readonly message: string;
  readonly detail: Buffer;
}

export interface BatchAppendAnswer {
  readonly correlationId: string;
  readonly failure: AppendFailure | undefined;
  readonly success: { readonly revision: bigint; readonly position: bigint | undefined } | undefined;
}

/** @throws MalformedMessageError */
export function decodeBatchAppendAnswer(bytes: Buffer): BatchAppendAnswer {
  const message = new MessageReader(bytes);
  let correlationId = '';
  let failure: AppendFailure | undefined;
  let success: BatchAppendAnswer['success'];
  while (message.next()) {
    if (message.field === 1) correlationId = uuid(message.message());
    else if (message.field === 2) failure = appendFailure(message.message());
    else if (message.field === 3) success = appended(message.message());
    else message.skip();
  }
  return { correlationId, failure, success };
}

function appended(message: MessageReader): BatchAppendAnswer['success'] {
  let revision = -1n;
  let position: bigint | undefined;
  while (message.next()) {
    if (message.field === 1) revision = message.uint64();
    else if (message.field === 3) position = commitPosition(message.message());
    else message.skip();
  }
  return { revision, position };
}

function appendFailure(message: MessageReader): AppendFailure {
  let code = 0;
  let text = '';
  let type = '';
  let detail: Buffer = Buffer.alloc(0);
  while (message.next()) {
    if (message.field === 1) code = message.uint32();
    else if (message.field === 2) text = message.text();
    else if (message.field === 3) {
      const any = message.message();
      while (any.next()) {
        if (any.field === 1) type = any.text().replace(/^.*\//, '');
        else if (any.field === 2) detail = any.bytes();
        else any.skip();
      }
    } else message.skip();
  }
  return { type, code, message: text, detail };
}

/** Of `event_store.client.WrongExpectedVersion`: what the stream is at. */
export function wrongExpectedRevision(stream: string, expected: ExpectedRevision, detail: Buffer): Error {
  const message = new MessageReader(detail);
  let actual = -1n;
  while (message.next()) {
    if (message.field === 1) actual = message.uint64();
    else message.skip();
  }
  return new WrongExpectedRevisionError(stream, expected, actual);
}

/** A message of one number or one text in field 1. */
export function decodeNumber(detail: Buffer): number {
  const message = new MessageReader(detail);
  let value = 0;
  while (message.next()) {
    if (message.field === 1) value = message.uint32();
    else message.skip();
  }
  return value;
}

export function decodeText(detail: Buffer): string {
  const message = new MessageReader(detail);
  let value = '';
  while (message.next()) {
    if (message.field === 1) value = message.text();
    else message.skip();
  }
  return value;
}
