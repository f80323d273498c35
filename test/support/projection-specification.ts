/**
 * given(events).when(events).then(document): one collection of a projection asked without any engine. Events happen in one
 * conversation, `1` of the tenant `acme`, a minute after each other from 2026-03-01T10:00:00Z unless they say when.
 */
import { expect } from 'vitest';
import type { Projection } from '../../src/projections/projection.ts';
import type { StoredDocument } from '../../src/read-store/read-store.ts';
import { emptyCollections, foldEvents } from './fold-events.ts';
import { historyOf } from './projected-events.ts';
import type { Happened } from './projected-events.ts';

export function createProjectionSpecification<Document extends StoredDocument>(
  projection: Projection,
  collection: string,
) {
  const documentsOf = (happenings: readonly Happened[], from = 0) => {
    const into = emptyCollections(projection);
    const history = historyOf(happenings);
    foldEvents(projection, history.slice(0, from), into);
    const before = new Map(into.get(collection));
    foldEvents(projection, history.slice(from), into);
    return { before, after: (into.get(collection) ?? new Map()) as ReadonlyMap<string, Document> };
  };

  return {
    given: (...history: Happened[]) => ({
      when: (...events: Happened[]) => {
        const { before, after } = documentsOf([...history, ...events], history.length);
        return {
          /** The fields named are so; undefined: there is no such document. */
          then: (id: string, fields: { readonly [Field in keyof Document]?: unknown } | undefined) => {
            if (fields === undefined) expect(after.has(id)).toBe(false);
            else expect(after.get(id)).toMatchObject(fields);
          },
          /** The very same documents as before. */
          thenNothing: () => {
            expect([...after.keys()]).toEqual([...before.keys()]);
            for (const [id, document] of after) expect(document).toBe(before.get(id));
          },
          ids: () => [...after.keys()].sort(),
          document: (id: string): Document => {
            const document = after.get(id);
            if (document === undefined) throw new Error(`There is no document ${id}.`);
            return document;
          },
        };
      },
    }),
  };
}
