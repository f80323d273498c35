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

/** Asking for the next commit says that the last one is in the store. An event that is beyond all bounds goes alone. */
export function* commitsOf(steps: readonly FoldStep[], limits: CommitLimits): Generator<FoldCommit> {
  let open = new OpenCommit(limits);
  if (open.takesAll(steps)) {
    yield* open.close();
    return;
  }
  for (const step of steps) {
    if (open.takes(step)) continue;
    yield* open.close();
    open = new OpenCommit(limits);
    open.takes(step);
  }
  yield* open.close();
}

/** Events that go into one transaction, as long as there is room. */
class OpenCommit {
  private readonly changed = new Map<Held, Change & { readonly rows: number }>();
  private readonly parked: ParkedDocument[] = [];
  private readonly limits: CommitLimits;
  private last: FoldInput | undefined;
  private events = 0;
  private rows = 0;
  private bytes = 0;

  constructor(limits: CommitLimits) {
    this.limits = limits;
  }

  /** Of a commit that has nothing yet. Mostly all of a batch fits, and then each document is looked at once. */
  takesAll(steps: readonly FoldStep[]): boolean {
    const { limits } = this;
    const latest = new Map<Held, Change>();
    for (const { changes } of steps) for (const taken of changes) latest.set(taken.held, taken);
    const parked = steps.flatMap(step => step.parked);
    let rows = parked.length;
    let bytes = 0;
    for (const [held, { after, bytes: own }] of latest) {
      rows += rowsAtMost(held.collection, held.stored, after);
      bytes += own;
    }
    if (latest.size + parked.length > limits.documentsMax || rows > limits.rowsMax || bytes > limits.bytesMax)
      return false;
    for (const [held, taken] of latest) this.changed.set(held, { ...taken, rows: 0 });
    this.parked.push(...parked);
    this.last = steps.at(-1)?.input;
    this.events = steps.length;
    return true;
  }

  /** False where it does not fit beside what is there already; then nothing was taken. */
  takes(step: FoldStep): boolean {
    const { limits } = this;
    const latest = new Map(step.changes.map(taken => [taken.held, taken]));
    let documents = this.changed.size + this.parked.length + step.parked.length;
    let rows = this.rows + step.parked.length;
    let bytes = this.bytes;
    const taken = Array.from(latest.values(), latestChange => {
      const { held, after } = latestChange;
      const before = this.changed.get(held);
      // Looked at once a commit: what may change more of its rows later on is at most an element of a list.
      const costed = { ...latestChange, rows: before?.rows ?? rowsAtMost(held.collection, held.stored, after) };
      documents += before === undefined ? 1 : 0;
      rows += costed.rows - (before?.rows ?? 0);
      bytes += costed.bytes - (before?.bytes ?? 0);
      return costed;
    });
    const fits = documents <= limits.documentsMax && rows <= limits.rowsMax && bytes <= limits.bytesMax;
    if (!fits && this.events > 0) return false;
    for (const costed of taken) this.changed.set(costed.held, costed);
    this.parked.push(...step.parked);
    [this.last, this.rows, this.bytes] = [step.input, rows, bytes];
    this.events += 1;
    return true;
  }

  *close(): Generator<FoldCommit> {
    if (this.last === undefined) return;
    const writes: DocumentWrite[] = [];
    for (const { held, after } of this.changed.values())
      if (after !== held.stored)
        writes.push({ collection: held.collection.name, id: held.id, before: held.stored, after });
    for (const document of this.parked)
      writes.push({ collection: PARKED.name, id: document._id, before: undefined, after: document });
    const to = { position: this.last.event.position, createdMs: this.last.createdMs };
    yield { to, events: this.events, writes, parked: this.parked };
    for (const { held, after } of this.changed.values()) held.stored = after;
  }
}
