/** How much was said, and how many conversations began and ended: counters a quarter hour, a document a day. */
import type { CollectionSchema, StoredDocument } from '../../read-store/read-store.ts';
import { defineFactFold } from '../projection.ts';
import type { Content } from '../projection.ts';
import type { VolumeCounter, VolumeCounters, VolumeDimension, VolumeFact } from './volume-facts.ts';

export interface VolumeDocument extends StoredDocument {
  readonly tenant: string;
  readonly dimension: VolumeDimension;
  /** The channel, queue, tag or agent; `` where the dimension is `all`. */
  readonly value: string;
  /** In UTC: `YYYY-MM-DD`. */
  readonly day: string;
  /** By quarter hours since the day began, `0` to `95`; those in which nothing happened are not there. */
  readonly quarters: Readonly<Record<string, VolumeCounters>>;
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
  const before = document ?? begun(fact, id);
  const counters = sum(before.quarters[fact.quarter], fact.counters);
  return { ...before, quarters: { ...before.quarters, [fact.quarter]: counters } };
}

function begun({ tenant, dimensions, day }: VolumeFact, id: string): Content<VolumeDocument> {
  const own = dimensions.find(([dimension, value]) => volumeId(tenant, dimension, value, day) === id);
  if (own === undefined) throw new Error('A document was to be folded from a fact that does not name it.');
  return { tenant, dimension: own[0], value: own[1], day, quarters: {} };
}

function sum(before: VolumeCounters | undefined, more: VolumeCounters): VolumeCounters {
  if (before === undefined) return more;
  const counters: Partial<Record<VolumeCounter, number>> = { ...before };
  for (const name of Object.keys(more) as VolumeCounter[]) counters[name] = (counters[name] ?? 0) + (more[name] ?? 0);
  return counters;
}

export const volume = defineFactFold<VolumeDocument, VolumeFact>('volume', { collection: VOLUME, keys, evolve });
