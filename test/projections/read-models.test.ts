import { describe, expect, it } from 'vitest';
import { UnavailableError } from '../../src/errors.ts';
import { storedSchema } from '../../src/projections/parking.ts';
import { createReadModels } from '../../src/projections/read-models.ts';
import type { ReadModels } from '../../src/projections/read-models.ts';
import type {
  CatalogEntry,
  Found,
  Generation,
  ProjectionSchema,
  StoredDocument,
} from '../../src/read-store/read-store.ts';
import { FakeTime, turns } from '../support/fake-time.ts';
import { MemoryReadStore } from '../support/memory-read-store.ts';

const LOG = 'the-log';
const schema: ProjectionSchema = {
  name: 'things',
  version: 1,
  collections: [{ name: 'things', indexes: [] }],
};

interface Thing extends StoredDocument {
  readonly text: string;
}

class Fixture {
  readonly readStore = new MemoryReadStore();
  readonly time = new FakeTime();
  head = 1_000;
  /** Behind the head where the log ends with what no projection takes. */
  end: number | undefined;
  readonly readModels: ReadModels;
  private entry: CatalogEntry | undefined;

  constructor(limits = { waitMsMax: 5_000, waitingMax: 2 }) {
    const { readStore, time } = this;
    this.readModels = createReadModels({
      ...{ readStore, limits, log: LOG, clock: time, timers: time, projections: [{ schema }] },
      head: () => Promise.resolve(this.head),
      end: () => Promise.resolve(this.end ?? this.head),
    });
  }

  async live(generation: number, more: Partial<CatalogEntry> = {}): Promise<void> {
    const dropping = this.entry === undefined ? [] : [{ generation: this.entry.live.generation, afterMs: 0 }];
    const entry: CatalogEntry = {
      ...{ projection: 'things', log: LOG, live: { generation, version: 1 }, dropping, toCompact: false },
      ...more,
    };
    expect(await this.readStore.changeCatalog('things', this.entry, entry)).toBe(true);
    this.entry = entry;
  }

  /** One document, whose text is `text`, and the checkpoint at `position`. */
  async commit(number: number, position: number, text: string): Promise<void> {
    const generation = await this.readStore.generation(storedSchema(schema), number);
    const from = await generation.checkpoint();
    const after: Thing = { _id: 'acme/1', position, text };
    const writes = [{ collection: 'things', id: after._id, before: undefined, after }];
    expect(await generation.commit({ from, to: { position, createdMs: 0 }, writes })).toBe('committed');
  }

  ask(minPosition?: number, signal?: AbortSignal): Promise<string | undefined> {
    return this.readModels.query('things', { minPosition, signal }, textOf).then(({ text }) => text);
  }
}

async function textOf(generation: Generation): Promise<{ text: string | undefined; position: number | undefined }> {
  const { documents, position }: Found<Thing> = await generation.walk({
    ...{ collection: 'things', index: '_id', equals: {}, direction: 'forwards', limit: 1 },
  });
  return { text: documents[0]?.text, position };
}

describe('the generation that answers', () => {
  it('is the live one, within a second of a switch', async () => {
    const fixture = new Fixture();
    await fixture.live(1);
    await fixture.commit(1, 5, 'old');
    await fixture.commit(2, 5, 'new');
    expect(await fixture.ask()).toBe('old');
    await fixture.live(2);
    await fixture.time.advance(1_001);
    expect(await fixture.ask()).toBe('new');
  });

  it('is asked again by a query whose own was dropped under it, or before it', async () => {
    const fixture = new Fixture();
    await fixture.live(1);
    await fixture.commit(1, 5, 'old');
    await fixture.commit(2, 5, 'new');
    const seen: number[] = [];
    const query = fixture.readModels.query('things', {}, async generation => {
      seen.push(generation.number);
      if (generation.number === 1) {
        await fixture.live(2);
        await fixture.readStore.drop('things', 1);
      }
      return textOf(generation);
    });
    expect(await query).toMatchObject({ text: 'new' });
    expect(seen).toEqual([1, 2]);
    await fixture.commit(3, 5, 'newest');
    await fixture.live(3);
    await fixture.readStore.drop('things', 2);
    expect(await fixture.ask(5)).toBe('newest');
  });

  it('lets go of one that was replaced, once its grace is over and not before', async () => {
    const fixture = new Fixture();
    const released: number[] = [];
    fixture.readStore.release = (_, number) => Promise.resolve(void released.push(number));
    await fixture.live(1);
    await fixture.commit(1, 5, 'old');
    await fixture.commit(2, 5, 'new');
    expect(await fixture.ask()).toBe('old');
    await fixture.live(2, { dropping: [{ generation: 1, afterMs: fixture.time.now() + 3_000 }] });
    await fixture.time.advance(1_001);
    expect(await fixture.ask()).toBe('new');
    expect(released).toEqual([]);
    await fixture.time.advance(2_000);
    expect(await fixture.ask()).toBe('new');
    expect(released).toEqual([1]);
    await fixture.time.advance(2_000);
    expect(await fixture.ask()).toBe('new');
    expect(released).toEqual([1]);
  });

  it('a dropped one that reads as empty is not believed', async () => {
    const fixture = new Fixture();
    await fixture.live(1);
    await fixture.commit(1, 5, 'old');
    await fixture.commit(2, 5, 'new');
    const answer = await fixture.readModels.query('things', {}, async generation => {
      if (generation.number === 2) return textOf(generation);
      await fixture.live(2);
      return { text: undefined, position: undefined };
    });
    expect(answer.text).toBe('new');
    const slow = await fixture.readModels.query('things', {}, async generation => {
      if (generation.number === 3) return { text: 'newest', position: 5 };
      await fixture.commit(3, 5, 'newest');
      await fixture.live(3);
      await fixture.time.advance(1_001);
      return { text: undefined, position: 5 };
    });
    expect(slow.text).toBe('newest');
  });

  it.each([
    ['there is none', undefined],
    ['it is of another version of the code', { live: { generation: 1, version: 2 } }],
    ['it is of another log', { log: 'another' }],
  ])('is not available while %s', async (_, entry) => {
    const fixture = new Fixture();
    if (entry) await fixture.live(1, entry);
    await expect(fixture.ask()).rejects.toThrow(UnavailableError);
  });

  it('an error of the store is told, and not tried for ever', async () => {
    const fixture = new Fixture();
    await fixture.live(1);
    let runs = 0;
    const query = fixture.readModels.query('things', {}, () => {
      runs += 1;
      return Promise.reject(new UnavailableError('away'));
    });
    await expect(query).rejects.toThrow('away');
    expect(runs).toBe(1);
  });
});

