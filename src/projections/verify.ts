/**
 * Folds the log afresh into a scratch generation and compares the live one with it, document for document.
 *
 * The live one moves on meanwhile, so what differs at first is a *candidate*, and is settled in rounds: the scratch is
 * brought to the live checkpoint, and what is the same by then is no candidate any more. A round says "different" only of
 * what it saw while the live checkpoint stood still, if need be because the projector waits for it. And while the log holds
 * an erasure that the live one has not come to, whose key may be gone already, the fresh fold may be ahead of it: then only of
 * a document that the fresh fold made before the live one came to where the log ended at that time.
 */
import { RequestError } from '../errors.ts';
import type { Checkpoint, Generation, StoredDocument } from '../read-store/read-store.ts';
import { Build } from './build.ts';
import { differingPaths, isSame } from './document-comparison.ts';
import { ERASURES, isErasure } from './feed.ts';
import { lastEvent } from './lag.ts';
import type { LiveProjection } from './live-projection.ts';
import { PARKED, storedSchema } from './parking.ts';
import type { ProjectorParts } from './parts.ts';
import type { VerifyResult, WorkOptions } from './projection-work.ts';
import { withScratch } from './scratch.ts';

const PAGE = 200;
/** Candidates held before they are settled. */
const CANDIDATES_MAX = 10_000;
const ROUNDS_MAX = 20;
/** Rounds without stopping the projector. */
const FREE_ROUNDS = 2;
const ROUND_PAUSE_MS = 50;
const RETRY_AFTER_MS = 5_000;
/** Between looks at whether it has caught up, and how long it may stand still meanwhile. */
const CATCH_UP_LOOK_MS = 50;
const STANDSTILL_MS_MAX = 30_000;

type Difference = NonNullable<VerifyResult['difference']>;

interface Candidate {
  readonly collection: string;
  readonly id: string;
  /** Of the fresh document when it was first seen as it is, and where the log ended after that. */
  readonly fresh?: { readonly position: number | undefined; readonly end: number };
}

/** @throws the signal's reason, UnavailableError, UnopenableEventError; RequestError `unavailable` where it cannot be compared now */
export async function verifyProjection(
  parts: ProjectorParts,
  live: LiveProjection,
  options: WorkOptions,
): Promise<VerifyResult> {
  const signal = options.signal === undefined ? parts.stopping : AbortSignal.any([parts.stopping, options.signal]);
  const { entry, standing } = await live.look();
  if (standing !== 'ours') throw again(`${live.name} is of another version than this code.`);
  const schema = storedSchema(live.projection.schema);
  const generation = await parts.readStore.generation(schema, entry.live.generation);
  const at = await caughtUpWith(parts, generation, signal);
  if (at === undefined) return { projection: live.name, position: -1, documents: 0, differences: 0 };
  return withScratch(parts, live.catalog, async number => {
    const build = new Build(parts, {
      ...{ live, number, signal },
      onMoved: ({ position }) => options.onProgress?.({ phase: 'building', done: position, total: at.position }),
    });
    const scratch = await build.open();
    await build.advance(at.position);
    const comparison = new Comparison(parts, live, { generation, scratch, build, signal }, options);
    return { projection: live.name, position: at.position, ...(await comparison.run()) };
  });
}

/**
 * The live checkpoint, once it has all that the log had when it was asked: of a read model that is still being built,
 * or stands still, nothing is said by comparing what there is. Undefined where the log has nothing for it.
 */
async function caughtUpWith(
  { source, delay }: ProjectorParts,
  generation: Generation,
  signal: AbortSignal,
): Promise<Checkpoint | undefined> {
  const end = await lastEvent(source.store);
  if (end === undefined) return undefined;
  let seen = -1;
  for (let stoodStillMs = 0; stoodStillMs < STANDSTILL_MS_MAX; stoodStillMs += CATCH_UP_LOOK_MS) {
    const at = await generation.checkpoint();
    if (at !== undefined && at.position >= end.position) return at;
    if ((at?.position ?? -1) > seen) stoodStillMs = 0;
    seen = at?.position ?? -1;
    await delay(CATCH_UP_LOOK_MS, signal);
    signal.throwIfAborted();
  }
  throw again('It stands still before the end of the log: see its state.');
}

interface Sides {
  /** The live one. */
  readonly generation: Generation;
  readonly scratch: Generation;
  readonly build: Build;
  readonly signal: AbortSignal;
}

class Comparison {
  private readonly parts: ProjectorParts;
  private readonly live: LiveProjection;
  private readonly sides: Sides;
  private readonly options: WorkOptions;
  private candidates: Candidate[] = [];
  private documents = 0;
  private differences = 0;
  private difference: Difference | undefined;

  constructor(parts: ProjectorParts, live: LiveProjection, sides: Sides, options: WorkOptions) {
    [this.parts, this.live, this.sides, this.options] = [parts, live, sides, options];
  }

  async run(): Promise<Pick<VerifyResult, 'documents' | 'differences' | 'difference'>> {
    const counts = await this.sides.scratch.counts();
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    for (const { name } of this.sides.generation.schema.collections)
      for await (const { id, ours, fresh } of pairs(this.sides, name)) {
        this.documents += name === PARKED.name ? 0 : 1;
        if (!isSame(ours, fresh)) this.candidates.push({ collection: name, id });
        if (this.candidates.length >= CANDIDATES_MAX) await this.settle();
        if (this.documents % PAGE === 0) this.tell(total);
      }
    await this.settle();
    this.tell(total);
    const { documents, differences, difference } = this;
    return { documents, differences, ...(difference === undefined ? {} : { difference }) };
  }

