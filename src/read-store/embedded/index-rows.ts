/** Which rows a document has in the indexes of its collection, and which of them a write changes. */
import { isScalar } from '../index-walk.ts';
import type { CollectionSchema, IndexSchema, Scalar, StoredDocument } from '../read-store.ts';
import { INDEX_FIELDS_MAX, idKey, valueKey } from './row-keys.ts';

/** More would need a wider prefix. */
const INDEXES_MAX = 255;

export interface RowChanges {
  readonly removed: readonly Buffer[];
  readonly added: readonly Buffer[];
}

/** @throws Error where an index cannot be kept as declared */
export function checkIndexes({ name, indexes }: CollectionSchema): void {
  if (indexes.length > INDEXES_MAX) throw new Error(`${name} has more than ${INDEXES_MAX} indexes.`);
  for (const { name: index, fields } of indexes) {
    if (fields.at(-1) !== '_id') throw new Error(`The index ${index} of ${name} does not end in _id.`);
    if (new Set(fields).size !== fields.length || fields.length > INDEX_FIELDS_MAX)
      throw new Error(`The index ${index} of ${name} repeats a field or has more than ${INDEX_FIELDS_MAX}.`);
  }
}

/** What stands before all rows of the index at this place among the collection's. */
export function indexPrefix(place: number): Buffer {
  return Buffer.of(place + 1);
}

export function rowChanges(
  indexes: readonly IndexSchema[],
  before: StoredDocument | undefined,
  after: StoredDocument | undefined,
): RowChanges {
  const removed = rowsOf(indexes, before);
  const added = rowsOf(indexes, after);
  for (const row of removed.keys()) if (added.delete(row)) removed.delete(row);
  return { removed: [...removed.values()], added: [...added.values()] };
}

/** By their bytes as text, so that two of the same are one. */
function rowsOf(indexes: readonly IndexSchema[], document: StoredDocument | undefined): Map<string, Buffer> {
  const rows = new Map<string, Buffer>();
  if (document === undefined) return rows;
  for (const [place, index] of indexes.entries()) {
    if (!isIn(index, document)) continue;
    for (const row of keysIn(index, document, indexPrefix(place))) rows.set(row.toString('latin1'), row);
  }
  return rows;
}

function isIn({ partial = {} }: IndexSchema, document: StoredDocument): boolean {
  return Object.entries(partial).every(([field, value]) => (fieldOf(document, field) ?? null) === value);
}

/** @throws Error for a field that holds neither scalars nor a list of them, and for a second list */
function keysIn({ name, fields }: IndexSchema, document: StoredDocument, prefix: Buffer): Buffer[] {
  let keys: Buffer[][] = [[prefix]];
  let lists = 0;
  for (const field of fields) {
    const value = field === '_id' ? document._id : (fieldOf(document, field) ?? null);
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (Array.isArray(value)) lists += 1;
    if (lists > 1 || !values.every(isScalar)) throw new Error(`${field} is not what the index ${name} can hold.`);
    const encoded = values.map(each => (field === '_id' ? idKey(document._id) : valueKey(each)));
    keys = keys.flatMap(key => encoded.map(each => [...key, each]));
  }
  return keys.map(parts => Buffer.concat(parts));
}

export function fieldOf(document: StoredDocument, field: string): unknown {
  return (document as unknown as Readonly<Record<string, Scalar | object | undefined>>)[field];
}
