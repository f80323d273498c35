/** What a walk must answer, by the book and with no index at all: every document is looked at, and all are sorted. */
import type { ResolvedWalk } from '../../src/read-store/index-walk.ts';
import type { IndexWalk, Scalar, StoredDocument } from '../../src/read-store/read-store.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The documents that the walk would come by were there no `where` and no limit, in its order. */
export function selectAndSort<Document extends StoredDocument>(
  documents: Iterable<Document>,
  { index, leading, trailing, bounds, after }: ResolvedWalk,
  direction: IndexWalk['direction'],
): Document[] {
  const sign = direction === 'forwards' ? 1 : -1;
  const placeOf = (document: Document): Scalar[] => trailing.map(field => one(document, field));
  return [...documents]
    .filter(document => Object.entries(index.partial ?? {}).every(([field, value]) => one(document, field) === value))
    .filter(document => leading.every((value, i) => all(document, index.fields[i] ?? '').some(each => each === value)))
    .filter(document =>
      bounds.every(({ comparison, value }) => {
        const mine = one(document, trailing[0] ?? '');
        if (rank(mine) !== rank(value)) return false;
        const order = compareScalars(mine, value);
        return { gt: order > 0, gte: order >= 0, lt: order < 0, lte: order <= 0 }[comparison];
      }),
    )
    .filter(document => after === undefined || sign * comparePlaces(placeOf(document), after) > 0)
    .sort((a, b) => sign * comparePlaces(placeOf(a), placeOf(b)));
}

/** A MongoDB filter over scalar fields, as MongoDB's manual has it. */
export function matches(document: StoredDocument, where: Readonly<Record<string, unknown>> = {}): boolean {
  return Object.entries(where).every(([field, condition]) => {
    const present = Object.hasOwn(document, field);
    const mine = one(document, field);
    if (condition === null || typeof condition !== 'object') return mine === condition;
    return Object.entries(condition).every(([operator, value]) => {
      if (operator === '$exists') return present === value;
      if (operator === '$in') return (value as Scalar[]).includes(mine);
      if (operator === '$ne') return mine !== value;
      if (rank(mine) !== rank(value as Scalar)) return false;
      const order = compareScalars(mine, value as Scalar);
      return { $gt: order > 0, $gte: order >= 0, $lt: order < 0, $lte: order <= 0 }[operator] ?? false;
    });
  });
}

/** Null, numbers, strings by their UTF-8 bytes, false, true. */
export function compareScalars(a: Scalar, b: Scalar): number {
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b as string));
  return Number(a) - Number(b);
}

function comparePlaces(a: readonly Scalar[], b: readonly Scalar[]): number {
  for (const [i, value] of a.entries()) {
    const order = compareScalars(value, b[i] ?? null);
    if (order !== 0) return order;
  }
  return 0;
}

function rank(value: Scalar): number {
  return value === null ? 0 : { number: 1, string: 2, boolean: 3 }[typeof value as 'number' | 'string' | 'boolean'];
}

function one(document: StoredDocument, field: string): Scalar {
  const value = (document as unknown as Fields)[field] ?? null;
  if (typeof value === 'object' && value !== null) throw new Error(`${field} is not one value, and has no one place.`);
  return value as Scalar;
}

function all(document: StoredDocument, field: string): Scalar[] {
  const value = (document as unknown as Fields)[field] ?? null;
  return Array.isArray(value) ? (value as Scalar[]) : [value as Scalar];
}
