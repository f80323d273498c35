/**
 * One event on disk. Little-endian, so that a record can be checked and read on its own, walked forwards by its
 * length and backwards by the same length at its end:
 *
 *   0 length u32 | 4 crc32 u32 of the bytes [8, length-4) | 8 position u64 | 16 revision u64 | 24 created f64 (ms)
 *   32 event id 16 bytes | 48 bytes since the group began u32 | 52 flags u8 | 53 zero | 54 stream length u16
 *   56 type length u16 | 58 zero u16 | 60 data length u32 | 64 metadata length u32
 *   68 stream, type, data, metadata | length u32 again
 *
 * The position is the record's own byte offset in the log as a whole, so stale or misplaced bytes are never taken for
 * a record. A group is what one write and one sync brought; the next group is written only after it, which tells a
 * torn tail (nothing of a later group follows) from damage (something does).
 */
import { crc32 } from 'node:zlib';
import type { RecordedEvent } from '../event-store.ts';

export const RECORD_HEADER_BYTES = 68;
const TRAILER_BYTES = 4;
export const RECORD_OVERHEAD_BYTES = RECORD_HEADER_BYTES + TRAILER_BYTES;

const FLAG_LAST_OF_APPEND = 1;
const FLAG_JSON = 2;
/** A stub: what scavenging left of an event that nobody can read any more. It has no type, data or metadata. */
const FLAG_SCAVENGED = 4;
const TWO_32 = 2 ** 32;

/** The revision of `$streamDeleted`: int64's maximum, as EventStoreDB has it. */
const TOMBSTONE_REVISION = 2n ** 63n - 1n;
/** The same inside, where revisions are numbers: above every real one. */
export const TOMBSTONE = Number.POSITIVE_INFINITY;

