/**
 * The 64 bytes a segment file begins with, in two formats. As written (1) a record stands at its position; compacted (2)
 * what scavenging dropped is gone, and a table behind the records leads from positions to offsets.
 *
 *   'VERBATIM' | format u32 | zero u32 | storage id 16 bytes | base u64 | … | crc32 u32 of the 60 bytes before
 *   format 2, from 40: bytes of the log that the segment stands for u64 | offset of the table u64
 */
import { open, type FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { CorruptLogError } from '../errors.ts';

export const SEGMENT_HEADER_BYTES = 64;
const MAGIC = Buffer.from('VERBATIM');
const FORMAT_WRITTEN = 1;
const FORMAT_COMPACTED = 2;

export interface SegmentHeader {
  readonly storageId: Buffer;
  readonly base: number;
  readonly compacted?: { readonly logBytes: number; readonly tableOffset: number } | undefined;
}

export function encodeHeader({ storageId, base, compacted }: SegmentHeader): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(header, 0);
  header.writeUInt32LE(compacted ? FORMAT_COMPACTED : FORMAT_WRITTEN, 8);
  storageId.copy(header, 16);
  header.writeBigUInt64LE(BigInt(base), 32);
  if (compacted) {
    header.writeBigUInt64LE(BigInt(compacted.logBytes), 40);
    header.writeBigUInt64LE(BigInt(compacted.tableOffset), 48);
  }
  header.writeUInt32LE(crc32(header.subarray(0, 60)), 60);
  return header;
}

/** The header, and the size of the very file that it was read from. @throws CorruptLogError */
export async function readHeader(file: string): Promise<SegmentHeader & { readonly fileBytes: number }> {
  const handle = await open(file, 'r');
  try {
    return { ...(await readHeaderOf(handle, file)), fileBytes: (await handle.stat()).size };
  } finally {
    await handle.close();
  }
}

/** @throws CorruptLogError */
export async function readHeaderOf(handle: FileHandle, file: string): Promise<SegmentHeader> {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  const { bytesRead } = await handle.read(header, 0, SEGMENT_HEADER_BYTES, 0);
  if (bytesRead < SEGMENT_HEADER_BYTES || !header.subarray(0, 8).equals(MAGIC)) {
    throw new CorruptLogError(file, 0, 'this is not a segment of a Verbatim log');
  }
  if (crc32(header.subarray(0, 60)) !== header.readUInt32LE(60)) {
    throw new CorruptLogError(file, 0, 'the segment header fails its checksum');
  }
  const format = header.readUInt32LE(8);
  if (format !== FORMAT_WRITTEN && format !== FORMAT_COMPACTED) {
    throw new CorruptLogError(file, 8, `log format ${format}; this program reads formats 1 and 2`);
  }
  const compacted =
    format === FORMAT_COMPACTED
      ? { logBytes: Number(header.readBigUInt64LE(40)), tableOffset: Number(header.readBigUInt64LE(48)) }
      : undefined;
  return { storageId: Buffer.from(header.subarray(16, 32)), base: Number(header.readBigUInt64LE(32)), compacted };
}
