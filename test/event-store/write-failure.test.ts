/** A disk that says no: the append fails, nothing half-written is ever read, and the log goes on when the disk does. */
import { describe, expect, it, vi } from 'vitest';
import { UnavailableError } from '../../src/errors.ts';
import { ActiveSegment } from '../../src/event-store/embedded/active-segment.ts';
import { LogWriter } from '../../src/event-store/embedded/log-writer.ts';
import { SegmentFiles } from '../../src/event-store/embedded/segments.ts';
import { collect, failure, Follower, newEvent, newEvents, range, revisions } from './events.ts';
import { crashed, emptyFolder, openLog, segmentFiles, wholeLog } from './log-folder.ts';
import type * as Fs from 'node:fs';

/** Decides on each write of a group's bytes: how many reach the file before it fails; undefined: all, without failing. */
const disk = vi.hoisted(() => ({ bytesBeforeFailure: undefined as number | undefined, failures: 0 }));

vi.mock('node:fs', async importOriginal => {
  const fs = await importOriginal<typeof Fs>();
  type Done = (error: NodeJS.ErrnoException | null, written: number) => void;
  const write = (fd: number, buffer: Buffer, from: number, length: number, at: number, done: Done): void => {
    const before = disk.bytesBeforeFailure;
    // Zeros laid ahead may fail too, silently; what is counted are the records.
    if (before === undefined || buffer.length === 1024 * 1024) {
      fs.write(fd, buffer, from, length, at, done);
      return;
    }
    disk.failures++;
    const no = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    fs.write(fd, buffer, from, Math.min(length, before), at, () => done(no, 0));
  };
  return { ...fs, write };
});

async function failing<T>(bytesBeforeFailure: number, act: () => Promise<T>): Promise<T> {
  disk.bytesBeforeFailure = bytesBeforeFailure;
  try {
    return await act();
  } finally {
    disk.bytesBeforeFailure = undefined;
  }
}

const any = { expectedRevision: 'any' } as const;