export interface RecordParts {
  readonly revision: number;
  readonly createdMs: number;
  readonly id: string;
  readonly lastOfAppend: boolean;
  readonly json: boolean;
  readonly stream: Uint8Array;
  readonly type: Uint8Array;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

export function recordBytes(streamBytes: number, typeBytes: number, dataBytes: number, metadataBytes: number): number {
  return RECORD_OVERHEAD_BYTES + streamBytes + typeBytes + dataBytes + metadataBytes;
}

/**
 * Writes one record and returns the offset after it. The caller has made room.
 * @param target a group's buffer; the record stands at `at` bytes of the group
 * @param position the record's position in the log
 */
export function encodeRecord(target: Buffer, at: number, position: number, parts: RecordParts): number {
  const { stream, type, data, metadata } = parts;
  const length = recordBytes(stream.length, type.length, data.length, metadata.length);
  const tombstone = parts.revision === TOMBSTONE;
  target.writeUInt32LE(length, at);
  target.writeUInt32LE(position % TWO_32, at + 8);
  target.writeUInt32LE(Math.floor(position / TWO_32), at + 12);
  target.writeUInt32LE(tombstone ? 0xffffffff : parts.revision % TWO_32, at + 16);
  target.writeUInt32LE(tombstone ? 0x7fffffff : Math.floor(parts.revision / TWO_32), at + 20);
  target.writeDoubleLE(parts.createdMs, at + 24);
  writeUuid(target, at + 32, parts.id);
  target.writeUInt32LE(at, at + 48);
  target.writeUInt16LE((parts.lastOfAppend ? FLAG_LAST_OF_APPEND : 0) | (parts.json ? FLAG_JSON : 0), at + 52);
  target.writeUInt16LE(stream.length, at + 54);
  target.writeUInt32LE(type.length, at + 56);
  target.writeUInt32LE(data.length, at + 60);
  target.writeUInt32LE(metadata.length, at + 64);
  let next = at + RECORD_HEADER_BYTES;
  target.set(stream, next);
  next += stream.length;
  target.set(type, next);
  next += type.length;
  target.set(data, next);
  next += data.length;
  target.set(metadata, next);
  next += metadata.length;
  target.writeUInt32LE(length, next);
  target.writeUInt32LE(crc32(target.subarray(at + 8, next)), at + 4);
  return next + TRAILER_BYTES;
}

const HEX_VALUE = new Uint8Array(128);
for (let i = 0; i < 16; i++) {
  HEX_VALUE[i.toString(16).charCodeAt(0)] = i;
  HEX_VALUE[i.toString(16).toUpperCase().charCodeAt(0)] = i;
}

function writeUuid(target: Buffer, at: number, uuid: string): void {
  let from = 0;
  for (let i = 0; i < 16; i++) {
    if (uuid.charCodeAt(from) === 45) from++;
    const high = HEX_VALUE[uuid.charCodeAt(from)] ?? 0;
    const low = HEX_VALUE[uuid.charCodeAt(from + 1)] ?? 0;
    target[at + i] = (high << 4) | low;
    from += 2;
  }
}

function readUuid(source: Buffer, at: number): string {
  const hex = source.toString('hex', at, at + 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function readNumber(source: Buffer, at: number): number {
  return source.readUInt32LE(at + 4) * TWO_32 + source.readUInt32LE(at);
}

/**
 * A record inside a buffer that has passed `recordAt`. Fields are decoded when they are asked for: a scan that filters
 * by stream touches little else.
 */
export class LogRecord implements RecordedEvent {
  private readonly buffer: Buffer;
  private readonly at: number;
  private streamMemo: string | undefined;
  private typeMemo: string | undefined;

  constructor(buffer: Buffer, at: number) {
    this.buffer = buffer;
    this.at = at;
  }

  get length(): number {
    return this.buffer.readUInt32LE(this.at);
  }
  get positionNumber(): number {
    return readNumber(this.buffer, this.at + 8);
  }
  get position(): bigint {
    return BigInt(this.positionNumber);
  }
  /** TOMBSTONE for `$streamDeleted`. */
  get revisionNumber(): number {
    return this.buffer.readUInt32LE(this.at + 20) === 0x7fffffff ? TOMBSTONE : readNumber(this.buffer, this.at + 16);
  }
  get revision(): bigint {
    const revision = this.revisionNumber;
    return revision === TOMBSTONE ? TOMBSTONE_REVISION : BigInt(revision);
  }
  get createdMs(): number {
    return this.buffer.readDoubleLE(this.at + 24);
  }
  get id(): string {
    return readUuid(this.buffer, this.at + 32);
  }
  /** Position at which the group of this record began. */
  get groupPosition(): number {
    return this.positionNumber - this.buffer.readUInt32LE(this.at + 48);
  }
  get lastOfAppend(): boolean {
    return (this.buffer.readUInt8(this.at + 52) & FLAG_LAST_OF_APPEND) !== 0;
  }
  /** Only its stream, revision and id are left: no reader is shown it. */
  get scavenged(): boolean {
    return (this.buffer.readUInt8(this.at + 52) & FLAG_SCAVENGED) !== 0;
  }
  get contentType(): RecordedEvent['contentType'] {
    return (this.buffer.readUInt8(this.at + 52) & FLAG_JSON) !== 0 ? 'application/json' : 'application/octet-stream';
  }
  private get streamBytes(): number {
    return this.buffer.readUInt16LE(this.at + 54);
  }
  private get typeBytes(): number {
    return this.buffer.readUInt16LE(this.at + 56);
  }
  private get dataStart(): number {
    return this.at + RECORD_HEADER_BYTES + this.streamBytes + this.typeBytes;
  }
  get stream(): string {
    const start = this.at + RECORD_HEADER_BYTES;
    return (this.streamMemo ??= this.buffer.toString('utf8', start, start + this.streamBytes));
  }
  get type(): string {
    if (this.typeMemo !== undefined) return this.typeMemo;
    const end = this.dataStart;
    return (this.typeMemo = this.buffer.toString('utf8', end - this.typeBytes, end));
  }
  get data(): Uint8Array {
    const start = this.dataStart;
    return this.buffer.subarray(start, start + this.buffer.readUInt32LE(this.at + 60));
  }
  get metadata(): Uint8Array {
    const start = this.dataStart + this.buffer.readUInt32LE(this.at + 60);
    return this.buffer.subarray(start, start + this.buffer.readUInt32LE(this.at + 64));
  }
  /** What its stub takes. */
  get stubLength(): number {
    return RECORD_OVERHEAD_BYTES + this.streamBytes;
  }
  /** Copies the record as it stands; gives the offset after it. */
  copyTo(target: Buffer, at: number): number {
    return at + this.buffer.copy(target, at, this.at, this.at + this.length);
  }
  /** Writes the stub of this event, which bears the same position; gives the offset after it. */
  stubTo(target: Buffer, at: number): number {
    const { stubLength } = this;
    const trailer = at + stubLength - TRAILER_BYTES;
    this.buffer.copy(target, at, this.at, this.at + stubLength - TRAILER_BYTES);
    target.writeUInt32LE(stubLength, at);
    target.writeUInt8(target.readUInt8(at + 52) | FLAG_SCAVENGED, at + 52);
    target.writeUInt16LE(0, at + 56);
    target.writeUInt32LE(0, at + 60);
    target.writeUInt32LE(0, at + 64);
    target.writeUInt32LE(stubLength, trailer);
    target.writeUInt32LE(crc32(target.subarray(at + 8, trailer)), at + 4);
    return at + stubLength;
  }
  /** Whether the stream's name (or the type) begins with these bytes; cheaper than decoding it. */
  beginsWith(by: 'stream' | 'type', prefix: Uint8Array): boolean {
    const streamStart = this.at + RECORD_HEADER_BYTES;
    const start = by === 'stream' ? streamStart : streamStart + this.streamBytes;
    if (prefix.length > (by === 'stream' ? this.streamBytes : this.typeBytes)) return false;
    for (let i = 0; i < prefix.length; i++) if (this.buffer[start + i] !== prefix[i]) return false;
    return true;
  }
}

/** What stands at an offset of a buffer that holds log bytes. `incomplete`: the buffer ends inside it. */
export type RecordAt =
  | { readonly kind: 'record'; readonly record: LogRecord; readonly length: number }
  | { readonly kind: 'incomplete'; readonly bytesNeeded: number }
  | { readonly kind: 'damaged'; readonly what: string };

/** The position that a record at this offset says it has; undefined where the buffer ends before it says. */
export function positionAt(buffer: Buffer, at: number): number | undefined {
  return at + RECORD_HEADER_BYTES > buffer.length ? undefined : readNumber(buffer, at + 8);
}

/** @param position the position that a record here must bear */
export function recordAt(buffer: Buffer, at: number, position: number, recordBytesMax: number): RecordAt {
  if (at + RECORD_HEADER_BYTES > buffer.length) return { kind: 'incomplete', bytesNeeded: RECORD_HEADER_BYTES };
  const length = buffer.readUInt32LE(at);
  if (length < RECORD_OVERHEAD_BYTES || length > recordBytesMax) {
    return { kind: 'damaged', what: `a record length of ${length}` };
  }
  if (at + length > buffer.length) return { kind: 'incomplete', bytesNeeded: length };
  const trailer = at + length - TRAILER_BYTES;
  if (crc32(buffer.subarray(at + 8, trailer)) !== buffer.readUInt32LE(at + 4)) {
    return { kind: 'damaged', what: 'a record fails its checksum' };
  }
  const record = new LogRecord(buffer, at);
  if (record.positionNumber !== position) {
    return { kind: 'damaged', what: `a record of position ${record.positionNumber} where ${position} belongs` };
  }
  if (buffer.readUInt32LE(trailer) !== length) return { kind: 'damaged', what: 'a record whose two lengths differ' };
  return { kind: 'record', record, length };
}
