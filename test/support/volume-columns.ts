import type { VolumeColumns } from '../../src/projections/conversations/volume.ts';

/** By quarter hours of the day, those in which nothing happened left out, and counters that are 0. */
export type Quarters = Readonly<Record<string, Readonly<Record<string, number | undefined>> | undefined>>;

/** Written down a second time: what the volume keeps of a day. */
export function columnsOf(quarters: Quarters): VolumeColumns {
  const numbers = Object.keys(quarters).map(Number);
  const names = new Set(Object.values(quarters).flatMap(counters => Object.keys(counters ?? {})));
  const column = (name: string): number[] => numbers.map(quarter => quarters[quarter]?.[name] ?? 0);
  return { quarters: numbers, counters: Object.fromEntries([...names].map(name => [name, column(name)])) };
}

export function quartersOf({ quarters, counters }: VolumeColumns): Quarters {
  return Object.fromEntries(
    quarters.map((quarter, i) => [
      quarter,
      Object.fromEntries(Object.entries(counters).flatMap(([name, { [i]: n = 0 }]) => (n === 0 ? [] : [[name, n]]))),
    ]),
  );
}
