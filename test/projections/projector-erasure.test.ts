import { afterEach, describe, expect, it } from 'vitest';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import { MemoryReadStore } from '../support/memory-read-store.ts';
import { appendHistory, ProjectedLog } from '../support/projected-log.ts';
import { caughtUp, cleanBuild, dump, makeProjector, stopProjectors, timeUntil } from '../support/projector-fixture.ts';
import type { Fixture } from '../support/projector-fixture.ts';
import { POISON, tinyProjection } from '../support/tiny-projection.ts';
import type { Thread } from '../support/tiny-projection.ts';

const started = (visitor?: string) =>
  ({ type: 'ConversationStarted', data: { channel: 'web', ...(visitor === undefined ? {} : { visitor }) } }) as const;
const posted = (seq: number, text: string) =>
  ({ type: 'MessagePosted', data: { seq, text, format: 'plain', attachments: [] } }) as const;

afterEach(stopProjectors);

async function threadsOf({ readStore }: Fixture): Promise<readonly Thread[]> {
  return (await dump(readStore, tinyProjection())).threads as readonly Thread[];
}

const compacted = async ({ readStore }: Fixture): Promise<boolean> =>
  (await readStore.catalog('tiny'))?.toCompact === false;

describe('an erasure', () => {
  it('takes the subject’s words out of its documents, marks these as changed by it, and touches nothing else', async () => {
    const events = new ProjectedLog();
    await events.append('a', started('vera'), posted(0, 'words of vera'));
    await events.append('b', started('otto'), posted(0, 'words of otto'));
    const fixture = makeProjector(events);
    await fixture.projector.start();
    await caughtUp(fixture, events);
    const before = await dump(fixture.readStore, tinyProjection());
    await events.erase('vera');
    const { end } = events;
    await events.append('b', posted(1, 'later'));
    await caughtUp(fixture, events);
    expect(await threadsOf(fixture)).toMatchObject([
      { _id: 'acme/a', texts: [null], subjects: ['vera'], position: end },
      { _id: 'acme/b', texts: ['words of otto', 'later'] },
    ]);
    const after = await dump(fixture.readStore, tinyProjection());
    expect(after.counts?.[1]).toEqual(before.counts?.[1]);
    expect(await events.keys.find([{ tenant: 'acme', subject: 'vera' }])).toEqual(['erased']);
  });

  it('destroys the key before anything behind it is opened, and what is behind it is folded without the words', async () => {
    const events = new ProjectedLog();
    await events.append('a', started('vera'), posted(0, 'before'));
    await events.erase('vera');
    // Sealed before, and late.
    await events.append('a', posted(1, 'behind'));
    await events.keys.obtain([{ tenant: 'acme', subject: 'vera' }]);
    const fixture = makeProjector(events);
    await fixture.projector.start();
    await caughtUp(fixture, events);
    expect((await threadsOf(fixture))[0]?.texts).toEqual([null, null]);
  });

  it('finds every conversation of the subject, page by page', async () => {
    const events = new ProjectedLog();
    for (let i = 0; i < 450; i++) await events.append(`c${i}`, started('vera'), posted(0, 'words'));
    const fixture = makeProjector(events);
    await fixture.projector.start();
    await caughtUp(fixture, events);
    await events.erase('vera');
    await caughtUp(fixture, events);
    const threads = await threadsOf(fixture);
    expect(threads).toHaveLength(450);
    expect(threads.every(({ texts, position }) => texts[0] === null && position === events.end)).toBe(true);
  });

  it('gives the same, whether its key was gone when the events were first folded or not', async () => {
    for (const andKey of [true, false]) {
      const events = new ProjectedLog();
      await events.append('a', started('vera'), posted(0, 'words'));
      const live = makeProjector(events, { projections: [tinyProjection(), ...PROJECTIONS] });
      await live.projector.start();
      await caughtUp(live, events);
      await events.erase('vera', andKey);
      await appendHistory(events, { events: 80, erasureEvery: 25 });
      await caughtUp(live, events);
      const clean = await cleanBuild(events, live.projections);
      expect(await Promise.all(live.projections.map(projection => dump(live.readStore, projection)))).toEqual(clean);
    }
  });

  it('leaves no word of the subject in any document of the product’s read models', async () => {
    const events = new ProjectedLog();
    await events.append('a', started('vera'), posted(0, 'unmistakable'), posted(1, 'unmistakable too'));
    await events.append('a', { type: 'MessageEdited', data: { seq: 1, text: 'unmistakably edited' } });
    const fixture = makeProjector(events, { projections: PROJECTIONS });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    const all = async (): Promise<string> =>
      JSON.stringify(await Promise.all(PROJECTIONS.map(projection => dump(fixture.readStore, projection))));
    expect(await all()).toContain('unmistakabl');
    await events.erase('vera');
    await caughtUp(fixture, events);
    expect(await all()).not.toContain('unmistakabl');
  });

  it('keeps a parked document where it stood', async () => {
    const events = new ProjectedLog();
    await events.append('a', started('vera'), posted(0, 'one'), posted(1, POISON), posted(2, 'three'));
    const fixture = makeProjector(events);
    await fixture.projector.start();
    await caughtUp(fixture, events);
    await events.erase('vera');
    await caughtUp(fixture, events);
    expect(await threadsOf(fixture)).toMatchObject([{ texts: [null], parked: true }]);
    expect(fixture.projector.status()[0]?.parkedDocuments).toBe(1);
  });

  it('of somebody whom no document names moves the checkpoint, and owes no copy', async () => {
    const events = new ProjectedLog();
    await events.append('a', started('vera'));
    await events.erase('nobody');
    const fixture = makeProjector(events);
    await fixture.projector.start();
    await caughtUp(fixture, events);
    expect(await fixture.readStore.catalog('tiny')).toMatchObject({ toCompact: false, live: { generation: 1 } });
  });

  it('deletes the documents of a conversation whose stream is gone', async () => {
    const events = new ProjectedLog();
    await events.append('a', started('vera'), posted(0, 'words'));
    const fixture = makeProjector(events);
    await fixture.projector.start();
    await caughtUp(fixture, events);
    await events.store.tombstoneStream('conversation-acme.a', { expectedRevision: 'any' });
    await events.erase('vera');
    await caughtUp(fixture, events);
    expect(await threadsOf(fixture)).toEqual([]);
  });
});

