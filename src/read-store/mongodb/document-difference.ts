/**
 * What to write where a document changed: only the difference, so that a bucket's hundredth message is not a rewrite of the
 * ninety-nine before it. Each changed place is set by its path, also behind a list's end, which says the same however often it is done.
 */
import { isDeepStrictEqual } from 'node:util';
import type { StoredDocument } from '../read-store.ts';
import { storedName, storedValue } from './stored-form.ts';

/** An update of a document; no two paths begin alike. */
export interface DocumentDifference {
  readonly $set?: Readonly<Record<string, unknown>>;
  readonly $unset?: Readonly<Record<string, true>>;
}

/** With more places than these, writing all of it is cheaper than finding each. */
const PLACES_MAX = 64;

type Fields = Readonly<Record<string, unknown>>;

interface Places {
  readonly set: [path: string, value: unknown][];
  readonly unset: string[];
}

/** Undefined where it should be replaced as a whole. */
export function differenceOf(before: StoredDocument, after: StoredDocument): DocumentDifference | undefined {
  if (before._id !== after._id) return undefined;
  const places: Places = { set: [], unset: [] };
  compareFields('', before as unknown as Fields, after as unknown as Fields, places);
  const { set, unset } = places;
  if (set.length + unset.length > PLACES_MAX || set.length + unset.length === 0) return undefined;
  return {
    ...(set.length === 0 ? {} : { $set: Object.fromEntries(set) }),
    ...(unset.length === 0 ? {} : { $unset: Object.fromEntries(unset.map(path => [path, true])) }),
  };
}

function compareFields(prefix: string, before: Fields, after: Fields, places: Places): void {
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    // An inherited one is none: `__proto__` is a name like any other.
    const [was, is] = [own(before, name), own(after, name)];
    const path = prefix + storedName(name);
    if (is !== undefined) compareValues(path, was, is, places);
    else if (was !== undefined) places.unset.push(path);
  }
}

function compareValues(path: string, before: unknown, after: unknown, places: Places): void {
  if (Array.isArray(before) && Array.isArray(after) && before.length <= after.length && before.length > 0) {
    after.forEach((element: unknown, i) => {
      if (i < before.length) compareValues(`${path}.${i}`, before[i], element, places);
      else places.set.push([`${path}.${i}`, storedValue(element ?? null)]);
    });
  } else if (isObject(before) && isObject(after)) compareFields(`${path}.`, before, after, places);
  else if (!isDeepStrictEqual(before, after)) places.set.push([path, storedValue(after)]);
}

function own(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