describe('a write that fails', () => {
  it.for([0, 1, 100, 300])(
    'after %i bytes: the append is unavailable, reads go on, and so does the log',
    async bytes => {
      const { store, directory } = await openLog();
      await store.append('a', newEvents(2), any);
      const before = await wholeLog(store);
      const error = await failing(bytes, () => failure(store.append('a', newEvents(3), any)));
      expect(error).toBeInstanceOf(UnavailableError);
      expect(error).toMatchObject({ message: expect.stringContaining('ENOSPC') as string, cause: { code: 'ENOSPC' } });
      expect(await wholeLog(store)).toEqual(before);
      expect(await store.streamBounds('a')).toEqual({ first: 0n, head: 1n });
      expect(await store.append('a', newEvents(2), { expectedRevision: 1n })).toMatchObject({ revision: 3n });
      const after = await wholeLog(store);
      expect(after).toHaveLength(4);
      const { store: again } = await openLog({ directory: await crashed(directory) });
      expect(await wholeLog(again)).toEqual(after);
    },
  );

  it('fails what waits behind it too, takes back what was built on it, and keeps the order of what follows', async () => {
    const { store } = await openLog();
    await store.append('a', newEvents(1), any);
    const answers = await failing(10, async () => {
      const first = store.append('a', newEvents(1), { expectedRevision: 0n });
      const inGroup = store.append('b', newEvents(1), { expectedRevision: 'no-stream' });
      await Promise.resolve().then(() => undefined);
      const behind = store.append('a', newEvents(1), { expectedRevision: 1n });
      const behindNew = store.append('c', newEvents(1), any);
      return Promise.allSettled([first, inGroup, behind, behindNew]);
    });
    expect(answers.map(answer => answer.status)).toEqual(answers.map(() => 'rejected'));
    expect(await revisions(store, 'a')).toEqual([0n]);
    expect(await store.streamBounds('b')).toEqual({ first: 0n, head: -1n });
    await expect(store.append('a', newEvents(1), { expectedRevision: 1n })).rejects.toMatchObject({ actual: 0n });
    expect(await store.append('b', newEvents(1), { expectedRevision: 'no-stream' })).toMatchObject({ revision: 0n });
    expect(await store.append('a', newEvents(1), { expectedRevision: 0n })).toMatchObject({ revision: 1n });
    await wholeLog(store);
  });

  it('leaves no id behind: the same events sent again land, once', async () => {
    const { store } = await openLog();
    const events = newEvents(2);
    await failing(50, () => failure(store.append('a', events, any)));
    expect(await store.append('a', events, any)).toMatchObject({ revision: 1n });
    expect(await store.append('a', events, any)).toMatchObject({ revision: 1n });
    expect(await revisions(store, 'a')).toEqual([0n, 1n]);
  });

  it('a conflict with it is no conflict: the later append is decided on what is durable', async () => {
    const { store } = await openLog();
    await store.append('a', newEvents(1), any);
    const answers = await failing(0, async () => {
      const lost = failure(store.append('a', [newEvent('lost')], { expectedRevision: 0n }));
      // Refused on what the first would have made true; the first never becomes true.
      const refused = store.append('a', [newEvent('kept')], { expectedRevision: 0n });
      const repeated = store.append('a', [newEvent('repeat')], any);
      void lost.then(() => (disk.bytesBeforeFailure = undefined));
      return Promise.allSettled([lost, refused, repeated]);
    });
    expect(answers[1]).toMatchObject({ status: 'fulfilled', value: { revision: 1n } });
    expect(await revisions(store, 'a')).toEqual([0n, 1n]);
  });

  it('an empty append is not answered with it: what it expects of the stream never became true', async () => {
    const { store } = await openLog();
    await store.append('a', newEvents(1), any);
    const answers = await failing(0, async () => {
      const lost = store.append('a', newEvents(1), { expectedRevision: 0n });
      return Promise.allSettled([
        lost,
        store.append('a', [], any),
        store.append('a', [], { expectedRevision: 1n }),
        store.append('a', [], { expectedRevision: 0n }),
      ]);
    });
    expect(answers[1]).toMatchObject({ status: 'fulfilled', value: { revision: 0n } });
    expect(answers[2]).toMatchObject({ status: 'rejected', reason: { actual: 0n } });
    expect(answers[3]).toMatchObject({ status: 'fulfilled', value: { revision: 0n } });
  });

  it('of a delete, a tombstone, metadata, or an append that brings a stream back: nothing of it is true', async () => {
    const { store } = await openLog();
    await store.append('a', newEvents(3), any);
    await failing(20, async () => {
      await expect(store.deleteStream('a', any)).rejects.toThrow(UnavailableError);
      await expect(store.tombstoneStream('a', any)).rejects.toThrow(UnavailableError);
      await expect(store.setStreamMetadata('a', { maxCount: 1 }, any)).rejects.toThrow(UnavailableError);
    });
    expect(await revisions(store, 'a')).toEqual(range(0, 3));
    expect(await store.getStreamMetadata('a')).toEqual({ metadata: undefined, revision: -1n });
    await store.deleteStream('a', any);
    await failing(20, () => failure(store.append('a', newEvents(1), { expectedRevision: 'no-stream' })));
    expect(await store.streamBounds('a')).toEqual({ first: 3n, head: 2n });
    expect(await store.append('a', newEvents(1), { expectedRevision: 'no-stream' })).toMatchObject({ revision: 3n });
    expect(await revisions(store, 'a')).toEqual([3n]);
  });

  it('an answer drawn from a delete that never became durable is not given', async () => {
    const { store } = await openLog();
    await store.append('a', newEvents(3), any);
    await store.setStreamMetadata('a', {}, any);
    const [deleted, append] = await failing(0, async () => {
      const lost = failure(store.deleteStream('a', any));
      void lost.then(() => (disk.bytesBeforeFailure = undefined));
      await new Promise(resolve => setImmediate(resolve));
      return Promise.all([lost, store.append('a', newEvents(1), { expectedRevision: 'stream-exists' })]);
    });
    expect(deleted).toBeInstanceOf(UnavailableError);
    expect(append).toMatchObject({ revision: 3n });
    expect(await revisions(store, 'a')).toEqual(range(0, 4));
  });

  it('right behind the header of a new segment: subscribers wait, nobody spins, and the log goes on', async () => {
    const { store, directory } = await openLog({ segmentBytes: 300, tailBytesMax: 1 });
    await store.append('a', newEvents(4), any);
    const follower = new Follower(signal => store.subscribeToAll({ after: 'start', signal }));
    await follower.until(seen => seen.caughtUps > 0);
    await failing(0, () => failure(store.append('a', newEvents(1), any)));
    expect(await segmentFiles(directory)).toHaveLength(2);
    const late = new Follower(signal => store.subscribeToAll({ after: 'start', signal }));
    await late.until(seen => seen.caughtUps > 0);
    expect(await revisions(store, 'a')).toEqual(range(0, 4));
    await store.append('a', newEvents(1), any);
    for (const each of [follower, late]) {
      await each.until(seen => seen.events.length === 5);
      expect(each.revisions).toEqual(range(0, 5));
      await each.stop();
    }
    const { store: again } = await openLog({ directory: await crashed(directory) });
    expect(await wholeLog(again)).toEqual(await wholeLog(store));
  });

  it('again and again, at random, under load: what was acknowledged is there, once, and nothing else', async () => {
    const { store, directory } = await openLog({ segmentBytes: 5000, tailBytesMax: 2000, indexFlushMs: 5 });
    const follower = new Follower(signal => store.subscribeToAll({ after: 'start', signal }));
    const acknowledged: string[] = [];
    let refused = 0;
    const writer = async (seed: number): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        const stream = `s${(seed * 7 + i) % 5}`;
        const events = newEvents(1 + ((seed + i) % 3));
        try {
          const { revision } = await store.append(stream, events, any);
          events.forEach((event, at) => {
            acknowledged.push(`${stream}@${revision - BigInt(events.length - 1 - at)} ${event.id}`);
          });
        } catch (error) {
          expect(error).toBeInstanceOf(UnavailableError);
          refused++;
        }
        disk.bytesBeforeFailure = (seed * 31 + i * 17) % 5 === 0 ? (i * 37) % 400 : undefined;
      }
    };
    await Promise.all([1, 2, 3, 4, 5, 6].map(writer));
    disk.bytesBeforeFailure = undefined;
    await store.append('s0', newEvents(1), any);
    const log = await wholeLog(store);
    expect(refused).toBeGreaterThan(10);
    expect(new Set(log.slice(0, -1))).toEqual(new Set(acknowledged));
    expect(log.length - 1).toBe(acknowledged.length);
    await follower.until(seen => seen.events.length >= log.length);
    expect(follower.events.map(event => `${event.stream}@${event.revision} ${event.id}`)).toEqual(log);
    await follower.stop();
    const { store: again } = await openLog({ directory: await crashed(directory) });
    expect(await wholeLog(again)).toEqual(log);
  });
});