describe('compaction after erasures', () => {
  it('puts a copy in the place of the generation, one for many erasures, and drops the old one within seconds', async () => {
    const events = new ProjectedLog();
    const readStore = new MemoryReadStore();
    for (let i = 0; i < 20; i++) await events.append(`c${i}`, started(`v${i}`), posted(0, 'words'));
    const fixture = makeProjector(events, { readStore });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    for (let i = 0; i < 20; i++) await events.erase(`v${i}`);
    await timeUntil(fixture.time, async () => (await readStore.catalog('tiny'))?.toCompact === true, 'the debt');
    await timeUntil(fixture.time, () => compacted(fixture), 'the copy');
    expect(await readStore.catalog('tiny')).toMatchObject({ live: { generation: 2 }, dropping: [{ generation: 1 }] });
    await fixture.time.advance(3_000);
    expect((await readStore.catalog('tiny'))?.dropping).toEqual([]);
    await events.append('c1', posted(1, 'still here'));
    await caughtUp(fixture, events);
    expect(await dump(readStore, tinyProjection())).toEqual((await cleanBuild(events))[0]);
  });

  it('is not made where the engine’s files are not ours, and nothing is owed then', async () => {
    const events = new ProjectedLog();
    const readStore = new MemoryReadStore();
    readStore.copyCompacted = () => Promise.resolve(false);
    await events.append('a', started('vera'), posted(0, 'words'));
    const fixture = makeProjector(events, { readStore });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    await events.erase('vera');
    await timeUntil(fixture.time, async () => (await readStore.catalog('tiny'))?.toCompact === true, 'the debt');
    await timeUntil(fixture.time, () => compacted(fixture), 'the debt being forgiven');
    expect((await readStore.catalog('tiny'))?.live.generation).toBe(1);
  });
});
