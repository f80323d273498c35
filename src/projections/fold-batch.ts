/**
 * Folding: the documents of one generation in memory, and events taken into them one by one. Nothing here writes; what is
 * to be written comes out as commits, each within bounds, split between events.
 *
 * A batch goes through in *chunks* whose documents are loaded at once. In a chunk every event is folded into its
 * documents; what that told (facts) is loaded for and folded next, event by event again. A fact fold reads nothing but its
 * own documents, so this is the same as folding event by event.
 *
 * A document is *held* from its loading until it is trimmed away: `stored` is what the store has of it, `now` what it is by
 * the last event folded. Whoever could not commit throws all of them away, and loads again.
 */
import type { CollectionSchema, CommitLimits, Generation, StoredDocument } from '../read-store/read-store.ts';
import { bytesOf } from './document-cost.ts';
import { commitsOf } from './fold-commit.ts';
import type { FoldCommit, FoldInput, FoldStep, Held } from './fold-commit.ts';
import { inStretches } from './give-way.ts';
import { parkedDocument, parkedKey } from './parking.ts';
import type { ParkedDocument } from './parking.ts';
import type { DocumentFold, Fact, FactFold, ProjectedEvent, Projection } from './projection.ts';

export interface HeldLimits {
  /** Documents of one collection that stay in memory from batch to batch, and their bytes, about. */
  readonly documentsHeldMax: number;
  readonly bytesHeldMax: number;
}

export interface FoldedDocumentsOptions {
  readonly projection: Pick<Projection, 'documents' | 'facts'>;
  readonly load: Generation['load'];
  readonly limits: CommitLimits & HeldLimits;
  /** By `parkedKey`: they stand still. Grows with what is parked here. */
  readonly parked: Map<string, ParkedDocument>;
  /** Where documents are folded from nothing: those that are to be parked at the very event they were parked at before. */
  readonly parkedBefore?: ReadonlyMap<string, ParkedDocument>;
}

/** What one event does, and tells. */
interface Step extends FoldStep {
  readonly keys: readonly (readonly string[])[];
  readonly facts: Fact[];
}

/** A fold gave a key that is not the tenant's, or could not give one: an error of the code, at which the projection stops. */
export class BrokenFoldError extends Error {
  override readonly name = 'BrokenFoldError';
  constructor(collection: string, { recorded: { stream, revision } }: ProjectedEvent, what: string) {
    super(`The fold of ${collection} ${what} at ${stream}@${String(revision)}.`);
  }
}

export class FoldedDocuments {
  private readonly options: FoldedDocumentsOptions;
  /** By collection, in the order of their last use. */
  private readonly held = new Map<string, Map<string, Held>>();

  constructor(options: FoldedDocumentsOptions) {
    this.options = options;
  }

  /**
   * Folds all of it, and gives the commits in order. Asking for the next one says that the last is in the store.
   *
   * @throws BrokenFoldError
   */
  async *commits(inputs: readonly FoldInput[]): AsyncGenerator<FoldCommit> {
    for (let at = 0; at < inputs.length;) {
      const steps = this.nextChunk(inputs, at);
      at += steps.length;
      const { documents, facts } = this.options.projection;
      await this.load(
        documents,
        steps.map(({ keys }) => keys),
      );
      const factKeys: (readonly (readonly string[])[])[][] = [];
      await inStretches(steps, step => {
        this.foldEvent(step);
        factKeys.push(step.facts.map(fact => this.keysOfFact(fact, step.input.event)));
      });
      await this.load(facts, factKeys.flat());
      await inStretches(steps.entries(), ([i, step]) => {
        this.foldFacts(step, factKeys[i] ?? []);
      });
      yield* commitsOf(steps, this.options.limits);
    }
    this.trim();
  }

  /** Every document that is held, as it is by now. */
  *all(): Generator<{
    readonly collection: string;
    readonly id: string;
    readonly document: StoredDocument | undefined;
  }> {
    for (const [collection, documents] of this.held)
      for (const { id, now } of documents.values()) yield { collection, id, document: now };
  }

  /** Events whose documents, taken together, one commit may hold: at least one. */
  private nextChunk(inputs: readonly FoldInput[], from: number): Step[] {
    const { projection, limits } = this.options;
    const seen = projection.documents.map(() => new Set<string>());
    const steps: Step[] = [];
    let count = 0;
    for (let i = from; i < inputs.length; i++) {
      const input = inputs[i];
      if (input === undefined) break;
      const keys = projection.documents.map(fold => keysOf(fold.collection, input.event, () => fold.keys(input.event)));
      keys.forEach((ids, fold) => {
        for (const id of ids) {
          if (seen[fold]?.has(id) === true) continue;
          seen[fold]?.add(id);
          count += 1;
        }
      });
      if (steps.length > 0 && count > limits.documentsMax) break;
      steps.push({ input, keys, changes: [], facts: [], parked: [] });
    }
    return steps;
  }

  private keysOfFact(fact: Fact, event: ProjectedEvent): readonly (readonly string[])[] {
    return this.options.projection.facts.map(fold => keysOf(fold.collection, event, () => fold.keys(fact)));
  }

