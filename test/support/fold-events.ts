/** The projector with everything but the folds left out: documents in memory, one event after the other. */
import type { Fact, ProjectedEvent, Projection } from '../../src/projections/projection.ts';
import type { StoredDocument } from '../../src/read-store/read-store.ts';

export type FoldedCollections = Map<string, Map<string, StoredDocument>>;

/** By collection, then by `_id`. */
export function foldEvents(
  projection: Projection,
  events: Iterable<ProjectedEvent>,
  into: FoldedCollections = emptyCollections(projection),
): FoldedCollections {
  for (const event of events) foldEvent(projection, event, into);
  return into;
}

export function emptyCollections({ schema }: Projection): FoldedCollections {
  return new Map(schema.collections.map(({ name }) => [name, new Map<string, StoredDocument>()]));
}

function foldEvent({ documents, facts: factFolds }: Projection, event: ProjectedEvent, into: FoldedCollections): void {
  const facts: Fact[] = [];
  for (const fold of documents) {
    for (const id of fold.keys(event)) {
      const [before, after] = replace(into, fold.collection.name, id, event.position, held =>
        fold.evolve(held, event, id),
      );
      if (fold.facts !== undefined) facts.push(...fold.facts(before, after, event));
    }
  }
  for (const fold of factFolds)
    for (const fact of facts)
      for (const id of fold.keys(fact))
        replace(into, fold.collection.name, id, event.position, held => fold.evolve(held, fact, id));
}

function replace(
  into: FoldedCollections,
  collection: string,
  id: string,
  position: number,
  evolve: (before: StoredDocument | undefined) => object | undefined,
): [before: StoredDocument | undefined, after: StoredDocument | undefined] {
  const documents = into.get(collection);
  if (documents === undefined) throw new Error(`${collection} is folded, but not in the schema.`);
  const before = documents.get(id);
  const content = evolve(before);
  if (content === before) return [before, before];
  if (content === undefined) {
    documents.delete(id);
    return [before, undefined];
  }
  const after = { ...content, _id: id, position };
  documents.set(id, after);
  return [before, after];
}
