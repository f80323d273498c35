/** What a change of a document costs a commit: rows of the store, and bytes. Estimates, but never far too low. */
import type { CollectionSchema, IndexSchema, StoredDocument } from '../read-store/read-store.ts';

/** The document's own row, and of each index those that it has before and after, as if they all went and came. */
export function rowsAtMost(
  { indexes }: CollectionSchema,
  before: StoredDocument | undefined,
  after: StoredDocument | undefined,
): number {
  return indexes.reduce((rows, index) => rows + rowsIn(index, before) + rowsIn(index, after), 1);
}

function field(document: StoredDocument, name: string): unknown {
  return (document as unknown as Readonly<Record<string, unknown>>)[name];
}

function rowsIn({ fields, partial }: IndexSchema, document: StoredDocument | undefined): number {
  if (document === undefined) return 0;
  if (partial !== undefined && Object.entries(partial).some(([name, value]) => field(document, name) !== value))
    return 0;
  for (const name of fields) {
    const value = field(document, name);
    if (Array.isArray(value)) return Math.max(1, value.length);
  }
  return 1;
}

/** What a name, a number or a place in a list takes, about. */
const VALUE_BYTES = 12;

/** As JSON, about. Characters count as one byte: most do, and bounds have room for those that do not. */
export function bytesOf(value: unknown): number {
  if (typeof value === 'string') return value.length + VALUE_BYTES;
  if (typeof value !== 'object' || value === null) return VALUE_BYTES;
  let bytes = VALUE_BYTES;
  if (Array.isArray(value)) for (const element of value) bytes += bytesOf(element);
  else for (const [name, inner] of Object.entries(value)) bytes += name.length + bytesOf(inner);
  return bytes;
}
