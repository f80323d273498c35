/** Looks at a file of lmdb before lmdb does, which trusts it. */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';

const LMDB_MAGIC = 0xbeefc0de;
const META_OFFSET = 24;
const PAGE_BYTES_MAX = 65_536;

/**
 * Whether lmdb's file can be mapped at all: its two meta pages are whole and every page they speak of is in the file.
 * lmdb itself would open a cut-off file and fault on the first page that is gone. True where there is no file yet.
 */
export function lmdbFileIsWhole(file: string): boolean {
  if (!existsSync(file)) return true;
  const bytes = statSync(file).size;
  const head = Buffer.alloc(2 * PAGE_BYTES_MAX);
  const fd = openSync(file, 'r');
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  const pageBytes = head.readUInt32LE(META_OFFSET + 24);
  if (pageBytes < 512 || pageBytes > PAGE_BYTES_MAX) return false;
  return [0, pageBytes].every(page => {
    if (head.readUInt32LE(page + META_OFFSET) !== LMDB_MAGIC) return false;
    const lastPage = Number(head.readBigUInt64LE(page + META_OFFSET + 120));
    return (lastPage + 1) * pageBytes <= bytes;
  });
}
