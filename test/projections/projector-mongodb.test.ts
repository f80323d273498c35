import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import { openMongoDbReadStore } from '../../src/read-store/read-store.mongodb.ts';
import type { ReadStore } from '../../src/read-store/read-store.ts';
import { findSecantusDb } from '../support/external-tools.ts';
import { findMongoDb, sharedMongoDb, startMongoDb, withClient } from '../support/mongodb-server.ts';
import { appendHistory, ProjectedLog } from '../support/projected-log.ts';
import { cleanBuild, dump, isCaughtUp, makeProjector, stopProjectors } from '../support/projector-fixture.ts';
import type { Fixture } from '../support/projector-fixture.ts';

const TIMEOUT_MS = 15_000;
/** How long a call waits for a server that was killed until it is tried again by the projector. */
const KILLED_TIMEOUT_MS = 5_000;
/** It is slow, and what starts it again after a kill may be too. */
const PATIENCE_MS = 120_000;
/**
 * The projectors' time passes ten times as fast as the server's. Were it let run as fast as it can, half an hour would pass in what
 * the server needs for some commits: whoever stands by would take over in the middle of each, and nothing be left for the server.
 */
const PAUSE_MS = 5;
const STEP_MS = 10 * PAUSE_MS;

async function open(url: string, timeoutMs = TIMEOUT_MS): Promise<ReadStore> {
  const readStore = await openMongoDbReadStore({ url, timeoutMs });
  onTestFinished(async () => {
    await stopProjectors();
    await readStore.close();
  });
  return readStore;
}

const dumps = (readStore: ReadStore) => Promise.all(PROJECTIONS.map(projection => dump(readStore, projection)));

async function until(fixtures: readonly Fixture[], holds: () => boolean | Promise<boolean>): Promise<void> {
  const latest = performance.now() + PATIENCE_MS;
  const isStopped = (): boolean =>
    fixtures.some(({ projector }) => projector.status().some(({ state }) => state === 'stopped'));
  while (!(await holds())) {
    if (performance.now() > latest || isStopped())
      throw new Error(
        `It did not come to hold: ${JSON.stringify(fixtures.map(({ projector }) => projector.status()))}`,
      );
    await pause(PAUSE_MS);
    for (const { time } of fixtures) await time.advance(STEP_MS);
  }
}

afterEach(stopProjectors);

