/**
 * Documents as MongoDB holds them. Names of fields that came from users (attributes, the JSON of imports) may be anything; MongoDB reads
 * `$` and `.` in them as operators and paths, and the driver takes an object with `_bsontype` for one of its own. Such
 * names are escaped, so that every name stands for itself, on every version. Values are JSON, and stay what they are.
 */
import type { StoredDocument } from '../read-store.ts';

export interface Row {
  readonly _id: string;
  readonly [field: string]: unknown;
}

const TO_ESCAPE = /[~$.\0]/g;
const ESCAPES: Readonly<Record<string, string>> = { '~': '~0', $: '~1', '.': '~2', '\0': '~3' };
const UNESCAPES: Readonly<Record<string, string>> = { '~0': '~', '~1': '$', '~2': '.', '~3': '\0' };
/** Whole names that cannot stand for themselves; the driver reads the content of a `__proto__` wrongly. */
const WHOLE: ReadonlyMap<string, string> = new Map([
  ['', '~4'],
  ['_bsontype', '~5'],
  ['__proto__', '~6'],
]);
const WHOLE_AGAIN: ReadonlyMap<string, string> = new Map([...WHOLE].map(([name, stored]) => [stored, name]));

export function storedName(name: string): string {
  return WHOLE.get(name) ?? name.replace(TO_ESCAPE, character => ESCAPES[character] ?? character);
}

function plainName(name: string): string {
  if (!name.includes('~')) return name;
  return WHOLE_AGAIN.get(name) ?? name.replace(/~[0-3]/g, escape => UNESCAPES[escape] ?? escape);
}

/** Without `undefined`, as JSON has it. */
export function storedValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(element => (element === undefined ? null : storedValue(element)));
  if (typeof value !== 'object' || value === null) return value;
  // Own fields, whatever they are called: `__proto__` too.
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .map(([name, field]) => [storedName(name), storedValue(field)]),
  );
}

function plainValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [plainName(name), plainValue(field)]));
}

export function rowOf(document: StoredDocument): Row {
  return storedValue(document) as Row;
}

export function documentOf(row: Row): StoredDocument {
  return plainValue(row) as StoredDocument;
}
