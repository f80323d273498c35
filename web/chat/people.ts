/** How people are called on the page. Ids on the wire are opaque; the page knows the names of its own two people. */

const OWN_PEOPLE: ReadonlyMap<string, string> = new Map([
  ['page-visitor', 'Ann'],
  ['page-agent', 'Bob'],
]);
/** An id longer than this was made by a machine and names nobody. */
const READABLE_ID_MAX = 20;

export function nameOf(id: string, role = 'somebody'): string {
  return OWN_PEOPLE.get(id) ?? (id.length <= READABLE_ID_MAX ? id : `the ${role}`);
}
