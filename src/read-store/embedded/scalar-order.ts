/** Scalars in the order of MongoDB, in which rows stand: null, numbers, strings by their UTF-8 bytes, false, true. */
import type { Scalar } from '../read-store.ts';

const TYPES = { object: 0, number: 1, string: 2, boolean: 3 } as const;

export function compareScalars(a: Scalar, b: Scalar): number {
  if (!sameType(a, b)) return typeOf(a) - typeOf(b);
  // JavaScript's own order is by UTF-16 units, in which what lies beyond them comes before U+E000.
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b as string));
  return Number(a) - Number(b);
}

export function sameType(a: Scalar, b: Scalar): boolean {
  return typeOf(a) === typeOf(b);
}

function typeOf(value: Scalar): number {
  return TYPES[typeof value as keyof typeof TYPES];
}
