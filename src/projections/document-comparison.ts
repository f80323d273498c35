/** Whether two documents are the same, and where they are not: the order of an object's fields says nothing, a list's does. */

/** Paths named of one difference; more say no more. */
const PATHS_MAX = 20;

export function isSame(a: unknown, b: unknown): boolean {
  return differingPaths(a, b, 1).length === 0;
}

/** Paths of the fields that differ, `messages.3.text`, at most 20; the empty path where the whole does. */
export function differingPaths(a: unknown, b: unknown, pathsMax = PATHS_MAX): string[] {
  const paths: string[] = [];
  compare(a, b, [], found => {
    paths.push(found.join('.'));
    return paths.length < pathsMax;
  });
  return paths;
}

/** False: enough was found. */
type OnDifference = (path: readonly string[]) => boolean;

function compare(a: unknown, b: unknown, path: readonly string[], differs: OnDifference): boolean {
  if (Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b) || Array.isArray(a) !== Array.isArray(b)) return differs(path);
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const inside = [...path, name];
    if (Object.hasOwn(a, name) !== Object.hasOwn(b, name)) {
      if (!differs(inside)) return false;
    } else if (!compare(a[name], b[name], inside, differs)) return false;
  }
  return true;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
