/**
 * Keys of rows: values one after another, each with a byte for its type, so that bytes compare as MongoDB compares the
 * values: null, numbers, strings by their UTF-8 bytes, false, true. lmdb's own `ordered-binary` puts booleans before numbers.
 *
 * lmdb takes keys of 1,978 bytes. A longer string stands in its row by its beginning: behind the shorter ones that begin
 * so, among its like in the order of what follows it. Whoever finds a row looks into the document, which has it whole.
 */
import { createHash } from 'node:crypto';
import type { Scalar } from '../read-store.ts';

/** Fields of one index, `_id` among them, that are sure to fit into one key. */
export const INDEX_FIELDS_MAX = 6;
/** Bytes, escaped, of a string that stands in a row. */
const STRING_BYTES_MAX = 240;
/** Bytes, escaped, of an `_id`; a longer one keeps its beginning and has a hash for the rest, for it must stay one of its kind. */
const ID_BYTES_MAX = 600;
const ID_BEGINNING_BYTES = 560;

const NULL = 0x05;
const NUMBER = 0x10;
const STRING = 0x20;
const FALSE = 0x30;
const TRUE = 0x31;
/** Behind a whole string, and behind a cut one, below all that a string can hold. */
const END = 0x00;
const CUT = 0x01;
/** Before a byte that is too low to stand in a key; the byte follows, raised. */
const ESCAPE = 0x02;
const RAISED = 0x10;
/** Above every byte that a value begins with. */
const ABOVE = Buffer.of(0xff);

const ENDED = Buffer.of(END);
const CUT_OFF = Buffer.of(CUT);
const STRING_BEGUN = Buffer.of(STRING);

/** What a value is in a row. @throws Error for what is no scalar of JSON */
export function valueKey(value: Scalar): Buffer {
  if (value === null) return Buffer.of(NULL);
  if (typeof value === 'boolean') return Buffer.of(value ? TRUE : FALSE);
  if (typeof value === 'number') return numberKey(value);
  const bytes = escaped(value);
  return bytes.length <= STRING_BYTES_MAX
    ? Buffer.concat([STRING_BEGUN, bytes, ENDED])
    : Buffer.concat([STRING_BEGUN, beginning(bytes, STRING_BYTES_MAX), CUT_OFF]);
}

export function idKey(id: string): Buffer {
  const bytes = escaped(id);
  if (bytes.length <= ID_BYTES_MAX) return Buffer.concat([STRING_BEGUN, bytes, ENDED]);
  const hash = createHash('sha256').update(id).digest('hex');
  return Buffer.concat([STRING_BEGUN, beginning(bytes, ID_BEGINNING_BYTES), Buffer.from(hash), ENDED]);
}

/** Where a bound's value lies; where that is not all of it, rows at this key may be on either side of the bound. */
export interface BoundKey {
  readonly key: Buffer;
  readonly isWhole: boolean;
}

export function valueBoundKey(value: Scalar): BoundKey {
  const key = valueKey(value);
  return { key, isWhole: typeof value !== 'string' || key.at(-1) === END };
}

export function idBoundKey(id: string): BoundKey {
  const bytes = escaped(id);
  // Behind the beginning of a longer id is a hash, which has no order.
  if (bytes.length < ID_BEGINNING_BYTES - 1) return { key: idKey(id), isWhole: true };
  return { key: Buffer.concat([STRING_BEGUN, beginning(bytes, ID_BEGINNING_BYTES - 1)]), isWhole: false };
}

/** Behind every key that begins with this one. */
export function behind(prefix: Buffer): Buffer {
  return Buffer.concat([prefix, ABOVE]);
}

/** Before the key itself, and behind all that are less: a key's last byte is its lowest. */
export function before(key: Buffer): Buffer {
  return key.subarray(0, -1);
}

/** Before and behind all values of this one's type. */
export function typeBounds(value: Scalar): { readonly from: Buffer; readonly to: Buffer } {
  if (value === null) return { from: Buffer.of(NULL), to: Buffer.of(NULL + 1) };
  if (typeof value === 'boolean') return { from: Buffer.of(FALSE), to: Buffer.of(TRUE + 1) };
  const type = typeof value === 'number' ? NUMBER : STRING;
  return { from: Buffer.of(type), to: Buffer.of(type + 1) };
}

/** The bits of a double, turned so that they compare as bytes: the sign first, a negative one's all inverted. */
function numberKey(value: number): Buffer {
  if (!Number.isFinite(value)) throw new Error('A number that JSON cannot hold stands in no index.');
  const key = Buffer.alloc(9);
  key[0] = NUMBER;
  // There is one zero: -0 + 0 is 0.
  key.writeDoubleBE(value + 0, 1);
  const first = key.readUInt8(1);
  if (first < 0x80) key[1] = first | 0x80;
  else for (let at = 1; at < key.length; at++) key[at] = ~key.readUInt8(at) & 0xff;
  return key;
}

function escaped(text: string): Buffer {
  const bytes = Buffer.from(text);
  let low = 0;
  for (const byte of bytes) if (byte <= ESCAPE) low += 1;
  if (low === 0) return bytes;
  const key = Buffer.alloc(bytes.length + low);
  let at = 0;
  for (const byte of bytes) {
    if (byte <= ESCAPE) key[at++] = ESCAPE;
    key[at++] = byte <= ESCAPE ? byte + RAISED : byte;
  }
  return key;
}

/** At most so many bytes, and no half of an escape. */
function beginning(bytes: Buffer, length: number): Buffer {
  return bytes.subarray(0, bytes[length - 1] === ESCAPE ? length - 1 : length);
}