describe('minPosition', () => {
  async function at(position: number): Promise<Fixture> {
    const fixture = new Fixture();
    await fixture.live(1);
    await fixture.commit(1, position, `at ${position}`);
    return fixture;
  }

  it('that is reached is not waited for', async () => {
    expect(await (await at(7)).ask(7)).toBe('at 7');
  });

  it('is answered as soon as the projector says that it committed it', async () => {
    const fixture = await at(7);
    const asked = fixture.ask(9);
    await turns(5);
    fixture.readModels.noteCheckpoint('things', 8);
    await fixture.commit(1, 9, 'at 9');
    fixture.readModels.noteCheckpoint('things', 9);
    expect(await asked).toBe('at 9');
  });

  it('is found by looking where another process projects', async () => {
    const fixture = await at(7);
    const asked = fixture.ask(9);
    await turns(5);
    await fixture.commit(1, 9, 'at 9');
    await fixture.time.advance(100);
    expect(await asked).toBe('at 9');
  });

  it('of an event that no projection takes is shown by who shows all before it', async () => {
    const fixture = await at(999);
    fixture.end = 1_005;
    const asked = fixture.ask(1_003);
    await fixture.commit(1, 1_000, 'the head');
    fixture.readModels.noteCheckpoint('things', 1_000);
    expect(await asked).toBe('the head');
    expect(await fixture.ask(1_005)).toBe('the head');
    await expect(fixture.ask(1_006)).rejects.toMatchObject({ code: 'bad-request', path: 'minPosition' });
  });

  it('that is not reached in time is unavailable, with a time to come again', async () => {
    const fixture = await at(7);
    const asked = fixture.ask(9).catch((error: unknown) => error);
    let isAnswered = false;
    void asked.then(() => (isAnswered = true));
    await turns(5);
    await fixture.time.advance(4_999);
    expect(isAnswered).toBe(false);
    await fixture.time.advance(1);
    expect(await asked).toMatchObject({ code: 'unavailable', path: 'minPosition', retryAfterMs: 1_000 });
  });

  it('waits on through a store that is away for a while', async () => {
    const fixture = await at(7);
    const asked = fixture.ask(9);
    await turns(5);
    fixture.readStore.failing = true;
    await fixture.time.advance(1_000);
    fixture.readStore.failing = false;
    await fixture.commit(1, 9, 'at 9');
    await fixture.time.advance(100);
    expect(await asked).toBe('at 9');
  });

  it('waits on through a switch, for the generation that took over', async () => {
    const fixture = await at(7);
    const asked = fixture.ask(9);
    await turns(5);
    await fixture.commit(2, 9, 'new');
    await fixture.live(2);
    await fixture.time.advance(1_200);
    expect(await asked).toBe('new');
  });

  it('beyond the end of the log is the caller’s mistake', async () => {
    await expect((await at(7)).ask(1_001)).rejects.toMatchObject({ code: 'bad-request', path: 'minPosition' });
  });

  it('is waited for by so many at once, and no more', async () => {
    const fixture = await at(7);
    const waiting = [fixture.ask(9), fixture.ask(9)];
    await turns(5);
    await expect(fixture.ask(9)).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: 1_000 });
    await fixture.commit(1, 9, 'at 9');
    fixture.readModels.noteCheckpoint('things', 9);
    expect(await Promise.all(waiting)).toEqual(['at 9', 'at 9']);
    expect(await fixture.ask(9)).toBe('at 9');
  });

  it('is not waited for by a caller that has left', async () => {
    const fixture = await at(7);
    const left = new AbortController();
    const asked = fixture.ask(9, left.signal);
    await turns(5);
    left.abort(new Error('The caller has left.'));
    await expect(asked).rejects.toThrow('The caller has left.');
  });
});
