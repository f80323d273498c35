/** Documents of an embedded read model that a test makes wrong behind the projector's back, while no server has the folder. */
import { conversationsProjection } from '../../src/projections/conversations/projection.ts';
import { messagesProjection } from '../../src/projections/messages/projection.ts';
import { storedSchema } from '../../src/projections/parking.ts';
import type { Projection } from '../../src/projections/projection.ts';
import { openEmbeddedReadStore } from '../../src/read-store/read-store.embedded.ts';
import type { StoredDocument } from '../../src/read-store/read-store.ts';

export interface Damage {
  readonly projection: Projection;
  readonly collection: string;
  readonly kind: 'field' | 'deleted';
  /** What `verify` calls it. */
  readonly says: string;
}

/** The later ones come before the earlier ones in the order in which `verify` names the first. */
export function damageOf(): readonly Damage[] {
  return [
    { projection: messagesProjection, collection: 'message_buckets', kind: 'field', says: 'different in ' },
    { projection: conversationsProjection, collection: 'volume', kind: 'field', says: 'different in ' },
    { projection: conversationsProjection, collection: 'conversations', kind: 'deleted', says: 'missing' },
  ];
}

/** Gives the `_id` of the document. */
export async function damage(
  directory: string,
  { schema }: Projection,
  collection: string,
  kind: Damage['kind'],
): Promise<string> {
  const store = await openEmbeddedReadStore({ directory });
  try {
    const entry = await store.catalog(schema.name);
    if (entry === undefined) throw new Error(`There is no ${schema.name} to damage.`);
    const generation = await store.generation(storedSchema(schema), entry.live.generation);
    const at = await generation.checkpoint();
    const before = (await generation.page<StoredDocument>(collection, { after: undefined, limit: 20 })).at(-1);
    if (at === undefined || before === undefined) throw new Error(`There is nothing in ${collection} to damage.`);
    const after = kind === 'deleted' ? undefined : { ...before, ...wrong(before) };
    const writes = [{ collection, id: before._id, before, after }];
    const result = await generation.commit({ from: at, to: at, writes });
    if (result !== 'committed') throw new Error(`The damage was ${result}.`);
    return before._id;
  } finally {
    await store.close();
  }
}

/** One field of it, as wrong as could be overlooked. */
function wrong(document: StoredDocument): object {
  const { messages, counters } = document as {
    readonly messages?: readonly { readonly text: string }[];
    readonly counters?: Readonly<Record<string, readonly number[]>>;
  };
  if (messages?.[0] !== undefined)
    return { messages: messages.with(0, { ...messages[0], text: `${messages[0].text} ` }) };
  const [name, column = []] = Object.entries(counters ?? {})[0] ?? ['messages'];
  return { counters: { ...counters, [name]: column.with(-1, (column.at(-1) ?? 0) + 1) } };
}
