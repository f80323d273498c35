import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import { openEmbeddedReadStore } from '../../src/read-store/read-store.embedded.ts';
import type { ReadStore } from '../../src/read-store/read-store.ts';
import { turns } from '../support/fake-time.ts';
import { mortalReadStore } from '../support/mortal-read-store.ts';
import { appendHistory, ProjectedLog } from '../support/projected-log.ts';
import {
  caughtUp,
  cleanBuild,
  dump,
  isCaughtUp,
  makeProjector,
  stopProjectors,
  timeUntil,
} from '../support/projector-fixture.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { tinyProjection } from '../support/tiny-projection.ts';

async function open(directory: string): Promise<ReadStore> {
  const readStore = await openEmbeddedReadStore({ directory });
  onTestFinished(async () => {
    await stopProjectors();
    await readStore.close();
  });
  return readStore;
}

const dumps = (readStore: ReadStore) => Promise.all(PROJECTIONS.map(projection => dump(readStore, projection)));

async function filesHold(directory: string, words: string): Promise<boolean> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true }))
    if (entry.isFile() && (await readFile(join(entry.parentPath, entry.name))).includes(words)) return true;
  return false;
}

afterEach(stopProjectors);

describe('the projector on the embedded read store', () => {
  it('stopped after every single event of 200, and begun again, leaves what a clean build is', async () => {
    const directory = await tempFolder();
    const events = new ProjectedLog();
    const last = await open(directory);
    await appendHistory(events, { events: 200, erasureEvery: 90 });
    let lives = 0;
    for (let alive = false; !alive; lives++) {
      const mortality = { callsMax: 2, countsCommitsOnly: true, lastTakesEffect: lives % 2 === 0 };
      const readStore = mortalReadStore(last, mortality);
      const fixture = makeProjector(events, { readStore, projections: PROJECTIONS, limits: { batchEventsMax: 1 } });
      await fixture.projector.start();
      await timeUntil(fixture.time, () => readStore.isDead() || isCaughtUp(fixture, events), 'death or the end');
      alive = !readStore.isDead();
      await fixture.projector.stop();
    }
    expect(lives).toBeGreaterThan(100);
    expect(await dumps(last)).toEqual(await cleanBuild(events, PROJECTIONS));
  });

  it('goes on after the store was closed and opened', async () => {
    const directory = await tempFolder();
    const events = new ProjectedLog();
    for (let seed = 1; seed <= 5; seed++) {
      const readStore = await openEmbeddedReadStore({ directory });
      await appendHistory(events, { events: 50, seed });
      const fixture = makeProjector(events, { readStore, projections: PROJECTIONS });
      await fixture.projector.start();
      await caughtUp(fixture, events);
      await fixture.projector.stop();
      await readStore.close();
    }
    expect(await dumps(await open(directory))).toEqual(await cleanBuild(events, PROJECTIONS));
  });

  it('rebuilds and verifies while events arrive, and loses none', async () => {
    const readStore = await open(await tempFolder());
    const events = new ProjectedLog();
    await appendHistory(events, { events: 400, conversations: 60, erasureEvery: 150 });
    const fixture = makeProjector(events, { readStore, projections: PROJECTIONS });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    let ended = false;
    const working = Promise.all(
      PROJECTIONS.map(async ({ schema }) => {
        expect((await fixture.projector.rebuild(schema.name)).generation).toBeGreaterThan(1);
        return fixture.projector.verify(schema.name);
      }),
    ).finally(() => (ended = true));
    working.catch(() => undefined);
    for (let seed = 2; !ended; seed++) {
      await appendHistory(events, { events: 10, conversations: 60, seed }, () => turns(100));
      await fixture.time.advance(100);
    }
    expect((await working).map(({ differences }) => differences)).toEqual([0, 0]);
    await caughtUp(fixture, events);
    expect(await dumps(readStore)).toEqual(await cleanBuild(events, PROJECTIONS));
    await timeUntil(
      fixture.time,
      async () => ((await readStore.catalog('messages'))?.dropping.length ?? 0) <= 1,
      'the drop of what was replaced',
    );
  });

  it('leaves what was erased in no file', async () => {
    const directory = await tempFolder();
    const readStore = await open(directory);
    const events = new ProjectedLog();
    const projections = [tinyProjection(), ...PROJECTIONS];
    for (let i = 0; i < 30; i++)
      await events.append(
        `c${i}`,
        { type: 'ConversationStarted', data: { channel: 'web', visitor: `v${i % 3}` } },
        ...[0, 1, 2].map(seq => ({
          type: 'MessagePosted' as const,
          data: { seq, text: `unmistakable-v${i % 3} number ${seq}`, format: 'plain' as const, attachments: [] },
        })),
        { type: 'MessageEdited', data: { seq: 1, text: `unmistakable-v${i % 3} edited` } },
      );
    const fixture = makeProjector(events, { readStore, projections });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    expect(await filesHold(directory, 'unmistakable-v1')).toBe(true);
    await events.erase('v1');
    await caughtUp(fixture, events);
    await timeUntil(
      fixture.time,
      async () => {
        const entries = await Promise.all(projections.map(({ schema }) => readStore.catalog(schema.name)));
        return entries.every(entry => entry?.live.generation === 2 && entry.dropping.length === 0);
      },
      'every copy being in place and every old file gone',
    );
    expect(await filesHold(directory, 'unmistakable-v1')).toBe(false);
    expect(await filesHold(directory, 'unmistakable-v0')).toBe(true);
    expect(await dumps(readStore)).toEqual(await cleanBuild(events, PROJECTIONS));
  });
});
