/** What the read store's contract is told with: documents of a made-up projection, and how they get in. */
import type {
  Checkpoint,
  CollectionSchema,
  DocumentWrite,
  Generation,
  IndexSchema,
  ProjectionSchema,
  ReadStore,
  Scalar,
  StoredDocument,
} from '../../src/read-store/read-store.ts';

export interface Thing extends StoredDocument {
  readonly tenant: string;
  readonly status?: string | null;
  readonly rank?: Scalar;
  readonly tags?: readonly Scalar[];
  readonly text?: string;
}

const INDEXES: readonly IndexSchema[] = [
  { name: 'by_rank', fields: ['tenant', 'rank', '_id'] },
  { name: 'by_status', fields: ['tenant', 'status', 'rank', '_id'] },
  { name: 'by_tag', fields: ['tenant', 'tags', '_id'] },
  { name: 'open_by_rank', fields: ['tenant', 'rank', '_id'], partial: { status: 'open' } },
];

const THINGS: CollectionSchema = { name: 'things', indexes: INDEXES };

export const SCHEMA: ProjectionSchema = {
  name: 'sundries',
  version: 1,
  collections: [THINGS, { name: 'others', indexes: [{ name: 'by_tenant', fields: ['tenant', '_id'] }] }],
};

export const THINGS_COLLECTION = THINGS;

/** How many endless-commits.ts writes each time. */
export const ENDLESS_DOCUMENTS = 40;

/** The checkpoint at this position. */
export function at(position: number): Checkpoint {
  return { position, createdMs: 1_700_000_000_000 + position };
}

export function thing(id: string, fields: Partial<Omit<Thing, '_id'>> = {}): Thing {
  return { _id: `acme/${id}`, position: 1, tenant: 'acme', ...fields };
}

export function put(document: Thing, before?: Thing): DocumentWrite {
  return { collection: 'things', id: document._id, before, after: document };
}

export function remove(before: Thing): DocumentWrite {
  return { collection: 'things', id: before._id, before, after: undefined };
}

/** The first generation, with these documents at position 1. */
export async function filled(store: ReadStore, documents: readonly Thing[], number = 1): Promise<Generation> {
  const generation = await store.generation(SCHEMA, number);
  const result = await generation.commit({
    ...{ from: undefined, to: at(1) },
    writes: documents.map(document => put(document)),
  });
  if (result !== 'committed') throw new Error('The generation was not empty.');
  return generation;
}

/** Ids without the tenant. */
export function names(documents: readonly StoredDocument[]): string[] {
  return documents.map(({ _id }) => _id.slice(_id.indexOf('/') + 1));
}
