import { afterEach, describe, expect, it } from 'vitest';
import { FakeTime, turns } from '../support/fake-time.ts';
import { MemoryReadStore } from '../support/memory-read-store.ts';
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
import { tinyProjection } from '../support/tiny-projection.ts';

const started = (visitor?: string) =>
  ({ type: 'ConversationStarted', data: { channel: 'web', ...(visitor === undefined ? {} : { visitor }) } }) as const;
const posted = (seq: number, text: string) =>
  ({ type: 'MessagePosted', data: { seq, text, format: 'plain', attachments: [] } }) as const;

afterEach(stopProjectors);

describe('the catalog', () => {
  it('serves nothing of another log: a generation of its own is built, and the old ones are dropped', async () => {
    const [old, events] = [new ProjectedLog(), new ProjectedLog()];
    const readStore = new MemoryReadStore();
    await old.append('old', started('vera'), posted(0, 'of the old log'));
    const first = makeProjector(old, { readStore });
    await first.projector.start();
    await caughtUp(first, old);
    await first.projector.stop();
    await events.append('new', started('vera'));
    const second = makeProjector(events, { readStore, log: 'log-2' });
    await second.projector.start();
    await caughtUp(second, events);
    expect((await dump(readStore, tinyProjection())).threads).toMatchObject([{ conversation: 'new' }]);
    expect(await readStore.catalog('tiny')).toMatchObject({ log: 'log-2', live: { generation: 2, version: 1 } });
    await timeUntil(second.time, async () => (await readStore.catalog('tiny'))?.dropping.length === 0, 'the drop');
  });

  it('stands by where newer code has built it, and says so', async () => {
    const events = new ProjectedLog();
    const readStore = new MemoryReadStore();
    await events.append('a', started());
    const newer = makeProjector(events, { readStore, projections: [tinyProjection('tiny', 2)] });
    await newer.projector.start();
    await caughtUp(newer, events);
    await newer.projector.stop();
    const older = makeProjector(events, { readStore, projections: [tinyProjection('tiny', 1)] });
    await older.projector.start();
    await timeUntil(older.time, () => older.projector.status()[0]?.state === 'standby', 'standby');
    await older.time.advance(60_000);
    expect(older.projector.status()[0]).toMatchObject({
      state: 'standby',
      reason: 'A newer version of the code (2) built it.',
    });
  });

  it('is built anew in the background where older code built it, which answers until then', async () => {
    const events = new ProjectedLog();
    const readStore = new MemoryReadStore();
    await appendHistory(events, { events: 40 });
    const older = makeProjector(events, { readStore });
    await older.projector.start();
    await caughtUp(older, events);
    await older.projector.stop();
    const newer = makeProjector(events, { readStore, projections: [tinyProjection('tiny', 2)] });
    await newer.projector.start();
    await timeUntil(newer.time, () => newer.projector.status()[0]?.rebuilding === true, 'the rebuild');
    await caughtUp(newer, events);
    expect(await readStore.catalog('tiny')).toMatchObject({ live: { generation: 2, version: 2 } });
    expect(await dump(readStore, tinyProjection('tiny', 2))).toEqual((await cleanBuild(events))[0]);
  });
});

describe('status', () => {
  it('is behind while there is something to fold, by events and by age, and at zero once there is not', async () => {
    const time = new FakeTime(0);
    const events = new ProjectedLog(() => time.now());
    await appendHistory(events, { events: 100 });
    const store = new MemoryReadStore();
    let release = (): void => undefined;
    const held = new Promise<void>(resolve => (release = resolve));
    const readStore = mortalReadStore(store, { before: async call => (call === 'commit' ? held : undefined) });
    const fixture = makeProjector(events, { time, readStore, limits: { batchEventsMax: 50 } });
    await fixture.projector.start();
    await turns(50);
    await time.advance(8_000);
    const [status] = fixture.projector.status();
    expect(status).toMatchObject({ state: 'catching-up', checkpoint: undefined, lagSeconds: 8 });
    expect(status?.lagEvents).toBeGreaterThan(50);
    release();
    await timeUntil(time, () => isCaughtUp(fixture, events), 'catching up');
    expect(fixture.projector.status()[0]).toMatchObject({ lagEvents: 0, lagSeconds: 0, eventsFolded: 100 });
  });

  it('is behind where events came after an end of the log that was reached only now', async () => {
    const time = new FakeTime(0);
    const events = new ProjectedLog(() => time.now());
    await events.append('a', started());
    const releases: (() => void)[] = [];
    const held = () => new Promise<void>(resolve => releases.push(resolve));
    const readStore = mortalReadStore(new MemoryReadStore(), {
      before: async call => (call === 'commit' ? held() : undefined),
    });
    const fixture = makeProjector(events, { time, readStore });
    const inCommit = (count: number) =>
      timeUntil(time, () => releases.length === count, `to be in commit ${String(count)}`);
    await fixture.projector.start();
    await inCommit(1);
    // Behind the end that the feed has passed on already, and that the projector takes after the commit.
    await appendHistory(events, { events: 20 });
    await time.advance(5_000);
    releases[0]?.();
    await inCommit(2);
    expect(fixture.projector.status()[0]).toMatchObject({ checkpoint: { position: 0 }, lagSeconds: 5 });
    expect(fixture.projector.status()[0]?.lagEvents).toBeGreaterThan(10);
    releases[1]?.();
    await caughtUp(fixture, events);
    expect(fixture.projector.status()[0]).toMatchObject({ lagEvents: 0, lagSeconds: 0 });
  });

  it('does not count what no projection takes', async () => {
    const events = new ProjectedLog();
    await events.append('a', started());
    const { end } = events;
    await events.appendOther('tenant-acme.settings');
    await events.appendOther('verbatimLog-system.id');
    const fixture = makeProjector(events);
    await fixture.projector.start();
    await timeUntil(fixture.time, () => fixture.projector.status()[0]?.state === 'live', 'live');
    expect(fixture.projector.status()[0]).toMatchObject({ checkpoint: { position: end }, lagEvents: 0, lagSeconds: 0 });
    // Nor where it looks for the end after it has caught up.
    await fixture.time.advance(5_000);
    await events.append('a', posted(0, 'x'));
    const last = events.end;
    await events.appendOther('tenant-acme.settings');
    const at = () => fixture.projector.status()[0]?.checkpoint?.position;
    await timeUntil(fixture.time, () => at() === last, 'the last event');
    await turns(20);
    expect(fixture.projector.status()[0]).toMatchObject({ lagEvents: 0, lagSeconds: 0 });
  });
});
