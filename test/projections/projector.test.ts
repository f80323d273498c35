import { afterEach, describe, expect, it } from 'vitest';
import { UnavailableError } from '../../src/errors.ts';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import type { ReadStore } from '../../src/read-store/read-store.ts';
import { MemoryReadStore } from '../support/memory-read-store.ts';
import { appendHistory, ProjectedLog } from '../support/projected-log.ts';
import { caughtUp, cleanBuild, dump, makeProjector, stopProjectors, timeUntil } from '../support/projector-fixture.ts';
import { interceptedCommits, recordingSizes, recordingWrites, withLimits } from '../support/watched-read-store.ts';
import { POISON, tinyProjection } from '../support/tiny-projection.ts';
import type { Count, Thread } from '../support/tiny-projection.ts';

const started = (visitor?: string) =>
  ({ type: 'ConversationStarted', data: { channel: 'web', ...(visitor === undefined ? {} : { visitor }) } }) as const;
const posted = (seq: number, text: string) =>
  ({ type: 'MessagePosted', data: { seq, text, format: 'plain', attachments: [] } }) as const;

afterEach(stopProjectors);

describe('folding', () => {
  it('folds what there is, then what comes, and stamps documents with their id and the position that changed them', async () => {
    const events = new ProjectedLog();
    await events.append('a', started('vera'), posted(0, 'hello'));
    const fixture = makeProjector(events);
    await fixture.projector.start();
    await caughtUp(fixture, events);
    await events.append('a', posted(1, 'more'));
    await events.append('b', started('vera'));
    await caughtUp(fixture, events);
    const documents = await dump(fixture.readStore, tinyProjection());
    const common = { tenant: 'acme', subjects: ['vera'], edits: 0 };
    expect(documents).toEqual({
      threads: [
        { _id: 'acme/a', position: 20, conversation: 'a', texts: ['hello', 'more'], ...common },
        { _id: 'acme/b', position: 30, conversation: 'b', texts: [], ...common },
      ],
      counts: [{ _id: 'acme/vera', position: 20, tenant: 'acme', messages: 2 }],
      parked: [],
    });
  });

  it('deletes a document that a fold gives up, and writes none that did not change', async () => {
    const events = new ProjectedLog();
    const readStore = new MemoryReadStore();
    const writes: string[] = [];
    const watched = recordingWrites(readStore, writes);
    const fixture = makeProjector(events, { readStore: watched });
    await fixture.projector.start();
    await events.append('a', started());
    await caughtUp(fixture, events);
    await events.append('a', { type: 'TagAdded', data: { tag: 'vip' } });
    await caughtUp(fixture, events);
    expect(writes).toEqual(['threads acme/a']);
    await events.append('a', { type: 'ConversationClosed', data: { from: 'resolved', since: '' } });
    await caughtUp(fixture, events);
    expect((await dump(readStore, tinyProjection())).threads).toEqual([]);
  });

  it('says every checkpoint, each behind the one before', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 50 });
    const fixture = makeProjector(events, { limits: { batchEventsMax: 7 } });
    const said: number[] = [];
    fixture.projector.onCheckpoint((name, generation, { position }) => {
      expect([name, generation]).toEqual(['tiny', 1]);
      said.push(position);
    });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    expect(said).toEqual([...said].sort((a, b) => a - b));
    expect(said.at(-1)).toBe(events.end);
    expect(said.length).toBeGreaterThanOrEqual(7);
  });

  it('opens each event once for all projections', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 120 });
    const fixture = makeProjector(events, {
      projections: [tinyProjection('one'), tinyProjection('two'), ...PROJECTIONS],
    });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    expect(events.opened).toBe(120);
    expect(await dump(fixture.readStore, tinyProjection('one'))).toEqual(
      await dump(fixture.readStore, tinyProjection('two')),
    );
  });

  it('keeps within the bounds of a commit, splits between events, and leaves the same documents', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 300, conversations: 40 });
    const store = new MemoryReadStore();
    const sizes: number[] = [];
    const narrow = { ...store.limits, documentsMax: 3, rowsMax: 12 };
    const fixture = makeProjector(events, { readStore: withLimits(recordingSizes(store, sizes), narrow) });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(3);
    expect(sizes.length).toBeGreaterThan(100);
    expect(await dump(store, tinyProjection())).toEqual((await cleanBuild(events))[0]);
  });

  it('holds documents in memory from batch to batch within bounds, and folds the same without', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 300, conversations: 30 });
    const [holding, forgetful] = [new MemoryReadStore(), new MemoryReadStore()];
    for (const [readStore, documentsHeldMax] of [[holding, 1_000] as const, [forgetful, 0] as const]) {
      const fixture = makeProjector(events, { readStore, limits: { batchEventsMax: 10, documentsHeldMax } });
      await fixture.projector.start();
      await caughtUp(fixture, events);
    }
    expect(holding.calls.loads).toBeLessThan(forgetful.calls.loads);
    expect(await dump(holding, tinyProjection())).toEqual(await dump(forgetful, tinyProjection()));
  });
});

