import { afterEach, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { differingPaths, isSame } from '../../src/projections/document-comparison.ts';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import type { WorkProgress } from '../../src/projections/projector.ts';
import type { DocumentWrite, Generation, StoredDocument } from '../../src/read-store/read-store.ts';
import { turns } from '../support/fake-time.ts';
import { MemoryReadStore } from '../support/memory-read-store.ts';
import { mortalReadStore } from '../support/mortal-read-store.ts';
import { appendHistory, ProjectedLog } from '../support/projected-log.ts';
import { caughtUp, makeProjector, stopProjectors, timeUntil } from '../support/projector-fixture.ts';
import type { Fixture } from '../support/projector-fixture.ts';
import { tinyProjection } from '../support/tiny-projection.ts';

afterEach(stopProjectors);

async function projected(events: ProjectedLog): Promise<Fixture> {
  await appendHistory(events, { events: 300, conversations: 30 });
  const fixture = makeProjector(events, { readStore: new MemoryReadStore() });
  await fixture.projector.start();
  await caughtUp(fixture, events);
  return fixture;
}

async function liveOf({ readStore }: Fixture): Promise<Generation> {
  const entry = await readStore.catalog('tiny');
  return readStore.generation(tinyProjection().schema, entry?.live.generation ?? 0);
}

/** Changes a document behind the projector's back. */
async function plant(fixture: Fixture, id: string, change: (before: StoredDocument | undefined) => object | undefined) {
  const generation = await liveOf(fixture);
  const at = await generation.checkpoint();
  const [before] = await generation.load('threads', [id]);
  if (at === undefined) throw new Error('Something was folded.');
  const after = change(before) as StoredDocument | undefined;
  const write: DocumentWrite = { collection: 'threads', id, before, after };
  expect(await generation.commit({ from: at, to: at, writes: [write] })).toBe('committed');
}

describe('verify', () => {
  it('finds no difference where there is none, and leaves nothing behind', async () => {
    const events = new ProjectedLog();
    const fixture = await projected(events);
    const progress: WorkProgress[] = [];
    const result = await fixture.projector.verify('tiny', { onProgress: told => progress.push(told) });
    expect(result).toEqual({ projection: 'tiny', position: events.end, documents: 36, differences: 0 });
    expect(new Set(progress.map(({ phase }) => phase))).toEqual(new Set(['building', 'comparing']));
    await fixture.time.advance(1_000);
    // The highest number is kept, so that it is never used again; its documents are gone.
    expect(await fixture.readStore.catalog('tiny')).toMatchObject({
      live: { generation: 1 },
      dropping: [{ generation: 2 }],
    });
    const gone = await fixture.readStore.generation(tinyProjection().schema, 2);
    expect(await gone.checkpoint()).toBeUndefined();
  });

  it('does not wait for what no projection takes, where the log ends with that or has nothing else', async () => {
    const events = new ProjectedLog();
    await events.appendOther('tenant-acme.settings');
    const fixture = makeProjector(events);
    await fixture.projector.start();
    await timeUntil(fixture.time, () => fixture.projector.status()[0]?.state === 'live', 'live');
    expect(await fixture.projector.verify('tiny')).toMatchObject({ position: -1, documents: 0, differences: 0 });
    await appendHistory(events, { events: 30, conversations: 3 });
    await caughtUp(fixture, events);
    const { end } = events;
    for (let i = 0; i < 40; i++) await events.appendOther('tenant-acme.settings');
    expect(await fixture.projector.verify('tiny')).toMatchObject({ position: end, differences: 0 });
  });

  it('finds a wrong document, by the paths of its fields and without their contents', async () => {
    const fixture = await projected(new ProjectedLog());
    await plant(fixture, 'acme/c07', before => ({ ...before, texts: ['planted'], edits: 99 }));
    const result = await fixture.projector.verify('tiny');
    expect(result.differences).toBe(1);
    expect(result.difference).toMatchObject({ collection: 'threads', id: 'acme/c07', kind: 'different' });
    expect(result.difference?.fields).toEqual(expect.arrayContaining(['texts.0', 'edits']));
    expect(JSON.stringify(result)).not.toContain('planted');
  });

  it('finds one that is missing, one that should not be, and names the first of several', async () => {
    const fixture = await projected(new ProjectedLog());
    await plant(fixture, 'acme/c09', () => undefined);
    expect(await fixture.projector.verify('tiny')).toMatchObject({
      ...{ differences: 1, difference: { id: 'acme/c09', kind: 'missing', fields: [] } },
    });
    await plant(fixture, 'acme/c03x', () => ({ _id: 'acme/c03x', position: 0 }));
    expect(await fixture.projector.verify('tiny')).toMatchObject({
      ...{ differences: 2, difference: { id: 'acme/c03x', kind: 'unexpected', fields: [] } },
    });
  });

  it('finds nothing of a projection that has folded nothing', async () => {
    const fixture = makeProjector(new ProjectedLog());
    await fixture.projector.start();
    await timeUntil(fixture.time, () => fixture.projector.status()[0]?.state === 'live', 'live');
    expect(await fixture.projector.verify('tiny')).toMatchObject({ documents: 0, differences: 0 });
  });

  it('finds what is planted and nothing else while events arrive and people are erased', async () => {
    const events = new ProjectedLog();
    const store = new MemoryReadStore();
    await appendHistory(events, { events: 150, conversations: 40, erasureEvery: 40 });
    const readStore = mortalReadStore(store, { before: () => turns(1) });
    const fixture = makeProjector(events, { readStore, projections: [tinyProjection(), ...PROJECTIONS] });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    const verified = async (name: string) => {
      let ended = false;
      const verifying = fixture.projector.verify(name).finally(() => (ended = true));
      verifying.catch(() => undefined);
      for (let seed = 2; !ended; seed++) {
        // The last events of each round are of other conversations than the planted document's.
        await appendHistory(events, { events: 15, conversations: 40, seed, erasureEvery: 15 }, () => turns(8));
        await fixture.time.advance(100);
      }
      return verifying;
    };
    for (const { schema } of fixture.projections)
      expect(await verified(schema.name)).toMatchObject({ projection: schema.name, differences: 0 });
    await caughtUp(fixture, events);
    await timeUntil(fixture.time, async () => (await store.catalog('tiny'))?.toCompact === false, 'the compaction');
    await caughtUp(fixture, events);
    await plant(fixture, 'acme/z', () => ({ _id: 'acme/z', position: 0 }));
    expect(await verified('tiny')).toMatchObject({ differences: 1, difference: { id: 'acme/z', kind: 'unexpected' } });
  });

  it('waits for an erasure that the live one has not come to, whose key is gone already', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 60 });
    let release = (): void => undefined;
    const held = new Promise<void>(resolve => (release = resolve));
    const fixture = makeProjector(events, {
      openTenant: async batch => {
        await held;
        return events.openTenant(batch);
      },
    });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    await events.erase('v1', true);
    let ended = false;
    const verifying = fixture.projector.verify('tiny').finally(() => (ended = true));
    // Rounds enough to say that there is a difference, were it said of what is under way.
    for (let i = 0; i < 8; i++) {
      await turns(100);
      await fixture.time.advance(50);
    }
    expect(ended).toBe(false);
    release();
    await timeUntil(fixture.time, () => ended, 'the end');
    expect(await verifying).toMatchObject({ differences: 0 });
  });

  it('takes nothing for a difference that changes while it is looked at', async () => {
    const events = new ProjectedLog();
    await appendHistory(events, { events: 60 });
    let isLooking = false;
    let changes = 0;
    const before = async (call: string): Promise<void> => {
      if (!isLooking || (call !== 'page' && call !== 'load')) return;
      isLooking = false;
      await events.append('c00', { type: 'MessageEdited', data: { seq: 0, text: `change ${++changes}` } });
      await turns(60);
      isLooking = true;
    };
    const fixture = makeProjector(events, { readStore: mortalReadStore(new MemoryReadStore(), { before }) });
    await fixture.projector.start();
    await caughtUp(fixture, events);
    isLooking = true;
    let ended = false;
    const verifying = fixture.projector.verify('tiny').finally(() => (ended = true));
    await timeUntil(fixture.time, () => ended, 'the end');
    isLooking = false;
    expect(await verifying).toMatchObject({ differences: 0 });
    expect(changes).toBeGreaterThan(5);
  });

  it('is given up when its caller says so, and drops what it made', async () => {
    const events = new ProjectedLog();
    const fixture = await projected(events);
    const given = new AbortController();
    const onProgress = (): void => {
      given.abort(new Error('Given up.'));
    };
    await expect(fixture.projector.verify('tiny', { signal: given.signal, onProgress })).rejects.toThrow('Given up.');
    await fixture.time.advance(1_000);
    expect(await (await fixture.readStore.generation(tinyProjection().schema, 2)).checkpoint()).toBeUndefined();
  });
});

describe('comparing documents', () => {
  it('takes a document for the same in any order of its fields, and no list in another order', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        expect(isSame(value, reversed(value))).toBe(true);
      }),
    );
    expect(differingPaths({ a: [1, 2] }, { a: [2, 1] })).toEqual(['a.0', 'a.1']);
  });

  it('names every path that differs', () => {
    const before = { a: { b: [{ c: 1 }, { c: 2 }] }, gone: null, same: true };
    expect(differingPaths(before, { a: { b: [{ c: 1 }, { c: 3 }, 4] }, same: true, more: 1 })).toEqual([
      ...['a.b.1.c', 'a.b.2', 'gone', 'more'],
    ]);
    expect(differingPaths([], {})).toEqual(['']);
    expect(differingPaths(null, undefined)).toEqual(['']);
  });
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  const copy: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, inner] of Object.entries(value).reverse()) copy[name] = reversed(inner);
  return copy;
}
