/** The embedded store against a map of arrays: random commands, among them ends and new openings of the log. */
import { rm } from 'node:fs/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { collect } from './events.ts';
import { crashed } from './log-folder.ts';
import { LogModel, type ModelAnswer } from './log-model.ts';
import type { EmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import type { EventData, ExpectedRevision, StreamMetadata } from '../../src/event-store/event-store.ts';

const STREAMS = ['a', 'b', 'c', 'd'];
/** So few ids that repeats are common. */
const IDS = 12;
const DELETED = 2n ** 63n - 1n;

function event(id: number): EventData {
  const uuid = `00000000-0000-4000-8000-${String(id).padStart(12, '0')}`;
  return {
    id: uuid,
    type: `T${id % 3}`,
    data: Buffer.from(String(id)),
    metadata: Buffer.alloc(0),
    contentType: 'application/json',
  };
}

interface Real {
  store: EmbeddedEventStore;
  directory: string;
  open: (directory: string) => Promise<EmbeddedEventStore>;
}

/** What the store answered, in the model's words. */
async function answerOf(ask: () => Promise<{ revision: bigint } | undefined>): Promise<ModelAnswer> {
  try {
    const result = await ask();
    return { ok: result ? result.revision : undefined };
  } catch (error) {
    return { error: error instanceof Error ? error.name : 'thrown' };
  }
}

abstract class Command implements fc.AsyncCommand<LogModel, Real> {
  check(): boolean {
    return true;
  }
  abstract run(model: LogModel, real: Real): Promise<void>;
  abstract toString(): string;
}

class Append extends Command {
  private readonly stream: string;
  private readonly ids: readonly number[];
  private readonly offset: number | 'any' | 'no-stream' | 'stream-exists';
  constructor(stream: string, ids: readonly number[], offset: Append['offset']) {
    super();
    this.stream = stream;
    this.ids = ids;
    this.offset = offset;
  }
  async run(model: LogModel, real: Real): Promise<void> {
    const expectedRevision: ExpectedRevision =
      typeof this.offset === 'number'
        ? BigInt(Math.max(0, Number(model.head(this.stream)) + this.offset))
        : this.offset;
    const events = this.ids.map(event);
    const expected = model.append(this.stream, events, expectedRevision);
    const answer = await answerOf(() => real.store.append(this.stream, events, { expectedRevision }));
    expect(answer, this.toString()).toEqual(expected);
  }
  toString = () => `append ${this.stream} [${this.ids.join(',')}] ${this.offset}`;
}

class SetMetadata extends Command {
  private readonly stream: string;
  private readonly metadata: StreamMetadata;
  constructor(stream: string, metadata: StreamMetadata) {
    super();
    this.stream = stream;
    this.metadata = metadata;
  }
  async run(model: LogModel, real: Real): Promise<void> {
    const expected = model.setMetadata(this.stream, this.metadata);
    const options = { expectedRevision: 'any' } as const;
    expect(await answerOf(() => real.store.setStreamMetadata(this.stream, this.metadata, options))).toEqual(expected);
  }
  toString = () => `set metadata ${this.stream} ${Object.entries(this.metadata).join(' ')}`;
}

class Delete extends Command {
  private readonly stream: string;
  constructor(stream: string) {
    super();
    this.stream = stream;
  }
  async run(model: LogModel, real: Real): Promise<void> {
    const expected = model.softDelete(this.stream);
    expect(await answerOf(() => real.store.deleteStream(this.stream, { expectedRevision: 'any' }))).toEqual(expected);
  }
  toString = () => `delete ${this.stream}`;
}

class Tombstone extends Command {
  private readonly stream: string;
  constructor(stream: string) {
    super();
    this.stream = stream;
  }
  async run(model: LogModel, real: Real): Promise<void> {
    const expected = model.tombstone(this.stream);
    const options = { expectedRevision: 'any' } as const;
    expect(await answerOf(() => real.store.tombstoneStream(this.stream, options))).toEqual(expected);
  }
  toString = () => `tombstone ${this.stream}`;
}

class Reopen extends Command {
  /** `crash`: what is open is let go of without closing; with the index as it was last written, or without any. */
  private readonly how: 'close' | 'crash' | 'crash without index';
  constructor(how: Reopen['how']) {
    super();
    this.how = how;
  }
  async run(_model: LogModel, real: Real): Promise<void> {
    if (this.how === 'close') await real.store.close();
    else {
      const copy = await crashed(real.directory, { index: this.how === 'crash' });
      await real.store.close();
      real.directory = copy;
    }
    real.store = await real.open(real.directory);
  }
  toString = () => `reopen (${this.how})`;
}

/** What it drops is taken from the log itself, and held to what may go. */
class Scavenge extends Command {
  async run(model: LogModel, real: Real): Promise<void> {
    const look = async () => collect(real.store.readAll());
    const before = await look();
    const told = await real.store.scavenge({ savedShareMin: 0, bytesPerSecondMax: 1e12 });
    const after = new Map((await look()).map(e => [e.position, e]));
    const dropped = before.filter(({ position }) => !after.has(position));
    expect(after.size).toBe(before.length - dropped.length);
    expect(told.eventsDropped).toBe(dropped.length);
    for (const e of before) expect(after.get(e.position)?.id ?? e.id).toBe(e.id);
    for (const e of dropped) {
      expect(STREAMS).toContain(e.stream);
      expect(model.isDroppable(e.stream, e.revision), `${e.stream}@${e.revision}`).toBe(true);
    }
    for (const e of dropped) model.dropped(e.stream, e.revision);
    expect((await real.store.scavenge({ savedShareMin: 0, bytesPerSecondMax: 1e12 })).eventsDropped).toBe(0);
  }
  toString = () => 'scavenge';
}

/** Everything a reader can see. */
class Look extends Command {
  async run(model: LogModel, real: Real): Promise<void> {
    for (const stream of STREAMS) {
      expect(await real.store.streamBounds(stream)).toEqual(model.bounds(stream));
      const forwards = await answerOf(async () => {
        expect((await collect(real.store.readStream(stream))).map(e => e.id)).toEqual(model.readable(stream));
        return undefined;
      });
      expect(forwards).toEqual(model.readAnswer(stream));
      if ('error' in forwards) continue;
      const backwards = await collect(real.store.readStream(stream, { direction: 'backwards', maxCount: 3 }));
      expect(backwards.map(e => e.id)).toEqual(model.readable(stream).reverse().slice(0, 3));
    }
    const user = { by: 'stream', prefixes: STREAMS } as const;
    const all = await collect(real.store.readAll({ filter: user }));
    expect(all.map(e => `${e.stream} ${e.type} ${e.type === '$streamDeleted' ? '' : e.id}`)).toEqual(model.all());
    const back = await collect(real.store.readAll({ filter: user, direction: 'backwards' }));
    expect(back.map(e => e.position).reverse()).toEqual(all.map(e => e.position));
    const middle = all[all.length >> 1]?.position ?? 0n;
    const from = await collect(real.store.readAll({ filter: user, from: middle + 1n }));
    expect(from.map(e => e.position)).toEqual(all.map(e => e.position).filter(position => position > middle));
  }
  toString = () => 'look';
}

const stream = fc.constantFrom(...STREAMS);
const ids = fc.array(fc.nat(IDS - 1), { maxLength: 4 });
const offset = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('any' as const, 'no-stream' as const, 'stream-exists' as const) },
  { weight: 3, arbitrary: fc.integer({ min: -3, max: 1 }) },
);
const metadata = fc
  .record({ maxCount: fc.integer({ min: 1, max: 5 }), truncateBefore: fc.bigInt(0n, 8n) }, { requiredKeys: [] })
  .map(given => given as StreamMetadata);
