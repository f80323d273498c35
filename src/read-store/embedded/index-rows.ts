/** Which rows a document has in the indexes of its collection, and which of them a write changes. */
import { isScalar, standsTheSame } from '../index-walk.ts';
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
  // Most indexes have nothing to do with most changes.
  const touched = (index: IndexSchema): boolean =>
    before === undefined || after === undefined || !standsTheSame(index, before, after);
  const removed = rowsOf(indexes, touched, before);
  const added = rowsOf(indexes, touched, after);
  for (const row of removed.keys()) if (added.delete(row)) removed.delete(row);
  return { removed: [...removed.values()], added: [...added.values()] };
}

/** By their bytes as text, so that two of the same are one. */
function rowsOf(
  indexes: readonly IndexSchema[],
  touched: (index: IndexSchema) => boolean,
  document: StoredDocument | undefined,
): Map<string, Buffer> {
  const rows = new Map<string, Buffer>();
  if (document === undefined) return rows;
  const encode = fieldEncoder(document);
  for (const [place, index] of indexes.entries()) {
    if (!touched(index) || !isIn(index, document)) continue;
    for (const row of keysIn(index, encode, indexPrefix(place))) rows.set(row.toString('latin1'), row);
  }
  return rows;
}

function isIn({ partial }: IndexSchema, document: StoredDocument): boolean {
  if (partial === undefined) return true;
  return Object.entries(partial).every(([field, value]) => (fieldOf(document, field) ?? null) === value);
}

/** What a field's values are in keys; undefined where no key can hold them. */
type EncodeField = (field: string) => readonly Buffer[] | undefined;

/** Each field once: several indexes have the same ones. */
function fieldEncoder(document: StoredDocument): EncodeField {
  const known = new Map<string, readonly Buffer[] | undefined>();
  return field => {
    if (known.has(field)) return known.get(field);
    const encoded = encodeField(document, field);
    known.set(field, encoded);
    return encoded;
  };
}

function encodeField(document: StoredDocument, field: string): readonly Buffer[] | undefined {
  if (field === '_id') return [idKey(document._id)];
  const value = fieldOf(document, field) ?? null;
  if (!Array.isArray(value)) return isScalar(value) ? [valueKey(value)] : undefined;
  const elements: readonly unknown[] = value;
  return elements.every(isScalar) ? elements.map(valueKey) : undefined;
}

/** @throws Error for a field that holds neither scalars nor a list of them, and for a second list */
function keysIn({ name, fields }: IndexSchema, encode: EncodeField, prefix: Buffer): Buffer[] {
  let keys: Buffer[][] = [[prefix]];
  for (const field of fields) {
    const encoded = encode(field);
    if (encoded === undefined || (keys.length > 1 && encoded.length > 1))
      throw new Error(`${field} is not what the index ${name} can hold.`);
    const [only] = encoded;
    if (encoded.length === 1 && only !== undefined) for (const key of keys) key.push(only);
    else keys = keys.flatMap(key => encoded.map(each => [...key, each]));
  }
  return keys.map(parts => Buffer.concat(parts));
}

export function fieldOf(document: StoredDocument, field: string): unknown {
  return (document as unknown as Readonly<Record<string, Scalar | object | undefined>>)[field];
}