  /** `keys`: lists of ids, each with one list a fold. */
  private async load(
    folds: readonly { readonly collection: CollectionSchema }[],
    keys: readonly (readonly (readonly string[])[])[],
  ): Promise<void> {
    await Promise.all(
      folds.map(async ({ collection }, fold) => {
        const held = this.heldOf(collection.name);
        const missing = new Set<string>();
        for (const ids of keys) for (const id of ids[fold] ?? []) if (!held.has(id)) missing.add(id);
        if (missing.size === 0) return;
        const ids = [...missing];
        const loaded = await this.options.load(collection.name, ids);
        ids.forEach((id, i) => {
          const stored = loaded[i];
          const bytes = stored === undefined ? 0 : bytesOf(stored);
          held.set(id, { collection, id, stored, now: stored, bytes, measured: bytes });
        });
      }),
    );
  }

  private foldEvent(step: Step): void {
    const { event } = step.input;
    this.options.projection.documents.forEach((fold: DocumentFold, i) => {
      for (const id of step.keys[i] ?? [])
        this.evolve(step, fold.collection, id, before => {
          const content = fold.evolve(before, event, id);
          const after = stamped(before, content, id, event);
          const facts = fold.facts?.(before, after, event) ?? [];
          return { after, facts };
        });
    });
  }

  private foldFacts(step: Step, keys: readonly (readonly (readonly string[])[])[]): void {
    const { event } = step.input;
    step.facts.forEach((fact, i) => {
      this.options.projection.facts.forEach((fold: FactFold, j) => {
        for (const id of keys[i]?.[j] ?? [])
          this.evolve(step, fold.collection, id, before => ({
            after: stamped(before, fold.evolve(before, fact, id), id, event),
            facts: [],
          }));
      });
    });
  }

  /** One document, one event. One that throws is parked, and whatever it told with this event is not told. */
  private evolve(
    step: Step,
    collection: CollectionSchema,
    id: string,
    fold: (before: StoredDocument | undefined) => { after: StoredDocument | undefined; facts: readonly Fact[] },
  ): void {
    const { parked, parkedBefore } = this.options;
    const key = parkedKey(collection.name, id);
    if (parked.size > 0 && parked.has(key)) return;
    const held = this.touch(collection, id);
    const { event } = step.input;
    try {
      const again = parkedBefore?.get(key);
      if (again?.stream === event.recorded.stream && again.revision === Number(event.recorded.revision)) {
        this.park(step, held, again);
        return;
      }
      const { after, facts } = fold(held.now);
      if (after !== held.now) change(step, held, after);
      step.facts.push(...facts);
    } catch (error) {
      this.park(step, held, parkedDocument(event, collection.name, id, error));
    }
  }

  private park(step: Step, held: Held, document: ParkedDocument): void {
    this.options.parked.set(parkedKey(held.collection.name, held.id), document);
    step.parked.push(document);
    const { position } = step.input.event;
    if (held.now !== undefined) change(step, held, { ...held.now, position, parked: true });
  }

  private touch(collection: CollectionSchema, id: string): Held {
    const documents = this.heldOf(collection.name);
    const held = documents.get(id);
    if (held === undefined) throw new Error(`${collection.name} was not loaded for an event that it folds.`);
    documents.delete(id);
    documents.set(id, held);
    return held;
  }

  private heldOf(collection: string): Map<string, Held> {
    let documents = this.held.get(collection);
    if (documents === undefined) this.held.set(collection, (documents = new Map<string, Held>()));
    return documents;
  }

  private trim(): void {
    const { documentsHeldMax, bytesHeldMax } = this.options.limits;
    for (const documents of this.held.values()) {
      let bytes = 0;
      for (const held of documents.values()) bytes += held.bytes;
      for (const [id, held] of documents) {
        if (documents.size <= documentsHeldMax && bytes <= bytesHeldMax) break;
        documents.delete(id);
        bytes -= held.bytes;
      }
    }
  }
}

function keysOf(collection: CollectionSchema, event: ProjectedEvent, ask: () => readonly string[]): readonly string[] {
  let keys: readonly string[];
  try {
    keys = ask();
  } catch {
    throw new BrokenFoldError(collection.name, event, 'gave no keys');
  }
  for (const key of keys)
    if (!key.startsWith(`${event.tenant}/`)) throw new BrokenFoldError(collection.name, event, 'gave a foreign key');
  return keys.length > 1 ? [...new Set(keys)] : keys;
}

/** The same object where the fold gave back what it was given; what else it gives is nobody's but ours. */
function stamped(
  before: StoredDocument | undefined,
  content: object | undefined,
  id: string,
  { position }: ProjectedEvent,
): StoredDocument | undefined {
  if (content === undefined) return undefined;
  if (content === before) return before;
  const document = content as { -readonly [Field in keyof StoredDocument]: StoredDocument[Field] };
  document._id = id;
  document.position = position;
  return document;
}

function change(step: Step, held: Held, after: StoredDocument | undefined): void {
  held.now = after;
  held.bytes += step.input.bytes;
  if (held.bytes > 2 * held.measured + 1_024) held.bytes = held.measured = after === undefined ? 0 : bytesOf(after);
  step.changes.push({ held, after, bytes: held.bytes });
}