describe('resuming', () => {
  it('begins behind its checkpoint, and folds nothing twice', async () => {
    const events = new ProjectedLog();
    const readStore = new MemoryReadStore();
    await appendHistory(events, { events: 80 });
    const first = makeProjector(events, { readStore });
    await first.projector.start();
    await caughtUp(first, events);
    await first.projector.stop();
    const opened = events.opened;
    await events.append('new', started(), posted(0, 'hello'));
    const second = makeProjector(events, { readStore });
    await second.projector.start();
    await caughtUp(second, events);
    expect(events.opened - opened).toBe(2);
    expect(second.projector.status()[0]?.eventsFolded).toBe(2);
    expect(await dump(readStore, tinyProjection())).toEqual((await cleanBuild(events))[0]);
  });

  it('begins at the lowest checkpoint, and each projection leaves out what it has', async () => {
    const events = new ProjectedLog();
    const readStore = new MemoryReadStore();
    await appendHistory(events, { events: 60 });
    const one = makeProjector(events, { readStore, projections: [tinyProjection('one')] });
    await one.projector.start();
    await caughtUp(one, events);
    await one.projector.stop();
    const both = makeProjector(events, { readStore, projections: [tinyProjection('one'), tinyProjection('two')] });
    await both.projector.start();
    await caughtUp(both, events);
    expect(both.projector.status().map(({ eventsFolded }) => eventsFolded)).toEqual([0, 60]);
    expect(await dump(readStore, tinyProjection('one'))).toEqual(await dump(readStore, tinyProjection('two')));
  });

  it('leaves out what a subscription gives twice', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 90 });
    const { store } = events;
    const repeating = {
      readStream: store.readStream.bind(store),
      readAll: store.readAll.bind(store),
      async *subscribeToAll(options: Parameters<typeof store.subscribeToAll>[0]) {
        for await (const message of store.subscribeToAll(options)) {
          yield message;
          if (message.kind === 'events') yield { kind: 'events' as const, events: message.events.slice(-20) };
        }
      },
    };
    const fixture = makeProjector(events, { store: repeating });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    expect(await dump(fixture.readStore, tinyProjection())).toEqual((await cleanBuild(events))[0]);
  });
});

describe('a store that is away', () => {
  it('is waited for with growing pauses, said once at either end, and nothing is lost', async () => {
    const events = new ProjectedLog();
    const readStore = new MemoryReadStore();
    await appendHistory(events, { events: 40 });
    const fixture = makeProjector(events, { readStore, limits: { retryDelayMs: 100, retryDelayMsMax: 1_000 } });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    readStore.failing = true;
    await events.append('a', started(), posted(0, 'hello'));
    await timeUntil(fixture.time, () => fixture.projector.status()[0]?.retries === 8, 'eight retries');
    expect(fixture.projector.status()[0]).toMatchObject({ state: 'retrying', reason: 'The read store is away.' });
    const downMs = fixture.time.now();
    // Half of 100, 200, 400, 800 and then of 1,000, by the fixture's random.
    expect(downMs).toBeGreaterThanOrEqual(50 + 100 + 200 + 400 + 3 * 500);
    readStore.failing = false;
    await caughtUp(fixture, events);
    const told = fixture.lines.filter(({ message }) => message.includes('projecting'));
    expect(told.map(({ level, message }) => [level, message])).toEqual([
      ['warn', 'projecting waits for a store that is away'],
      ['info', 'projecting goes on'],
    ]);
    expect(told[1]?.fields).toMatchObject({ projections: ['tiny'], retries: 8 });
    expect(await dump(readStore, tinyProjection())).toEqual((await cleanBuild(events))[0]);
  });

  it('may have taken a commit that it never acknowledged', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 200 });
    const store = new MemoryReadStore();
    let commits = 0;
    const unsure: ReadStore = interceptedCommits(store, async commit => {
      const result = await commit();
      if (++commits % 3 === 0) throw new UnavailableError('No answer in time.');
      return result;
    });
    const fixture = makeProjector(events, { readStore: unsure, limits: { batchEventsMax: 5 } });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    expect(fixture.projector.status()[0]?.retries).toBeGreaterThan(10);
    expect(await dump(store, tinyProjection())).toEqual((await cleanBuild(events))[0]);
  });

  it('is waited for at the very start, too', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 10 });
    const readStore = new MemoryReadStore();
    readStore.failing = true;
    const fixture = makeProjector(events, { readStore });
    await fixture.projector.start();
    await timeUntil(fixture.time, () => fixture.projector.status()[0]?.state === 'retrying', 'retrying');
    readStore.failing = false;
    await caughtUp(fixture, events);
    expect(fixture.projector.status()[0]?.eventsFolded).toBe(10);
  });

  it('may be the log', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 30 });
    let failures = 3;
    const { store } = events;
    const flaky = {
      readStream: store.readStream.bind(store),
      readAll: store.readAll.bind(store),
      async *subscribeToAll(options: Parameters<typeof store.subscribeToAll>[0]) {
        if (failures-- > 0) throw new UnavailableError('The log is away.');
        yield* store.subscribeToAll(options);
      },
    };
    const fixture = makeProjector(events, { store: flaky });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    expect(fixture.projector.status()[0]).toMatchObject({ retries: 3, eventsFolded: 30 });
  });
});

