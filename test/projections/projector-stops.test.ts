import { afterEach, describe, expect, it } from 'vitest';
import { openFeed, UnopenableEventError } from '../../src/projections/feed.ts';
import type { FeedItem } from '../../src/projections/feed.ts';
import { BrokenFoldError, FoldedDocuments } from '../../src/projections/fold-batch.ts';
import { storedSchema } from '../../src/projections/parking.ts';
import { TooManyParkedError } from '../../src/projections/projection-run.ts';
import type { Projection } from '../../src/projections/projection.ts';
import { turns } from '../support/fake-time.ts';
import { appendHistory, ProjectedLog } from '../support/projected-log.ts';
import { caughtUp, makeProjector, stopProjectors, timeUntil } from '../support/projector-fixture.ts';
import { POISON, tinyProjection } from '../support/tiny-projection.ts';

const started = { type: 'ConversationStarted', data: { channel: 'web', visitor: 'vera' } } as const;
const poison = { type: 'MessagePosted', data: { seq: 0, text: POISON, format: 'plain', attachments: [] } } as const;

afterEach(stopProjectors);

/** A fold that mistakes the tenant. */
function careless(): Projection {
  const { documents, ...rest } = tinyProjection('careless');
  return { ...rest, documents: documents.map(fold => ({ ...fold, keys: () => ['other/tenant'] })) };
}

describe('what stops a projection', () => {
  it('is a key of another tenant: nothing is written, and others go on', async () => {
    const events = new ProjectedLog();
    await events.append('a', started);
    const fixture = makeProjector(events, { projections: [careless(), tinyProjection()] });
    await fixture.projector.start();
    await timeUntil(fixture.time, () => fixture.projector.status()[0]?.state === 'stopped', 'the stop');
    await timeUntil(fixture.time, () => fixture.projector.status()[1]?.state === 'live', 'the other one');
    const reason = 'The fold of threads gave a foreign key at conversation-acme.a@0.';
    expect(fixture.projector.status()[0]).toMatchObject({ checkpoint: undefined, reason });
    expect(fixture.projector.status()[1]?.checkpoint?.position).toBe(events.end);
  });

  it('is a fold that gives no keys', async () => {
    const { documents, facts } = tinyProjection();
    const load = <Document>(_: string, ids: readonly string[]) =>
      Promise.resolve(ids.map((): Document | undefined => undefined));
    const limits = { documentsMax: 1, rowsMax: 1, bytesMax: 1, documentsHeldMax: 1, bytesHeldMax: 1 };
    const keys = (): never => {
      throw new Error('Broken.');
    };
    const broken = documents.map(fold => ({ ...fold, keys }));
    const folded = new FoldedDocuments({ projection: { documents: broken, facts }, load, limits, parked: new Map() });
    const events = new ProjectedLog();
    await events.append('a', started);
    const [item] = await itemsOf(events);
    if (item?.kind !== 'events') throw new Error('There are events.');
    await expect(folded.commits(item.inputs).next()).rejects.toThrow(BrokenFoldError);
  });

  it('gives a rebuild up whose documents stand still, and leaves what answers', async () => {
    const events = new ProjectedLog();
    await events.append('a', started, poison);
    await events.append('b', started, poison);
    const fixture = makeProjector(events, { limits: { parkedMax: 1 } });
    await expect(fixture.projector.rebuild('tiny')).rejects.toThrow(TooManyParkedError);
    expect(await fixture.readStore.catalog('tiny')).toMatchObject({ live: { generation: 1 } });
    expect((await fixture.readStore.catalog('tiny'))?.building).toBeUndefined();
  });

  it('is not verified as equal while it stands still before the end of the log: that is said instead', async () => {
    const events = new ProjectedLog();
    await events.append('a', started);
    // Not started, so that nothing is folded.
    const fixture = makeProjector(events);
    let answer: unknown;
    void fixture.projector.verify('tiny').then(
      result => (answer = result),
      (error: unknown) => (answer = error),
    );
    await timeUntil(fixture.time, () => answer !== undefined, 'the answer');
    expect(answer).toMatchObject({ code: 'unavailable', message: expect.stringContaining('stands still') as string });
  });
});

async function itemsOf(events: ProjectedLog, until = Infinity): Promise<FeedItem[]> {
  const limits = { batchEventsMax: 10, batchBytesMax: 1_000_000 };
  const { store, open, openTenant, keys } = events;
  const source = { store, open, openTenant, keys, limits };
  const items: FeedItem[] = [];
  const { signal } = new AbortController();
  for await (const item of openFeed(source, { after: undefined, until, signal })) items.push(item);
  return items;
}

const positionsOf = (items: readonly FeedItem[]): number[] =>
  items.flatMap(item =>
    item.kind === 'events'
      ? item.inputs.map(({ event }) => event.position)
      : item.kind === 'erasure'
        ? [item.at.position]
        : [],
  );

describe('a feed', () => {
  it('passes on everything up to where it ends, each once and in order', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 95, erasureEvery: 30 });
    const all = await itemsOf(events);
    expect(positionsOf(all)).toEqual(Array.from({ length: 95 }, (_, i) => i * 10));
    expect(all.filter(({ kind }) => kind === 'erasure')).toHaveLength(3);
    expect(positionsOf(await itemsOf(events, 500)).at(-1)).toBe(500);
    expect(positionsOf(await itemsOf(events, 505)).at(-1)).toBe(500);
  });

  it('passes on everything before an event that cannot be opened, and then fails', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 33 });
    const { end } = events;
    await events.appendUnknown('c01');
    await appendHistory(events, { events: 5, seed: 2 });
    const fixture = makeProjector(events);
    const checkpoints: number[] = [];
    fixture.projector.onCheckpoint((_, __, { position }) => checkpoints.push(position));
    await fixture.projector.start();
    await timeUntil(fixture.time, () => fixture.projector.status()[0]?.state === 'stopped', 'the stop');
    expect(checkpoints.at(-1)).toBe(end);
    await expect(itemsOf(events)).rejects.toThrow(UnopenableEventError);
  });

  it('asks a log for no more than it works on: a read store that hangs holds it back', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 2_000 });
    const hanging = makeProjector(events, { limits: { batchEventsMax: 50 } });
    const generation = await hanging.readStore.generation(storedSchema(tinyProjection().schema), 1);
    let commit = (): void => undefined;
    generation.commit = () => new Promise(resolve => (commit = () => resolve('stale')));
    await hanging.projector.start();
    await turns(500);
    // What is folded, what waits, and what is being opened.
    expect(events.opened).toBeGreaterThanOrEqual(50);
    expect(events.opened).toBeLessThanOrEqual(300);
    commit();
    await turns(10);
  });

  it('goes on to what comes', async () => {
    const events = new ProjectedLog();
    const fixture = makeProjector(events);
    await fixture.projector.start();
    for (let i = 0; i < 5; i++) {
      await events.append(`c${i}`, started);
      await caughtUp(fixture, events);
    }
    expect(fixture.projector.status()[0]).toMatchObject({ eventsFolded: 5, state: 'live' });
  });
});