  private tell(total: number): void {
    this.sides.signal.throwIfAborted();
    this.options.onProgress?.({ phase: 'comparing', done: this.documents, total: Math.max(total, this.documents) });
  }

  private async settle(): Promise<void> {
    const found: Difference[] = [];
    for (let round = 0; this.candidates.length > 0; round++) {
      if (round === ROUNDS_MAX) throw again(`${this.live.name} moves too fast to be compared.`);
      if (round >= FREE_ROUNDS) await this.parts.delay(ROUND_PAUSE_MS, this.sides.signal);
      const release = round < FREE_ROUNDS ? undefined : await this.live.turns.take();
      try {
        found.push(...(await this.goRound()));
      } finally {
        release?.();
      }
    }
    const names = this.sides.generation.schema.collections.map(({ name }) => name);
    const order = (a: Difference, b: Difference): number =>
      names.indexOf(a.collection) - names.indexOf(b.collection) || byId(a.id, b.id);
    this.differences += found.length;
    this.difference ??= found.sort(order)[0];
  }

  /** Gives what is different for sure, and leaves the candidates that it could not settle. */
  private async goRound(): Promise<Difference[]> {
    const { generation, scratch, build, signal } = this.sides;
    signal.throwIfAborted();
    const before = await generation.checkpoint();
    if (!build.covers(before)) await build.advance(before?.position ?? -1);
    const end = (await lastEvent(this.parts.source.store))?.position ?? -1;
    const differing: { readonly candidate: Candidate; readonly difference: Difference }[] = [];
    for (const candidate of this.candidates) {
      const { ours, fresh } = await this.look(candidate);
      if (isSame(ours, fresh)) continue;
      const seen = { position: fresh?.position, end };
      const isAsSeen = candidate.fresh !== undefined && candidate.fresh.position === seen.position;
      const difference = differenceOf(candidate, ours, fresh);
      differing.push({ candidate: isAsSeen ? candidate : { ...candidate, fresh: seen }, difference });
    }
    await this.expectSameGeneration();
    const after = [await generation.checkpoint(), await scratch.checkpoint()];
    const stoodStill = after.every(checkpoint => isSame(before, checkpoint));
    const isAhead = await this.isErasureAhead(before);
    const isSure = ({ fresh }: Candidate): boolean =>
      stoodStill && (!isAhead || (fresh !== undefined && (before?.position ?? -1) >= fresh.end));
    this.candidates = differing.map(({ candidate }) => candidate).filter(candidate => !isSure(candidate));
    return differing.filter(({ candidate }) => isSure(candidate)).map(({ difference }) => difference);
  }

  private async look({ collection, id }: Candidate): Promise<Omit<Pair, 'id'>> {
    const [[ours], [fresh]] = await Promise.all([
      this.sides.generation.load(collection, [id]),
      this.sides.scratch.load(collection, [id]),
    ]);
    return { ours, fresh };
  }

  /** An engine may read nothing where a generation was dropped, and not say so. */
  private async expectSameGeneration(): Promise<void> {
    const { entry } = await this.live.look();
    if (entry.live.generation !== this.sides.generation.number)
      throw again(`Another generation of ${this.live.name} took the place of the one that was compared.`);
  }

  private async isErasureAhead(checkpoint: Checkpoint | undefined): Promise<boolean> {
    const position = checkpoint?.position ?? -1;
    const from = checkpoint === undefined ? 'start' : BigInt(checkpoint.position);
    for await (const event of this.parts.source.store.readAll({ from, filter: ERASURES }))
      if (isErasure(event) && event.position > position) return true;
    return false;
  }
}

function differenceOf({ collection, id }: Candidate, ours: unknown, fresh: unknown): Difference {
  const kind = ours === undefined ? 'missing' : fresh === undefined ? 'unexpected' : 'different';
  return { collection, id, kind, fields: kind === 'different' ? differingPaths(ours, fresh) : [] };
}

interface Pair {
  readonly id: string;
  readonly ours: StoredDocument | undefined;
  readonly fresh: StoredDocument | undefined;
}

/** Both sides' documents of one collection, in the order of `_id`. */
async function* pairs({ generation, scratch }: Sides, collection: string): AsyncGenerator<Pair> {
  const [left, right] = [pagesOf(generation, collection), pagesOf(scratch, collection)];
  let [ours, fresh] = [await next(left), await next(right)];
  for (;;) {
    if (ours === undefined && fresh === undefined) return;
    const order = ours === undefined ? 1 : fresh === undefined ? -1 : byId(ours._id, fresh._id);
    const id = (order <= 0 ? ours?._id : fresh?._id) ?? '';
    yield { id, ours: order <= 0 ? ours : undefined, fresh: order >= 0 ? fresh : undefined };
    if (order <= 0) ours = await next(left);
    if (order >= 0) fresh = await next(right);
  }
}

async function next(documents: AsyncGenerator<StoredDocument>): Promise<StoredDocument | undefined> {
  const result = await documents.next();
  return result.done === true ? undefined : result.value;
}

async function* pagesOf(generation: Generation, collection: string): AsyncGenerator<StoredDocument> {
  let after: string | undefined;
  do {
    const page: readonly StoredDocument[] = await generation.page(collection, { after, limit: PAGE });
    yield* page;
    after = page.length < PAGE ? undefined : page.at(-1)?._id;
  } while (after !== undefined);
}

/** As the stores order them: by their bytes in UTF-8. */
function byId(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function again(message: string): RequestError {
  return new RequestError('unavailable', message, { retryAfterMs: RETRY_AFTER_MS });
}
