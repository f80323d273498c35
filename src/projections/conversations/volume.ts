/**
 * How much was said, and how many conversations began and ended: counters a quarter hour, a document a day.
 *
 * They are kept as columns, a list a counter: a sixth of the bytes of one object a quarter hour, and parsed in a quarter of
 * the time, which is what the volume of a year is made of.
 */
import type { CollectionSchema, StoredDocument } from '../../read-store/read-store.ts';
import { defineFactFold } from '../projection.ts';
import type { Content } from '../projection.ts';
import type { VolumeCounter, VolumeDimension, VolumeFact } from './volume-facts.ts';

export interface VolumeColumns {
  /** Those in which something happened, counted since the day began, 0 to 95, ascending. */
  readonly quarters: readonly number[];
  /** By counter a number for each of `quarters`; a counter that has no column is 0 in all of them. */
  readonly counters: Readonly<Partial<Record<VolumeCounter, readonly number[]>>>;
}

export interface VolumeDocument extends StoredDocument, VolumeColumns {
  readonly tenant: string;
  readonly dimension: VolumeDimension;
  /** The channel, queue, tag or agent; `` where the dimension is `all`. */
  readonly value: string;
  /** In UTC: `YYYY-MM-DD`. */
  readonly day: string;
}

export const VOLUME: CollectionSchema = {
  name: 'volume',
  indexes: [{ name: 'by_day', fields: ['tenant', 'dimension', 'value', 'day', '_id'] }],
};

/** The `_id` of a day's document. */
export function volumeId(tenant: string, dimension: VolumeDimension, value: string, day: string): string {
  return `${tenant}/${dimension}/${encodeURIComponent(value)}/${day}`;
}

function keys({ tenant, dimensions, day }: VolumeFact): readonly string[] {
  return dimensions.map(([dimension, value]) => volumeId(tenant, dimension, value, day));
}

function evolve(document: VolumeDocument | undefined, fact: VolumeFact, id: string): Content<VolumeDocument> {
  // One literal: putting it together from several costs a multiple.
  const { tenant, dimension, value, day, quarters, counters } = document ?? begun(fact, id);
  const columns = counted({ quarters, counters }, fact);
  return { tenant, dimension, value, day, quarters: columns.quarters, counters: columns.counters };
}

function begun({ tenant, dimensions, day }: VolumeFact, id: string): Content<VolumeDocument> {
  const own = dimensions.find(([dimension, value]) => volumeId(tenant, dimension, value, day) === id);
  if (own === undefined) throw new Error('A document was to be folded from a fact that does not name it.');
  return { tenant, dimension: own[0], value: own[1], day, quarters: [], counters: {} };
}

function counted({ quarters, counters }: VolumeColumns, fact: VolumeFact): VolumeColumns {
  // Most of what is counted is of the latest quarter hour there is, or of a later one.
  let at = quarters.length;
  while (at > 0 && (quarters[at - 1] ?? 0) >= fact.quarter) at -= 1;
  const isNew = quarters[at] !== fact.quarter;
  const columns: Partial<Record<VolumeCounter, readonly number[]>> = { ...counters };
  if (isNew) for (const name in columns) columns[name as VolumeCounter] = inserted(columns[name as VolumeCounter], at);
  const places = quarters.length + (isNew ? 1 : 0);
  for (const name in fact.counters) {
    const column = (columns[name as VolumeCounter] ?? new Array<number>(places).fill(0)).slice();
    column[at] = (column[at] ?? 0) + (fact.counters[name as VolumeCounter] ?? 0);
    columns[name as VolumeCounter] = column;
  }
  return { quarters: isNew ? quarters.toSpliced(at, 0, fact.quarter) : quarters, counters: columns };
}

function inserted(column: readonly number[] = [], at: number): readonly number[] {
  return column.toSpliced(at, 0, 0);
}

export const volume = defineFactFold<VolumeDocument, VolumeFact>('volume', { collection: VOLUME, keys, evolve });
