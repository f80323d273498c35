/** Where in the rows a walk begins and ends. */
import type { Bound, ResolvedWalk } from '../index-walk.ts';
import type { IndexWalk, Scalar, StoredDocument } from '../read-store.ts';
import { fieldOf } from './index-rows.ts';
import { before, behind, idBoundKey, idKey, typeBounds, valueBoundKey, valueKey } from './row-keys.ts';
import { compareScalars, sameType } from './scalar-order.ts';

/** Rows from `start` to `end`, which are themselves the keys of no row. */
export interface ScanRange {
  readonly start: Buffer;
  readonly end: Buffer;
  readonly reverse: boolean;
}

/** `prefix`: what stands before all rows of the index. */
export function scanRange(walk: ResolvedWalk, direction: IndexWalk['direction'], prefix: Buffer): ScanRange {
  const within = Buffer.concat([prefix, ...walk.leading.map((value, i) => keyOf(walk.index.fields[i] ?? '', value))]);
  let low: Buffer = within;
  let high: Buffer = behind(within);
  for (const bound of walk.bounds) {
    const [from, to] = boundRange(within, walk.trailing[0] ?? '', bound);
    if (Buffer.compare(from, low) > 0) low = from;
    if (Buffer.compare(to, high) < 0) high = to;
  }
  if (walk.after !== undefined) {
    const place = Buffer.concat([within, ...walk.after.map((value, i) => keyOf(walk.trailing[i] ?? '', value))]);
    const next = direction === 'forwards' ? behind(place) : before(place);
    if (direction === 'forwards' && Buffer.compare(next, low) > 0) low = next;
    if (direction === 'backwards' && Buffer.compare(next, high) < 0) high = next;
  }
  return direction === 'forwards'
    ? { start: low, end: high, reverse: false }
    : { start: high, end: low, reverse: true };
}

/**
 * Whether the document is what the row was found for: a row may have only the beginning of a string.
 *
 * @throws Error for a document with a list where the walk wants one place: it would be come by several times
 */
export function isMeant(document: StoredDocument, { index, leading, trailing, bounds }: ResolvedWalk): boolean {
  for (const field of trailing)
    if (Array.isArray(fieldOf(document, field)))
      throw new Error(`A walk along ${index.name} must say what ${field} equals: it holds a list.`);
  return (
    leading.every((value, i) => {
      const mine = fieldOf(document, index.fields[i] ?? '') ?? null;
      return Array.isArray(mine) ? mine.includes(value) : mine === value;
    }) && bounds.every(bound => isWithin(fieldOf(document, trailing[0] ?? '') as Scalar | undefined, bound))
  );
}

function isWithin(mine: Scalar = null, { comparison, value }: Bound): boolean {
  if (!sameType(mine, value)) return false;
  const order = compareScalars(mine, value);
  return { gt: order > 0, gte: order >= 0, lt: order < 0, lte: order <= 0 }[comparison];
}

/** With the bound's own rows inside where its key has not all of its value, for they may be on either side of it. */
function boundRange(within: Buffer, field: string, { comparison, value }: Bound): [from: Buffer, to: Buffer] {
  const { key, isWhole } = field === '_id' ? idBoundKey(String(value)) : valueBoundKey(value);
  const at = Buffer.concat([within, key]);
  const type = typeBounds(value);
  if (comparison === 'gt' || comparison === 'gte')
    return [comparison === 'gt' && isWhole ? behind(at) : at, Buffer.concat([within, type.to])];
  return [Buffer.concat([within, type.from]), comparison === 'lt' && isWhole ? at : behind(at)];
}

function keyOf(field: string, value: Scalar): Buffer {
  return field === '_id' ? idKey(String(value)) : valueKey(value);
}
