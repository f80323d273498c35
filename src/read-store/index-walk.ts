/**
 * What a walk means against the declared indexes, before any engine sees it. A walk that does not fit them is a bug of
 * the query, never of what somebody asked for: so it throws a plain Error.
 */
import type {
  CollectionSchema,
  IndexSchema,
  IndexWalk,
  ProjectionSchema,
  Scalar,
  StoredDocument,
} from './read-store.ts';

type Comparison = 'gt' | 'gte' | 'lt' | 'lte';

/** A bound of the range; a value of another type than its own is outside of it, as in MongoDB. */
export interface Bound {
  readonly comparison: Comparison;
  readonly value: Scalar;
}

export interface ResolvedWalk {
  readonly index: IndexSchema;
  /** What the leading fields equal, in their order. */
  readonly leading: readonly Scalar[];
  /** The fields behind those; at least `_id`. */
  readonly trailing: readonly string[];
  /** Of the first of `trailing`. */
  readonly bounds: readonly Bound[];
  /** Values of all of `trailing`. */
  readonly after: readonly Scalar[] | undefined;
}

const COMPARISONS = ['gt', 'gte', 'lt', 'lte'] as const;
const WHERE_OPERATORS: ReadonlySet<string> = new Set(['$in', '$gt', '$gte', '$lt', '$lte', '$ne', '$exists']);
const ID_INDEX: IndexSchema = { name: '_id', fields: ['_id'] };

/** @throws Error for a collection that the projection does not declare */
export function collectionOf(schema: ProjectionSchema, name: string): CollectionSchema {
  const collection = schema.collections.find(declared => declared.name === name);
  if (collection === undefined) throw new Error(`The projection ${schema.name} has no collection ${name}.`);
  return collection;
}

/** @throws Error where the walk does not fit a declared index, or asks with an operator that no index walk knows */
export function resolveWalk(collection: CollectionSchema, walk: IndexWalk): ResolvedWalk {
  const wrong = (what: string): never => {
    throw new Error(`The walk of ${walk.collection} along ${walk.index} does not fit: ${what}.`);
  };
  const index = [ID_INDEX, ...collection.indexes].find(({ name }) => name === walk.index) ?? wrong('no such index');
  if (!Number.isSafeInteger(walk.limit) || walk.limit < 1) wrong('its limit is not a positive number');
  const leading = leadingFields(index, walk);
  const partial = Object.entries(index.partial ?? {});
  for (const [field, value] of partial)
    if (walk.equals[field] !== value) wrong(`it does not say that ${field} is as in the partial index`);
  const known = new Set([...leading, ...partial.map(([field]) => field)]);
  for (const [field, value] of Object.entries(walk.equals)) {
    if (!known.has(field)) wrong(`${field} is not among the index's leading fields`);
    if (!isScalar(value)) wrong(`${field} equals no scalar`);
  }
  const trailing = index.fields.slice(leading.length);
  if (trailing.length === 0) return resolveWhole(index, walk, leading, wrong);
  const { range, after } = walk;
  const bounds = boundsOf(range);
  if (range !== undefined && range.field !== trailing[0]) wrong(`its range is not of ${trailing[0] ?? ''}`);
  if (bounds.some(({ value }) => !isScalar(value) || value === null)) wrong('a bound is null, or no scalar');
  if (new Set(bounds.map(({ value }) => typeof value)).size > 1) wrong('its bounds are of several types');
  if (after !== undefined && after.length !== trailing.length) wrong(`its place is not one of ${trailing.join(', ')}`);
  if (after?.some(value => !isScalar(value)) === true) wrong('its place has something that is no scalar');
  checkWhere(walk, wrong);
  return { index, leading: leading.map(field => walk.equals[field] ?? null), trailing, bounds, after };
}

/** A walk to the one document that an index names in full. */
function resolveWhole(
  index: IndexSchema,
  walk: IndexWalk,
  leading: readonly string[],
  wrong: (what: string) => never,
): ResolvedWalk {
  if (walk.range !== undefined || walk.after !== undefined) wrong('nothing stands behind what equals the whole index');
  checkWhere(walk, wrong);
  return {
    ...{ index, trailing: [], bounds: [], after: undefined },
    leading: leading.map(field => walk.equals[field] ?? null),
  };
}

function leadingFields(index: IndexSchema, { equals }: IndexWalk): readonly string[] {
  const end = index.fields.findIndex(field => !Object.hasOwn(equals, field));
  return end === -1 ? index.fields : index.fields.slice(0, end);
}

function boundsOf(range: IndexWalk['range']): Bound[] {
  return COMPARISONS.flatMap(comparison => {
    const value = range?.[comparison];
    return value === undefined ? [] : [{ comparison, value }];
  });
}

function checkWhere({ where = {} }: IndexWalk, wrong: (what: string) => never): void {
  for (const [field, condition] of Object.entries(where)) {
    if (field.startsWith('$') || field.includes('.')) wrong(`its filter names ${field}, which is no field`);
    if (isScalar(condition)) continue;
    if (typeof condition !== 'object' || Array.isArray(condition)) wrong(`its filter of ${field} is none`);
    const operators = Object.entries(condition as Readonly<Record<string, unknown>>);
    if (operators.length === 0) wrong(`its filter of ${field} is empty`);
    for (const [operator, value] of operators) {
      if (!WHERE_OPERATORS.has(operator)) wrong(`its filter of ${field} has the operator ${operator}`);
      const fits =
        operator === '$in'
          ? Array.isArray(value) && value.every(isScalar)
          : operator === '$exists'
            ? typeof value === 'boolean'
            : isScalar(value) && (value !== null || operator === '$ne');
      if (!fits) wrong(`its filter of ${field} gives ${operator} what it cannot take`);
    }
  }
}

/** What JSON and an index can hold. */
export function isScalar(value: unknown): value is Scalar {
  if (typeof value === 'number') return Number.isFinite(value);
  return value === null || typeof value === 'string' || typeof value === 'boolean';
}

/** Whether the index has nothing to do with the change: none of its fields is another now. */
export function standsTheSame(
  { fields, partial }: IndexSchema,
  before: StoredDocument,
  after: StoredDocument,
): boolean {
  const isSame = (name: string): boolean => isSameValue(fieldOf(before, name), fieldOf(after, name));
  return fields.every(isSame) && (partial === undefined || Object.keys(partial).every(isSame));
}

function fieldOf(document: StoredDocument, name: string): unknown {
  return (document as unknown as Readonly<Record<string, unknown>>)[name];
}

function isSameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((value, i) => value === b[i]);
}
