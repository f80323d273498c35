/** Writes of documents within a transaction, each as little as it can be. */
import type { AnyBulkWriteOperation, ClientSession, Collection } from 'mongodb';
import { UnavailableError } from '../../errors.ts';
import type { DocumentWrite } from '../read-store.ts';
import { differenceOf } from './document-difference.ts';
import { rowOf } from './stored-form.ts';
import type { Row } from './stored-form.ts';

/**
 * A document that was to be changed is not there, or was changed since it was loaded. Whoever is told so after the last try
 * loads it again, as after any failure of the store.
 */
export class StaleDocumentError extends UnavailableError {}

export interface WriteOptions {
  readonly session: ClientSession;
  /** Writes all of every document, whatever is there. */
  readonly whole: boolean;
}

/** @throws StaleDocumentError unless `whole` */
export async function writeDocuments(
  collection: Collection<Row>,
  writes: readonly DocumentWrite[],
  { session, whole }: WriteOptions,
): Promise<void> {
  const operations = writes.map(write => operationOf(write, whole));
  const result = await collection.bulkWrite(operations, { session, ordered: true });
  if (whole) return;
  const changing = operations.filter(operation => 'updateOne' in operation || 'replaceOne' in operation);
  if (result.matchedCount !== changing.length) throw new StaleDocumentError('A document is not what was loaded.');
}

function operationOf({ id, before, after }: DocumentWrite, whole: boolean): AnyBulkWriteOperation<Row> {
  if (after === undefined) return { deleteOne: { filter: { _id: id } } };
  if (after._id !== id) throw new Error('A document is written under an id that is not its own.');
  if (whole) return { replaceOne: { filter: { _id: id }, replacement: rowOf(after), upsert: true } };
  if (before === undefined) return { insertOne: { document: rowOf(after) } };
  const filter = { _id: id, position: before.position };
  const difference = differenceOf(before, after);
  return difference === undefined
    ? { replaceOne: { filter, replacement: rowOf(after) } }
    : { updateOne: { filter, update: difference } };
}
