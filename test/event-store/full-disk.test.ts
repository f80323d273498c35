/** A file system without room, index and all: a tmpfs of a few megabytes where one may be mounted. */
import { execFileSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { UnavailableError } from '../../src/errors.ts';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { failure, Follower, newEvent } from './events.ts';
import { crashed, nameOf, openLog, wholeLog } from './log-folder.ts';

/** Undefined where this process may not mount. */
async function smallFileSystem(megabytes: number): Promise<string | undefined> {
  const folder = join(await tempFolder(), 'disk');
  await mkdir(folder);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  onTestFinished(() => {
    execFileSync('umount', ['--lazy', folder]);
  });
  return folder;
}

it('appends fail while it is full, reads go on, and appends go on when there is room, without opening again', async ({
  skip,
}) => {
  const disk = await smallFileSystem(4);
  if (disk === undefined) return skip('NOT RUN: a tmpfs cannot be mounted here (it needs root on Linux)');
  const ballast = join(disk, 'ballast');
  await writeFile(ballast, Buffer.alloc(1_500_000));
  const errors: Error[] = [];
  const settings = { segmentBytes: 300_000, tailBytesMax: 100_000, indexFlushMs: 20 };
  const { store, directory } = await openLog({
    ...settings,
    directory: join(disk, 'data'),
    onError: error => errors.push(error),
  });
  const follower = new Follower(signal => store.subscribeToAll({ after: 'start', signal }));
  const acknowledged: string[] = [];
  const appendUntilRefused = async (appendsMax: number): Promise<unknown> => {
    for (let i = 0; i < appendsMax; i++) {
      const stream = `s${i % 40}`;
      const events = [newEvent('x'.repeat(900)), newEvent(i)];
      try {
        const { revision } = await store.append(stream, events, { expectedRevision: 'any' });
        acknowledged.push(...events.map((event, at) => `${stream}@${revision - BigInt(1 - at)} ${event.id}`));
      } catch (error) {
        return error;
      }
    }
    return undefined;
  };

  const full = await appendUntilRefused(10_000);
  expect(full).toBeInstanceOf(UnavailableError);
  expect((full as Error).message).toContain('ENOSPC');
  for (let i = 0; i < 20; i++) {
    expect(await failure(store.append('s0', [newEvent('x'.repeat(5000))], { expectedRevision: 'any' }))).toBeInstanceOf(
      UnavailableError,
    );
  }
  expect(await wholeLog(store)).toEqual(acknowledged);
  await follower.until(seen => seen.events.length === acknowledged.length);

  // The folder as it is, on a disk with room: what was refused is not in it.
  const { store: elsewhere } = await openLog({ directory: await crashed(directory) });
  expect(await wholeLog(elsewhere)).toEqual(acknowledged);

  await rm(ballast);
  expect(await appendUntilRefused(200)).toBeUndefined();
  const after = await wholeLog(store);
  expect(after).toEqual(acknowledged);
  await follower.until(seen => seen.events.length === acknowledged.length);
  expect(follower.events.map(nameOf)).toEqual(acknowledged);
  await follower.stop();
  await store.close();
  const { store: again } = await openLog({ directory });
  expect(await wholeLog(again)).toEqual(acknowledged);
  for (const error of errors) expect(error).toBeInstanceOf(UnavailableError);
});

it('a log cannot be opened on it: that is said, and nothing is left that would hinder it later', async ({ skip }) => {
  const disk = await smallFileSystem(1);
  if (disk === undefined) return skip('NOT RUN: a tmpfs cannot be mounted here (it needs root on Linux)');
  const ballast = join(disk, 'ballast');
  await writeFile(ballast, Buffer.alloc(1_040_000));
  const directory = join(disk, 'data');
  expect(await failure(openEmbeddedEventStore({ directory }))).toBeInstanceOf(UnavailableError);
  await rm(ballast);
  const { store } = await openLog({ directory });
  await store.append('a', [newEvent()], { expectedRevision: 'no-stream' });
  expect(await wholeLog(store)).toHaveLength(1);
});
