/**
 * Read models filled without a log, by the projector's own folding and commits; and beside the buckets the same messages
 * one a document, in a generation of the same store.
 */
import type { CatalogEntry, Generation, ReadStore, StoredDocument } from '../../src/read-store/read-store.ts';
import { FoldedDocuments } from '../../src/projections/fold-batch.ts';
import type { FoldInput } from '../../src/projections/fold-commit.ts';
import { storedSchema } from '../../src/projections/parking.ts';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import { LONG, projected, TENANT, traffic } from './conversations.ts';
import type { MadeEvent, TrafficOptions } from './conversations.ts';

export const LOG = 'bench';
const BATCH = 1_000;
/** As the projector holds. */
const HELD = { documentsHeldMax: 5_000, bytesHeldMax: 64 * 1_048_576 };

/** The peer: one document a message. */
export interface SingleMessage extends StoredDocument {
  readonly tenant: string;
  readonly conversation: string;
  readonly seq: number;
  readonly at: number;
  readonly author: { readonly id: string; readonly role: string };
  readonly text: string | null;
  readonly format: string;
  readonly attachments: readonly unknown[];
}

const SINGLE = {
  ...{ name: 'single', version: 1 },
  collections: [{ name: 'messages', indexes: [{ name: 'byTime', fields: ['tenant', 'conversation', 'at', '_id'] }] }],
};
/** A document and its row in one index. */
const SINGLE_ROWS = 2;
export const SINGLE_SEQ_DIGITS = 8;

export function singleId(conversation: string, seq: number): string {
  return `${TENANT}/${conversation}/${String(seq).padStart(SINGLE_SEQ_DIGITS, '0')}`;
}

export interface Filled {
  readonly events: number;
  /** The position of the last event. */
  readonly head: number;
  readonly conversations: number;
  /** Some of them, with their messages: those named so, and all others. */
  readonly typical: readonly Talk[];
  readonly long: readonly Talk[];
  readonly single: Generation;
  /** What folding took, without making events up, and what the peer took. */
  readonly foldSeconds: number;
  readonly singleSeconds: number;
}

export interface Talk {
  readonly conversation: string;
  readonly visitor: string;
  messages: number;
  begunAt: number;
  endedAt: number;
}

const SAMPLED_EVERY = 37;

export async function fillReadModels(
  readStore: ReadStore,
  messages: number,
  options: TrafficOptions,
  onProgress: (messages: number) => void,
): Promise<Filled> {
  const fillers = await Promise.all(PROJECTIONS.map(projection => startFilling(readStore, projection)));
  const single = await readStore.generation(SINGLE, 1);
  const talks = new Map<string, Talk>();
  const revisions = new Map<string, number>();
  const made = traffic(options);
  let [position, posted, foldMs, singleMs] = [0, 0, 0, 0];
  while (posted < messages) {
    const inputs: FoldInput[] = [];
    const batch: MadeEvent[] = [];
    for (let i = 0; i < BATCH; i++) {
      const one = made.next().value;
      const revision = (revisions.get(one.conversation) ?? -1) + 1;
      revisions.set(one.conversation, revision);
      position += 1;
      inputs.push({ event: projected(one, revision, position), createdMs: one.at, bytes: 300 });
      batch.push(one);
      noteTalk(talks, one);
      if (one.event.type === 'MessagePosted') posted += 1;
    }
    let begun = performance.now();
    for (const fill of fillers) await fill(inputs);
    foldMs += performance.now() - begun;
    begun = performance.now();
    await commitSingles(single, batch, position - BATCH);
    singleMs += performance.now() - begun;
    onProgress(posted);
  }
  const sampled = [...talks.values()].filter(({ messages: said }, i) => said > 0 && i % SAMPLED_EVERY === 0);
  return {
    ...{ events: position, head: position, conversations: revisions.size, single },
    typical: sampled.filter(({ conversation }) => !conversation.startsWith(LONG)),
    long: [...talks.values()].filter(({ conversation, messages: said }) => conversation.startsWith(LONG) && said > 200),
    ...{ foldSeconds: foldMs / 1_000, singleSeconds: singleMs / 1_000 },
  };
}

function noteTalk(talks: Map<string, Talk>, { conversation, visitor, event, at }: MadeEvent): void {
  let talk = talks.get(conversation);
  if (talk === undefined)
    talks.set(conversation, (talk = { conversation, visitor, messages: 0, begunAt: at, endedAt: at }));
  if (event.type === 'MessagePosted') talk.messages += 1;
  talk.endedAt = at;
}

async function startFilling(
  readStore: ReadStore,
  projection: (typeof PROJECTIONS)[number],
): Promise<(inputs: readonly FoldInput[]) => Promise<void>> {
  const generation = await readStore.generation(storedSchema(projection.schema), 1);
  const { name, version } = projection.schema;
  const live: CatalogEntry = {
    ...{ projection: name, live: { generation: 1, version }, dropping: [], toCompact: false, log: LOG },
  };
  await readStore.changeCatalog(name, undefined, live);
  const folded = new FoldedDocuments({
    projection,
    load: generation.load.bind(generation),
    limits: { ...readStore.limits, ...HELD },
    parked: new Map(),
  });
  let from = await generation.checkpoint();
  return async inputs => {
    for await (const { to, writes, parked } of folded.commits(inputs)) {
      if (parked[0] !== undefined) throw new Error(`${parked[0].type} could not be folded: ${parked[0].error}.`);
      if ((await generation.commit({ from, to, writes })) !== 'committed') throw new Error('Somebody else projects.');
      from = to;
    }
  };
}

async function commitSingles(single: Generation, batch: readonly MadeEvent[], before: number): Promise<void> {
  const documents = batch.flatMap(({ conversation, event, actor, at }, i): SingleMessage[] => {
    if (event.type !== 'MessagePosted') return [];
    const { seq, text, format, attachments } = event.data;
    const _id = singleId(conversation, seq);
    return [
      {
        _id,
        position: before + i + 1,
        tenant: TENANT,
        conversation,
        seq,
        at,
        author: actor,
        text,
        format,
        attachments,
      },
    ];
  });
  const chunk = Math.floor(256 / SINGLE_ROWS);
  let from = await single.checkpoint();
  for (let at = 0; at < documents.length; at += chunk) {
    const some = documents.slice(at, at + chunk);
    const to = { position: some.at(-1)?.position ?? 0, createdMs: 0 };
    const writes = some.map(after => ({ collection: 'messages', id: after._id, before: undefined, after }));
    await single.commit({ from, to, writes });
    from = to;
  }
}
