/** A stream's metadata as EventStoreDB stores it: JSON ($maxCount, $maxAge, $tb) in a stream of its own, `$$<name>`. */
import type { StreamMetadata } from './event-store.ts';

/** EventStoreDB's mark of a soft delete: int64's maximum. */
export const SOFT_DELETED = 2n ** 63n - 1n;

/** A stream's metadata are events of this type in the stream of its name behind `$$`. */
export const METADATA_TYPE = '$metadata';

export function metadataStream(stream: string): string {
  return '$$' + stream;
}

export function isMetadataStream(stream: string): boolean {
  return stream.startsWith('$$');
}

/** The stream that a metadata stream is about. */
export function describedStream(metadataStreamName: string): string {
  return metadataStreamName.slice(2);
}

export function encodeMetadata(metadata: StreamMetadata): Buffer {
  const { maxCount, maxAgeSeconds, truncateBefore, custom } = metadata;
  const own = JSON.stringify({ ...custom, $maxCount: maxCount, $maxAge: maxAgeSeconds });
  if (truncateBefore === undefined) return Buffer.from(own);
  // JSON numbers carry int64 here; JSON.stringify would refuse a bigint and round a number.
  const tail = `"$tb":${String(truncateBefore)}}`;
  return Buffer.from(own === '{}' ? `{${tail}` : `${own.slice(0, -1)},${tail}`);
}

/** Undefined where the bytes are no JSON object: such metadata sets no limits. */
export function decodeMetadata(bytes: Uint8Array): StreamMetadata | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
  const { $maxCount, $maxAge, $tb, ...custom } = parsed as Record<string, unknown>;
  const truncateBefore = typeof $tb === 'number' && $tb >= 0 ? wholeNumber($tb) : undefined;
  return {
    ...(typeof $maxCount === 'number' ? { maxCount: $maxCount } : {}),
    ...(typeof $maxAge === 'number' ? { maxAgeSeconds: $maxAge } : {}),
    ...(truncateBefore === undefined ? {} : { truncateBefore }),
    ...(Object.keys(custom).length > 0 ? { custom } : {}),
  };
}

/** A JSON number of 2^53 or more has lost its last digits; the only one in use is the mark of a soft delete. */
function wholeNumber(value: number): bigint {
  return value >= Number.MAX_SAFE_INTEGER ? SOFT_DELETED : BigInt(Math.floor(value));
}