describe('an event that cannot be folded', () => {
  it('parks its document, says so without its contents, and all others go on', async () => {
    const events = new ProjectedLog();
    const fixture = makeProjector(events);
    await fixture.projector.start();
    await events.append(
      'a',
      started('vera'),
      posted(0, 'one'),
      posted(1, `${POISON} private words`),
      posted(2, 'three'),
    );
    await events.append('b', started('vera'), posted(0, 'fine'));
    await caughtUp(fixture, events);
    const documents = await dump(fixture.readStore, tinyProjection());
    const [a, b] = documents.threads as readonly Thread[];
    expect(a).toMatchObject({ texts: ['one'], parked: true, position: 20 });
    expect(b).toMatchObject({ texts: ['fine'] });
    expect((documents.counts as readonly Count[]).map(({ messages }) => messages)).toEqual([2]);
    const record = { collection: 'threads', document: 'acme/a', stream: 'conversation-acme.a', revision: 2 };
    const stored = {
      _id: 'acme/threads/acme/a',
      position: 20,
      tenant: 'acme',
      type: 'MessagePosted',
      error: 'TypeError',
    };
    expect(documents.parked).toEqual([{ ...record, ...stored }]);
    expect(fixture.projector.status()[0]?.parkedDocuments).toBe(1);
    const errors = fixture.lines.filter(({ level }) => level === 'error');
    expect(errors).toHaveLength(1);
    expect(errors[0]?.fields).toMatchObject(record);
    expect(JSON.stringify([fixture.lines, documents.parked])).not.toContain('private');
  });

  it('keeps its document parked after a restart, also one that was never made', async () => {
    const events = new ProjectedLog();
    const readStore = new MemoryReadStore();
    await events.append('a', started(POISON), posted(0, 'one'));
    const first = makeProjector(events, { readStore });
    await first.projector.start();
    await caughtUp(first, events);
    await first.projector.stop();
    await events.append('a', posted(1, 'two'));
    const second = makeProjector(events, { readStore });
    await second.projector.start();
    await caughtUp(second, events);
    const documents = await dump(readStore, tinyProjection());
    expect(documents.counts).toEqual([]);
    expect(documents.parked).toMatchObject([{ collection: 'counts', revision: 1, error: 'RangeError' }]);
    expect((documents.threads as readonly Thread[])[0]?.texts).toEqual(['one', 'two']);
    expect(second.projector.status()[0]?.parkedDocuments).toBe(1);
  });

  it('stops the projection once too many documents stand still, and no other one', async () => {
    const events = new ProjectedLog();
    const sturdy = { ...tinyProjection('sturdy'), documents: [], facts: [] };
    const fixture = makeProjector(events, { projections: [tinyProjection(), sturdy], limits: { parkedMax: 2 } });
    await fixture.projector.start();
    for (const conversation of ['a', 'b', 'c']) await events.append(conversation, started(), posted(0, POISON));
    await events.append('d', started());
    await timeUntil(fixture.time, () => fixture.projector.status()[0]?.state === 'stopped', 'the stop');
    await timeUntil(fixture.time, () => fixture.projector.status()[1]?.checkpoint?.position === events.end, 'going on');
    expect(fixture.projector.status()[0]?.reason).toContain('More than 2 documents');
    expect(fixture.projector.status()[1]?.state).toBe('live');
  });
});

describe('an event that cannot be opened', () => {
  it('stops everything right before it, with the reason', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 25 });
    const before = events.end;
    await events.appendUnknown('c01');
    await events.append('z', started());
    const fixture = makeProjector(events);
    await fixture.projector.start();
    await timeUntil(fixture.time, () => fixture.projector.status()[0]?.state === 'stopped', 'the stop');
    const [status] = fixture.projector.status();
    expect(status?.checkpoint?.position).toBe(before);
    expect(status?.reason).toMatch(
      /^The event conversation-acme\.c01@\d+ cannot be opened: Error: Written by newer code\.$/,
    );
    expect(fixture.lines.at(-1)).toMatchObject({ level: 'error', fields: { projection: 'tiny' } });
  });
});
