/**
 * What a projection is: collections, each a pure fold of documents from events. The projector loads each touched document
 * once a batch, folds in memory, and commits documents and checkpoint together; so live and rebuild are the same code, and
 * "rebuilt equals live" is a plain comparison.
 *
 * A *fact* is what one collection's fold tells others of the same projection: derived from a document before and after an
 * event, folded in the same batch. It carries what its key needs, like an event.
 */
import type { ConversationEvent } from '../domain/conversation/events.ts';
import type { Recorded } from '../domain/decider.ts';
import type { CollectionSchema, ProjectionSchema, StoredDocument } from '../read-store/read-store.ts';

/** An event as folds see it: opened, with the tenant and the conversation its stream is of. */
export interface ProjectedEvent {
  readonly tenant: string;
  readonly conversation: string;
  readonly recorded: Recorded<ConversationEvent>;
  /** The recorded event's position, as documents carry it. */
  readonly position: number;
}

export interface Fact {
  readonly kind: string;
  readonly tenant: string;
}

/** One collection's fold. */
export interface DocumentFold<Document extends StoredDocument = StoredDocument, Told extends Fact = Fact> {
  readonly collection: CollectionSchema;
  /** Ids of the documents that the event touches, from the event alone; each begins with the tenant and `/`. */
  readonly keys: (event: ProjectedEvent) => readonly string[];
  /**
   * Pure. Never changes `document`: gives a new one, or the same where nothing changes; undefined deletes it. The projector
   * stamps `_id` and `position` on the new one.
   */
  readonly evolve: (document: Document | undefined, event: ProjectedEvent, id: string) => Content<Document> | undefined;
  /** What the change tells the folds of facts of the same projection. Pure. */
  readonly facts?: (
    before: Document | undefined,
    after: Document | undefined,
    event: ProjectedEvent,
  ) => readonly Told[];
}

/** A collection that is folded from facts. */
export interface FactFold<Document extends StoredDocument = StoredDocument, Told extends Fact = Fact> {
  readonly collection: CollectionSchema;
  readonly keys: (fact: Told) => readonly string[];
  readonly evolve: (document: Document | undefined, fact: Told, id: string) => Content<Document> | undefined;
}

/** A document without what the projector stamps. */
export type Content<Document extends StoredDocument> = Omit<Document, keyof StoredDocument>;

export interface Projection {
  readonly schema: ProjectionSchema;
  readonly documents: readonly DocumentFold[];
  readonly facts: readonly FactFold[];
  readonly erasure: ErasureRule;
}

/**
 * What is folded again from the log after a subject's key was destroyed. Every document of these collections belongs to one
 * conversation and has the fields `tenant`, `conversation` and `subjects`: the subjects under whose keys something of the
 * *conversation* may be sealed that this document shows. A conversation of which one document names the subject is folded
 * again whole, in all of these collections. Facts are not told again, so nothing personal may stand in one.
 */
export interface ErasureRule {
  /** Collections that hold personal fields, each with the index over `tenant`, `subjects`, `_id`. */
  readonly refolded: readonly { readonly collection: string; readonly subjectIndex: string }[];
}

/**
 * Puts a fold beside folds of other documents. A fold is only ever given documents of its own collection, which it made
 * itself: so what is given up here is a type parameter, and no check.
 */
export function defineFold<Document extends StoredDocument, Told extends Fact = never>(
  fold: DocumentFold<Document, Told>,
): DocumentFold {
  return fold as unknown as DocumentFold;
}

/** As `defineFold`; facts of another kind than this touch no document. */
export function defineFactFold<Document extends StoredDocument, Told extends Fact>(
  kind: Told['kind'],
  fold: FactFold<Document, Told>,
): FactFold {
  const keys = (fact: Fact): readonly string[] => (fact.kind === kind ? fold.keys(fact as Told) : []);
  return { ...(fold as unknown as FactFold), keys };
}
