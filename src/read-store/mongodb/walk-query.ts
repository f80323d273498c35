/**
 * A walk as finds of MongoDB. Every find is equality on the index's leading fields, a range of one field and the index's own
 * order: on every version its plan is one scan of that index, which ends at the limit.
 *
 * A place to go on behind is a tuple, and comparisons of MongoDB see only their own type. So what is behind it is several
 * such scans, run one after the other while the limit is not reached: (a, b, c) is followed by those that equal it in (a, b) and are
 * beyond c, then those that equal it in (a) and are beyond b, then those beyond a; of each, first the same type, then those behind it.
 */
import type { Bound, ResolvedWalk } from '../index-walk.ts';
import type { IndexWalk, Scalar } from '../read-store.ts';
import { storedName } from './stored-form.ts';

/** The query of one scan. */
export interface Scan {
  readonly filter: Readonly<Record<string, unknown>>;
  readonly sort: Readonly<Record<string, 1 | -1>> | undefined;
  /** The index's name. */
  readonly hint: string;
}

type Condition = readonly [field: string, operators: Readonly<Record<string, unknown>>];

/** In the order of the scalars' types: null, numbers, strings, booleans. */
const WHOLE_TYPES: readonly Readonly<Record<string, unknown>>[] = [
  { $eq: null },
  { $gte: -Infinity },
  { $gte: '' },
  { $gte: false },
];
const TYPE_RANKS = { object: 0, number: 1, string: 2, boolean: 3 } as const;

/** In the order in which they are to be run. */
export function scansOf(walk: IndexWalk, resolved: ResolvedWalk): Scan[] {
  const { index, leading, trailing, bounds } = resolved;
  const always: Condition[] = [
    ...leading.map((value, i): Condition => [index.fields[i] ?? '', { $eq: value }]),
    ...Object.entries(index.partial ?? {}).map(([field, value]): Condition => [field, { $eq: value }]),
    ...bounds.map(({ comparison, value }): Condition => [trailing[0] ?? '', { [`$${comparison}`]: value }]),
    ...Object.entries(walk.where ?? {}).map(([field, condition]): Condition => [
      storedName(field),
      typeof condition === 'object' && condition !== null ? { ...condition } : { $eq: condition },
    ]),
  ];
  const sign = walk.direction === 'forwards' ? 1 : -1;
  const sort = trailing.length === 0 ? undefined : Object.fromEntries(trailing.map(field => [field, sign] as const));
  const hint = index.name === '_id' ? '_id_' : index.name;
  return placesBehind(resolved, walk.direction).map(place => ({ filter: filterOf([...always, ...place]), sort, hint }));
}

function placesBehind(
  { trailing, after, bounds }: ResolvedWalk,
  direction: IndexWalk['direction'],
): readonly Condition[][] {
  if (after === undefined) return [[]];
  return trailing
    .flatMap((field, i) => {
      const ties = trailing.slice(0, i).map((tied, k): Condition => [tied, { $eq: after[k] ?? null }]);
      // Ids are strings, and a range sees one type alone.
      const type = field === '_id' ? 'string' : i === 0 ? typeOfBounds(bounds) : undefined;
      return beyond(after[i] ?? null, direction, type)
        .map(operators => [...ties, [field, operators]] satisfies Condition[])
        .reverse();
    })
    .reverse();
}

function typeOfBounds([first]: readonly Bound[]): keyof typeof TYPE_RANKS | undefined {
  return first && (typeof first.value as keyof typeof TYPE_RANKS);
}

/** The nearest first. */
function beyond(
  value: Scalar,
  direction: IndexWalk['direction'],
  only: keyof typeof TYPE_RANKS | undefined,
): Readonly<Record<string, unknown>>[] {
  const type = typeof value as keyof typeof TYPE_RANKS;
  const rank = TYPE_RANKS[type];
  const within = value === null ? [] : [{ [direction === 'forwards' ? '$gt' : '$lt']: value }];
  const others = direction === 'forwards' ? WHOLE_TYPES.slice(rank + 1) : WHOLE_TYPES.slice(0, rank).reverse();
  if (only === undefined) return [...within, ...others];
  if (type === only) return within;
  return others.filter(whole => whole === WHOLE_TYPES[TYPE_RANKS[only]]);
}

/** Conditions on one field go together where their operators do. */
function filterOf(conditions: readonly Condition[]): Scan['filter'] {
  const merged = new Map<string, Record<string, unknown>>();
  const rest: Record<string, unknown>[] = [];
  for (const [field, operators] of conditions) {
    const present = merged.get(field);
    if (present === undefined) merged.set(field, { ...operators });
    else if (Object.keys(operators).some(operator => Object.hasOwn(present, operator)))
      rest.push({ [field]: operators });
    else Object.assign(present, operators);
  }
  return { ...Object.fromEntries(merged), ...(rest.length === 0 ? {} : { $and: rest }) };
}