const commands = fc.commands(
  [
    fc.tuple(stream, ids, offset).map(([s, i, o]) => new Append(s, i, o)),
    fc.tuple(stream, ids, offset).map(([s, i, o]) => new Append(s, i, o)),
    fc.tuple(stream, ids, offset).map(([s, i, o]) => new Append(s, i, o)),
    fc.tuple(stream, metadata).map(([s, m]) => new SetMetadata(s, m)),
    stream.map(s => new Delete(s)),
    fc.constantFrom(...STREAMS.slice(2)).map(s => new Tombstone(s)),
    fc.constantFrom('close' as const, 'crash' as const, 'crash without index' as const).map(how => new Reopen(how)),
    fc.constant(new Look()),
    fc.constant(new Scavenge()),
  ],
  { maxCommands: 60, size: 'max' },
);

it.for([
  ['all defaults', {}],
  ['hardly any memory', { streamsCachedMax: 2, tailBytesMax: 500, segmentBytes: 1500, indexFlushMs: 1 }],
  ['segments of a few events', { streamsCachedMax: 2, tailBytesMax: 500, segmentBytes: 300, indexFlushMs: 1 }],
] as const)('behaves like a map of arrays: %s', { timeout: 60_000 }, async ([, settings]) => {
  await fc.assert(
    fc.asyncProperty(commands, async sequence => {
      const directory = await tempFolder();
      const open = (where: string) => openEmbeddedEventStore({ ...settings, directory: where });
      const real: Real = { store: await open(directory), directory, open };
      try {
        await fc.asyncModelRun(() => ({ model: new LogModel(DELETED), real }), [...sequence, new Look()]);
      } finally {
        await real.store.close();
        await rm(real.directory, { recursive: true, force: true });
      }
    }),
    { numRuns: 25 },
  );
});
