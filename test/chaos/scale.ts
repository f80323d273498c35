/** How big a chaos run is, and the seed that repeats its choices. Times of the machine are not repeated by a seed. */

export const SCALE = read('SCALE', 1);
export const SEED = read('SEED', Math.floor(Math.random() * 0x7fff_ffff));

/** `full` at SCALE 1, less below, never less than `least`. */
export function scaled(full: number, least: number): number {
  return Math.max(least, Math.round(full * SCALE));
}

/** A stream of numbers in [0, 1) from the seed and a name (mulberry32). */
export function randomOf(name: string): () => number {
  let state = SEED;
  for (const character of name) state = Math.imul(state ^ character.charCodeAt(0), 0x9e37_79b1);
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function read(name: string, otherwise: number): number {
  const text = process.env[name];
  const value = text ? Number(text) : otherwise;
  if (!(value > 0)) throw new Error(`${name} must be a number above 0, not ${text ?? ''}.`);
  return value;
}
