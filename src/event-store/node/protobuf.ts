/**
 * The wire format of protocol buffers, as far as the messages of this node need it. Reading walks a message field by
 * field; writing goes backwards from the end of a buffer, so that the length of what is nested is known when its header is
 * written and nothing is measured or copied twice.
 */

/** The bytes are no protocol buffer, or not one of the expected shape. */
export class MalformedMessageError extends Error {
  override readonly name = 'MalformedMessageError';
}

const TWO_32 = 2 ** 32;
const VARINT_BYTES_MAX = 10;
const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;

export class MessageReader {
  private readonly buffer: Buffer;
  private at: number;
  private readonly end: number;
  private wire = WIRE_VARINT;
  /** The number of the field that stands next; its value is read by one of the methods below, or skipped. */
  field = 0;

  constructor(buffer: Buffer, at = 0, end = buffer.length) {
    this.buffer = buffer;
    this.at = at;
    this.end = end;
  }

  /** Moves on to the next field; false at the end of the message. @throws MalformedMessageError */
  next(): boolean {
    if (this.at >= this.end) return false;
    const tag = this.uint32Raw();
    this.field = tag >>> 3;
    this.wire = tag & 7;
    if (this.field === 0) throw new MalformedMessageError('a field without a number');
    return true;
  }

  uint64(): bigint {
    this.expect(WIRE_VARINT);
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < VARINT_BYTES_MAX * 7; shift += 7) {
      const byte = this.byte();
      const bits = byte & 0x7f;
      if (shift < 28) low += bits * 2 ** shift;
      else if (shift === 28) {
        low += (bits & 0x0f) * 2 ** 28;
        high = bits >>> 4;
      } else high = (high + bits * 2 ** (shift - 32)) % TWO_32;
      if (byte < 0x80) return (BigInt(high) << 32n) | BigInt(low);
    }
    throw new MalformedMessageError('a number of more than ten bytes');
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint64());
  }

  uint32(): number {
    this.expect(WIRE_VARINT);
    return this.uint32Raw();
  }

  bool(): boolean {
    return this.uint64() !== 0n;
  }

  /** A view of the message's own bytes. */
  bytes(): Buffer {
    const start = this.lengthDelimited();
    return this.buffer.subarray(start, this.at);
  }

  text(): string {
    const start = this.lengthDelimited();
    return this.buffer.toString('utf8', start, this.at);
  }

  message(): MessageReader {
    const start = this.lengthDelimited();
    return new MessageReader(this.buffer, start, this.at);
  }

  skip(): void {
    if (this.wire === WIRE_VARINT) this.uint64();
    else if (this.wire === WIRE_BYTES) this.lengthDelimited();
    else if (this.wire === WIRE_FIXED64) this.advance(8);
    else if (this.wire === WIRE_FIXED32) this.advance(4);
    else throw new MalformedMessageError(`a field of wire type ${this.wire}`);
  }

  private expect(wire: number): void {
    if (this.wire !== wire) throw new MalformedMessageError(`field ${this.field} has wire type ${this.wire}`);
  }

  private lengthDelimited(): number {
    this.expect(WIRE_BYTES);
    const length = this.uint32Raw();
    const start = this.at;
    this.advance(length);
    return start;
  }

  private advance(bytes: number): void {
    if (bytes > this.end - this.at) throw new MalformedMessageError('the message ends inside a field');
    this.at += bytes;
  }

  private byte(): number {
    const byte = this.at < this.end ? this.buffer[this.at] : undefined;
    if (byte === undefined) throw new MalformedMessageError('the message ends inside a number');
    this.at += 1;
    return byte;
  }

  /** The low 32 bits of a varint, as protocol buffers read a uint32. */
  private uint32Raw(): number {
    let value = 0;
    for (let index = 0; index < VARINT_BYTES_MAX; index += 1) {
      const byte = this.byte();
      if (index < 5) value |= (byte & 0x7f) << (index * 7);
      if (byte < 0x80) return value >>> 0;
    }
    throw new MalformedMessageError('a number of more than ten bytes');
  }
}

/** Fields are written last first: the one written last stands first in the message. */
export class MessageWriter {
  private readonly buffer: Buffer;
  private at: number;

  /** @param bytesMax room for everything; a writer never grows */
  constructor(bytesMax: number) {
    this.buffer = Buffer.allocUnsafe(bytesMax);
    this.at = bytesMax;
  }

  /** What has been written, without a copy. */
  finish(): Buffer {
    return this.buffer.subarray(this.at);
  }

  /** The end of a nested message that is about to be written: given to `message` once its fields stand. */
  mark(): number {
    return this.at;
  }

  message(field: number, mark: number): void {
    this.varint(mark - this.at);
    this.tag(field, WIRE_BYTES);
  }

  emptyMessage(field: number): void {
    this.message(field, this.at);
  }

  bytes(field: number, bytes: Uint8Array): void {
    const mark = this.at;
    this.at -= bytes.length;
    this.buffer.set(bytes, this.at);
    this.message(field, mark);
  }

  text(field: number, text: string): void {
    const mark = this.at;
    this.at -= Buffer.byteLength(text);
    this.buffer.write(text, this.at, 'utf8');
    this.message(field, mark);
  }

  uint(field: number, value: number | bigint): void {
    this.varint(value);
    this.tag(field, WIRE_VARINT);
  }

  /** An entry of a `map<string, string>`. */
  entry(field: number, key: string, value: string): void {
    const mark = this.at;
    this.text(2, value);
    this.text(1, key);
    this.message(field, mark);
  }

  private tag(field: number, wire: number): void {
    this.varint((field << 3) | wire);
  }

  private varint(value: number | bigint): void {
    if (typeof value === 'bigint') {
      if (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) value = Number(value);
      else {
        this.largeVarint(BigInt.asUintN(64, value));
        return;
      }
    }
    let bytes = 1;
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1;
    this.at -= bytes;
    let at = this.at;
    for (; value >= TWO_32; value = Math.floor(value / 0x80)) this.buffer[at++] = (value % 0x80) | 0x80;
    for (; value >= 0x80; value >>>= 7) this.buffer[at++] = (value & 0x7f) | 0x80;
    this.buffer[at] = value;
  }

  private largeVarint(value: bigint): void {
    const bytes: number[] = [];
    for (; value >= 0x80n; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
    bytes.push(Number(value));
    this.at -= bytes.length;
    this.buffer.set(bytes, this.at);
  }
}