describe('the writer', () => {
  it('takes nothing back that is durable: trouble after it is a failed assertion', async () => {
    const files = await SegmentFiles.open((await emptyFolder()) + '/segments');
    const told: string[] = [];
    const limits = { segmentBytes: 10_000, queueBytesMax: 10_000 };
    const writer = await LogWriter.open(files, limits, {
      groupDurable: () => {
        throw new Error('a bug');
      },
      groupSettled: failed => told.push(`settled ${String(failed)}`),
    });
    const bytes = Buffer.from('x');
    const record = {
      ...{ revision: 0, createdMs: 0, id: newEvent().id, lastOfAppend: true, json: true },
      ...{ stream: bytes, type: bytes, data: bytes, metadata: bytes },
    };
    writer.enqueue([record], { durable: () => told.push('durable'), failed: () => told.push('failed') });
    await expect(writer.close()).rejects.toThrow('a bug');
    expect(told).toEqual([]);
    expect(files.end).toBeGreaterThan(64);
    await files.close();
  });

  it('refuses more than may wait, and takes more when that is written', async () => {
    const { store } = await openLog({ queueBytesMax: 10_000 });
    const answers = await Promise.allSettled(
      Array.from({ length: 100 }, (_, i) => store.append(`s${i}`, [newEvent('x'.repeat(500))], any)),
    );
    const landed = answers.filter(answer => answer.status === 'fulfilled').length;
    expect(landed).toBeGreaterThan(5);
    expect(landed).toBeLessThan(30);
    for (const answer of answers)
      if (answer.status === 'rejected') expect(answer.reason).toBeInstanceOf(UnavailableError);
    await store.append('s99', [newEvent()], { expectedRevision: 'no-stream' });
    expect(await wholeLog(store)).toHaveLength(landed + 1);
  });

  it('cuts what stands behind the end of a segment it opens', async () => {
    const { store, directory } = await openLog();
    await store.append('a', newEvents(3), any);
    const files = await SegmentFiles.open((await crashed(directory)) + '/segments');
    const segment = files.active;
    const fileBytes = segment.size;
    segment.size = 64;
    const active = await ActiveSegment.open(segment, 1000);
    await active.close();
    await files.close();
    const { directory: folder } = files;
    const reopened = await SegmentFiles.open(folder);
    expect(fileBytes).toBeGreaterThan(64);
    expect(reopened.end).toBe(64);
    await reopened.close();
  });
});

it('the double that fails the disk was asked', () => {
  expect(disk.failures).toBeGreaterThan(20);
});

it('reads through a failing disk stay right', async () => {
  const { store } = await openLog();
  await store.append('a', newEvents(3), any);
  await failing(0, async () => {
    await failure(store.append('a', newEvents(1), any));
    expect((await collect(store.readStream('a'))).length).toBe(3);
  });
});
