/**
 * Parked documents. An event that a fold throws at is not skipped: its document stands still from then on, flagged
 * where it exists, and a record of it stands in the collection `parked` of the same generation. All other documents go
 * on. A new build, by code that can fold the event, is what heals it.
 */
import type { CollectionSchema, Generation, ProjectionSchema, StoredDocument } from '../read-store/read-store.ts';
import type { ProjectedEvent } from './projection.ts';

/** Which event could not be folded into which document. Nothing of the event's contents. */
export interface ParkedDocument extends StoredDocument {
  readonly tenant: string;
  readonly collection: string;
  /** The document's `_id`. */
  readonly document: string;
  readonly stream: string;
  readonly revision: number;
  readonly type: string;
  /** The error's name; its message might quote what is personal. */
  readonly error: string;
}

export const PARKED: CollectionSchema = { name: 'parked', indexes: [] };

const PAGE = 200;

/** A projection's schema as every generation of it is stored, with the collection of what is parked. */
export function storedSchema(schema: ProjectionSchema): ProjectionSchema {
  return { ...schema, collections: [...schema.collections, PARKED] };
}

export function parkedKey(collection: string, document: string): string {
  return `${collection}\n${document}`;
}

export function parkedDocument(
  { tenant, position, recorded }: ProjectedEvent,
  collection: string,
  document: string,
  error: unknown,
): ParkedDocument {
  return {
    ...{ _id: `${tenant}/${collection}/${document}`, position, tenant, collection, document },
    ...{ stream: recorded.stream, revision: Number(recorded.revision), type: recorded.event.type },
    error: error instanceof Error ? error.name : typeof error,
  };
}

/** All that is parked in a generation, by `parkedKey`; at most `parkedMax` and a page. */
export async function loadParked(generation: Generation, parkedMax: number): Promise<Map<string, ParkedDocument>> {
  const parked = new Map<string, ParkedDocument>();
  let after: string | undefined;
  do {
    const page: readonly ParkedDocument[] = await generation.page<ParkedDocument>(PARKED.name, { after, limit: PAGE });
    for (const document of page) parked.set(parkedKey(document.collection, document.document), document);
    after = page.length < PAGE ? undefined : page.at(-1)?._id;
  } while (after !== undefined && parked.size <= parkedMax);
  return parked;
}