describe.skipIf(!findMongoDb().found)('the projector on a MongoDB', () => {
  it('builds what a clean build is, and goes on where it was', { timeout: 180_000 }, async () => {
    const url = (await sharedMongoDb()).freshUrl();
    const events = new ProjectedLog();
    for (let seed = 1; seed <= 3; seed++) {
      await appendHistory(events, { events: 100, seed, erasureEvery: 60 });
      const fixture = makeProjector(events, { readStore: await open(url), projections: PROJECTIONS });
      await fixture.projector.start();
      await until([fixture], () => isCaughtUp(fixture, events));
      await fixture.projector.stop();
    }
    expect(await dumps(await open(url))).toEqual(await cleanBuild(events, PROJECTIONS));
  });

  it(
    'of two that start at once one writes, the other takes over, and no document is wrong',
    { timeout: 300_000 },
    async () => {
      const url = (await sharedMongoDb()).freshUrl();
      const events = new ProjectedLog();
      await appendHistory(events, { events: 200, erasureEvery: 90 });
      const fixtures: Fixture[] = [];
      for (let i = 0; i < 2; i++)
        fixtures.push(
          makeProjector(events, {
            ...{ readStore: await open(url), projections: PROJECTIONS },
            limits: { batchEventsMax: 20 },
          }),
        );
      await Promise.all(fixtures.map(({ projector }) => projector.start()));
      await until(fixtures, () => fixtures.some(fixture => isCaughtUp(fixture, events)));
      const [first, second] = fixtures;
      if (first === undefined || second === undefined) throw new Error('There are not two.');
      const writer = isCaughtUp(first, events) ? first : second;
      const other = writer === first ? second : first;
      await writer.projector.stop();
      await appendHistory(events, { events: 50, seed: 2 });
      await until([other], () => isCaughtUp(other, events));
      expect(await dumps(other.readStore)).toEqual(await cleanBuild(events, PROJECTIONS));
    },
  );

  it('rebuilds, verifies, and finds the document that somebody else changed', { timeout: 180_000 }, async () => {
    const url = (await sharedMongoDb()).freshUrl();
    const events = new ProjectedLog();
    await appendHistory(events, { events: 150 });
    const fixture = makeProjector(events, { readStore: await open(url), projections: PROJECTIONS });
    await fixture.projector.start();
    await until([fixture], () => isCaughtUp(fixture, events));
    const ended = async <Result>(work: Promise<Result>): Promise<Result> => {
      let isOver = false;
      const over = work.finally(() => (isOver = true));
      over.catch(() => undefined);
      await until([fixture], () => isOver);
      return over;
    };
    const { generation } = await ended(fixture.projector.rebuild('messages'));
    expect(generation).toBe(2);
    expect((await ended(fixture.projector.verify('messages'))).differences).toBe(0);
    await withClient(url, client =>
      client
        .db()
        .collection('messages_2_message_buckets')
        .updateOne({ bucket: 0 }, { $inc: { count: 1 } }),
    );
    expect(await ended(fixture.projector.verify('messages'))).toMatchObject({
      differences: 1,
      difference: { collection: 'message_buckets', kind: 'different', fields: ['count'] },
    });
  });

  it('leaves what was erased in no document', { timeout: 180_000 }, async () => {
    const url = (await sharedMongoDb()).freshUrl();
    const events = new ProjectedLog();
    for (let i = 0; i < 6; i++)
      await events.append(
        `c${i}`,
        { type: 'ConversationStarted', data: { channel: 'web', visitor: `v${i % 3}` } },
        ...[0, 1].map(seq => ({
          type: 'MessagePosted' as const,
          data: { seq, text: `unmistakable-v${i % 3} number ${seq}`, format: 'plain' as const, attachments: [] },
        })),
      );
    const fixture = makeProjector(events, { readStore: await open(url), projections: PROJECTIONS });
    await fixture.projector.start();
    await until([fixture], () => isCaughtUp(fixture, events));
    const words = () =>
      withClient(url, async client => {
        const collections = await client.db().listCollections({}, { nameOnly: true }).toArray();
        const rows = await Promise.all(collections.map(({ name }) => client.db().collection(name).find().toArray()));
        return JSON.stringify(rows);
      });
    expect(await words()).toContain('unmistakable-v1');
    await events.erase('v1');
    await until([fixture], () => isCaughtUp(fixture, events));
    const left = await words();
    expect(left).not.toContain('unmistakable-v1');
    expect(left).toContain('unmistakable-v0');
    expect(await dumps(fixture.readStore)).toEqual(await cleanBuild(events, PROJECTIONS));
  });
});

describe.skipIf(!findSecantusDb().found)('the projector on a MongoDB of its own', () => {
  it('whose server is killed again and again leaves what a clean build is', { timeout: 300_000 }, async () => {
    const server = await startMongoDb();
    onTestFinished(() => server.dispose());
    const readStore = await open(server.freshUrl(), KILLED_TIMEOUT_MS);
    const events = new ProjectedLog();
    const fixture = makeProjector(events, { readStore, projections: PROJECTIONS, limits: { batchEventsMax: 10 } });
    const sum = (count: 'eventsFolded' | 'retries'): number =>
      fixture.projector.status().reduce((total, status) => total + status[count], 0);
    await fixture.projector.start();
    for (let seed = 1; seed <= 3; seed++) {
      const { eventsFolded, retries } = { eventsFolded: sum('eventsFolded'), retries: sum('retries') };
      await appendHistory(events, { events: 80, conversations: 15, seed, erasureEvery: 50 });
      await until([fixture], () => sum('eventsFolded') > eventsFolded + 30);
      await server.kill9();
      await appendHistory(events, { events: 20, conversations: 5, seed: seed + 100 });
      await until([fixture], () => sum('retries') > retries);
      await server.start();
    }
    await until([fixture], () => isCaughtUp(fixture, events));
    expect(await dumps(readStore)).toEqual(await cleanBuild(events, PROJECTIONS));
  });
});
