/** What may be read from members that lag, seen from what the driver is asked: the engine of the tests has one member. */
import { Collection, MongoServerError } from 'mongodb';
import type { FindOptions } from 'mongodb';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openMongoDbReadStore } from '../../src/read-store/read-store.mongodb.ts';
import type { Generation, IndexWalk } from '../../src/read-store/read-store.ts';
import { findMongoDb, sharedMongoDb } from '../support/mongodb-server.ts';
import { filled, thing } from './things.ts';

const WALK: IndexWalk = {
  ...{ collection: 'things', index: 'by_rank', direction: 'forwards', equals: { tenant: 'acme' }, limit: 10 },
};

async function filledGeneration(): Promise<Generation> {
  const readStore = await openMongoDbReadStore({ url: (await sharedMongoDb()).freshUrl(), timeoutMs: 15_000 });
  onTestFinished(() => readStore.close());
  return filled(readStore, [thing('a', { rank: 1 }), thing('b', { rank: 2 })]);
}

/** Of every read from now on, those that `findOne` makes among them: where it may be answered from, and in which session. */
function watchReads() {
  const finds = vi.spyOn(Collection.prototype, 'find');
  return () =>
    finds.mock.calls.map(([, options]) => {
      const { readPreference, session }: FindOptions = options ?? {};
      return { from: (readPreference as { readonly mode?: string } | undefined)?.mode ?? 'primary', session };
    });
}

afterEach(() => vi.restoreAllMocks());

describe.skipIf(!findMongoDb().found)('a walk on MongoDB', () => {
  it('reads from the primary alone', async () => {
    const generation = await filledGeneration();
    const reads = watchReads();
    expect((await generation.walk(WALK)).documents).toHaveLength(2);
    expect(reads().map(({ from }) => from)).toEqual(['primary', 'primary']);
  });

  it('that may lag reads checkpoint and documents from secondaries, in one causal session', async () => {
    const generation = await filledGeneration();
    const reads = watchReads();
    const found = await generation.walk({ ...WALK, mayLag: true });
    expect(found).toMatchObject({ documents: { length: 2 }, position: 1 });
    expect(reads().map(({ from }) => from)).toEqual(['secondaryPreferred', 'secondaryPreferred']);
    const [first, second] = reads();
    expect(first?.session?.supports.causalConsistency).toBe(true);
    expect(second?.session).toBe(first?.session);
  });

  it('that may lag asks the primary where a secondary does not answer soon', async () => {
    const generation = await filledGeneration();
    const late = new MongoServerError({ message: 'operation exceeded time limit', code: 50 });
    vi.spyOn(Collection.prototype, 'findOne').mockRejectedValueOnce(late);
    const reads = watchReads();
    expect(await generation.walk({ ...WALK, mayLag: true })).toMatchObject({ documents: { length: 2 }, position: 1 });
    expect(reads().map(({ from }) => from)).toEqual(['primary', 'primary']);
  });

  it('that may lag asks the primary where a secondary does not know the generation yet', async () => {
    const generation = await filledGeneration();
    const reads = watchReads();
    const checkpoints = vi.spyOn(Collection.prototype, 'findOne').mockResolvedValueOnce(null);
    expect(await generation.walk({ ...WALK, mayLag: true })).toMatchObject({ documents: { length: 2 }, position: 1 });
    expect(checkpoints).toHaveBeenCalledTimes(2);
    expect(reads().map(({ from }) => from)).toEqual(['primary', 'primary']);
  });
});
