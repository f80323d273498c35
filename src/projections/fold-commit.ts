/**
 * From folded events to commits: as many events into one transaction as its bounds allow, and the split always between
 * events, so that every checkpoint stands for the whole of what is before it.
 */
import type {
  Checkpoint,
  CollectionSchema,
  CommitLimits,
  DocumentWrite,
  StoredDocument,
} from '../read-store/read-store.ts';
import { rowsAtMost } from './document-cost.ts';
import { PARKED } from './parking.ts';
import type { ParkedDocument } from './parking.ts';
import type { ProjectedEvent } from './projection.ts';

/** An event to fold, with what a checkpoint and the bounds need of it. */
export interface FoldInput {
  readonly event: ProjectedEvent;
  readonly createdMs: number;
  /** Of its data in the log. */
  readonly bytes: number;
}

/** One transaction: after it, everything up to `to` is folded. */
export interface FoldCommit {
  readonly to: Checkpoint;
  readonly events: number;
  readonly writes: readonly DocumentWrite[];
  readonly parked: readonly ParkedDocument[];
}

/** A document in memory. */
export interface Held {
  readonly collection: CollectionSchema;
  readonly id: string;
  stored: StoredDocument | undefined;
  now: StoredDocument | undefined;
  /** About; measured afresh whenever it has doubled since. */
  bytes: number;
  measured: number;
}

export interface Change {
  readonly held: Held;
  readonly after: StoredDocument | undefined;
  readonly bytes: number;
}

/** What one event does. */
export interface FoldStep {
  readonly input: FoldInput;
  readonly changes: Change[];
  readonly parked: ParkedDocument[];
}

/**
 * Asking for the next commit says that the last one is in the store. Mostly all of a batch fits into one; what does not is
 * halved until it does, and an event that is beyond all bounds goes alone.
 */
export function* commitsOf(steps: readonly FoldStep[], limits: CommitLimits): Generator<FoldCommit> {
  const last = steps.at(-1)?.input;
  if (last === undefined) return;
  const changed = new Map<Held, Change>();
  for (const { changes } of steps) for (const change of changes) changed.set(change.held, change);
  const parked = steps.flatMap(step => step.parked);
  if (steps.length > 1 && !fits(changed, parked.length, limits)) {
    const half = Math.floor(steps.length / 2);
    yield* commitsOf(steps.slice(0, half), limits);
    yield* commitsOf(steps.slice(half), limits);
    return;
  }
  const to = { position: last.event.position, createdMs: last.createdMs };
  yield { to, events: steps.length, writes: writesOf(changed, parked), parked };
  for (const { held, after } of changed.values()) held.stored = after;
}

function fits(changed: ReadonlyMap<Held, Change>, parked: number, limits: CommitLimits): boolean {
  let rows = parked;
  let bytes = 0;
  for (const [held, { after, bytes: own }] of changed) {
    rows += rowsAtMost(held.collection, held.stored, after);
    bytes += own;
  }
  return changed.size + parked <= limits.documentsMax && rows <= limits.rowsMax && bytes <= limits.bytesMax;
}

function writesOf(changed: ReadonlyMap<Held, Change>, parked: readonly ParkedDocument[]): DocumentWrite[] {
  const writes: DocumentWrite[] = [];
  for (const { held, after } of changed.values())
    if (after !== held.stored)
      writes.push({ collection: held.collection.name, id: held.id, before: held.stored, after });
  for (const document of parked)
    writes.push({ collection: PARKED.name, id: document._id, before: undefined, after: document });
  return writes;
}
