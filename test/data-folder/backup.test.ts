/** Backups of a log that is written to meanwhile, cut off at will, and folders restored from them. */
import { cp, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { backUp, BackupTargetError } from '../../src/data-folder/backup.ts';
import { DamagedBackupError, readManifest } from '../../src/data-folder/backup-manifest.ts';
import { isOperatorProof, operatorProof } from '../../src/data-folder/operator-proof.ts';
import { endRestore, isBeingRestored, restoreFiles, RestoreTargetError } from '../../src/data-folder/restore.ts';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { checkEmbeddedLog } from '../../src/event-store/log-check.embedded.ts';
import { openEmbeddedKeyring } from '../../src/keyring/keyring.embedded.ts';
import { collect, failure, newEvent } from '../event-store/events.ts';
import { flipBit } from '../event-store/log-folder.ts';
import { tempFolder } from '../support/temp-folder.ts';

const any = { expectedRevision: 'any' } as const;
const LOG = '0199f3a2-7c1e-7d3b-9d53-6f0a9c2b1e77';
const SUBJECT = { tenant: 'default', subject: 'ann' } as const;

/** A data folder in use: a store with small segments, a keyring, a secret. */
async function folderInUse() {
  const root = await tempFolder();
  const directory = join(root, 'data');
  await mkdir(directory);
  const store = await openEmbeddedEventStore({
    directory: join(directory, 'log'),
    segmentBytes: 30_000,
    tailBytesMax: 1,
  });
  const keyring = await openEmbeddedKeyring({ directory: join(directory, 'keyring'), mayBegin: true });
  await writeFile(join(directory, 'root-secret'), 'r'.repeat(40));
  onTestFinished(async () => {
    await store.close();
    await keyring.close();
  });
  let nowMs = 1_800_000_000_000;
  const source = {
    ...{ directory, log: LOG, logFiles: () => store.files(), clock: { now: () => (nowMs += 1_000) } },
    copyKeyring: (file: string) => keyring.copyTo(file),
  };
  return { root, directory, store, keyring, source };
}

/** Appends until told to stop; what was acknowledged so far, as `stream@revision id`. */
function writeOn(store: Awaited<ReturnType<typeof folderInUse>>['store']) {
  const acknowledged: string[] = [];
  let stop = false;
  const writing = Promise.all(
    [0, 1, 2].map(async writer => {
      for (let i = 0; !stop; i++) {
        const event = newEvent('x'.repeat((i * 131) % 700));
        const { revision } = await store.append(`s${(writer + i) % 5}`, [event], any);
        acknowledged.push(`s${(writer + i) % 5}@${revision} ${event.id}`);
      }
    }),
  );
  return {
    acknowledged,
    end: async () => {
      stop = true;
      await writing;
    },
  };
}

async function eventsIn(directory: string): Promise<Set<string>> {
  const store = await openEmbeddedEventStore({ directory: join(directory, 'log') });
  const events = await collect(store.readAll());
  await store.close();
  return new Set(events.map(event => `${event.stream}@${event.revision} ${event.id}`));
}

let restores = 0;
async function restored(root: string, target: string): Promise<string> {
  const directory = join(root, `restored-${++restores}`);
  await restoreFiles(target, directory, { newId: () => 'new' });
  expect(isBeingRestored(directory)).toBe(true);
  await endRestore(directory);
  expect(isBeingRestored(directory)).toBe(false);
  return directory;
}

it(
  'holds every event acknowledged before it began, run after run, though some runs are cut off',
  { timeout: 30_000 },
  async () => {
    const { root, store, source } = await folderInUse();
    const target = join(root, 'backup');
    const load = writeOn(store);
    for (let run = 0; run < 8; run++) {
      await new Promise(resolve => setTimeout(resolve, 60));
      const before = [...load.acknowledged];
      if (run % 2 === 1) {
        const aborter = new AbortController();
        const cutAt = (run * 37_000) % 150_000;
        const options = {
          signal: aborter.signal,
          onProgress: ({ done }: { done: number }) => {
            if (done > cutAt) aborter.abort(new Error('cut off'));
          },
        };
        await backUp(source, target, options).catch((error: unknown) => {
          expect(error).toMatchObject({ message: 'cut off' });
        });
      } else {
        await backUp(source, target);
        const held = await eventsIn(await restored(root, target));
        expect(before.filter(event => !held.has(event))).toEqual([]);
      }
      // Whatever became of the last run, there is a whole backup.
      await restored(root, target);
    }
    await load.end();
  },
);

it('copies again only what changed, survives scavenging in between, and removes what no manifest names', async () => {
  const { root, store, source } = await folderInUse();
  const target = join(root, 'backup');
  for (let i = 0; i < 200; i++) await store.append(`s${i % 2}`, [newEvent('x'.repeat(600))], any);
  const first = await backUp(source, target);
  expect(first.bytesCopied).toBe(first.bytes);
  const second = await backUp(source, target);
  expect(second.position).toBe(first.position);
  expect(second.bytesCopied).toBeLessThan(first.bytes / 2);
  await store.setStreamMetadata('s0', { truncateBefore: 90n }, any);
  await store.scavenge({ savedShareMin: 0, bytesPerSecondMax: 1e12 });
  const third = await backUp(source, target);
  expect(third.bytes).toBeLessThan(second.bytes);
  const manifest = await readManifest(target);
  const names = await readdir(target, { recursive: true, withFileTypes: true });
  expect(names.filter(entry => entry.isFile())).toHaveLength((manifest?.files.length ?? 0) + 2);
  const directory = await restored(root, target);
  expect(await eventsIn(directory)).toEqual(await eventsIn(await copyOf(root, source.directory)));
  expect(await checkEmbeddedLog({ directory: join(directory, 'log'), inUse: false })).toMatchObject({ index: 'whole' });
  expect(await readFile(join(directory, 'root-secret'), 'utf8')).toBe('r'.repeat(40));
});

it('copies a compacted segment that has just the bytes it had while it was written', async () => {
  const { root, store, source } = await folderInUse();
  const target = join(root, 'backup');
  for (let i = 0; i < 100; i++) await store.append(`s${i % 2}`, [newEvent('x'.repeat(600))], any);
  await store.setStreamMetadata('s0', { truncateBefore: 45n }, any);
  const [{ name, file } = { name: '', file: '' }] = store.files().files;
  const written = await readFile(file);
  await store.scavenge({ savedShareMin: 0, bytesPerSecondMax: 1e12 });
  const compacted = await readFile(file);
  expect(compacted.length).toBeLessThan(written.length);
  // As it stood when it had so many bytes, and was the last one.
  const early = join(root, name);
  await writeFile(early, written);
  const logFiles = () => ({ position: compacted.length, files: [{ name, file: early, bytes: compacted.length }] });
  await backUp({ ...source, logFiles }, target);
  await backUp(source, target);
  const held = join(await restored(root, target), 'log', 'segments', name);
  expect((await readFile(held)).equals(compacted)).toBe(true);
});

async function copyOf(root: string, directory: string): Promise<string> {
  const copy = join(root, 'copied');
  await cp(join(directory, 'log', 'segments'), join(copy, 'log', 'segments'), { recursive: true });
  return copy;
}

it('has the keys of now, and none that was destroyed, not even in the bytes of its files', async () => {
  const { root, store, keyring, source } = await folderInUse();
  const target = join(root, 'backup');
  await store.append('s0', [newEvent()], any);
  const [key] = await keyring.obtain([SUBJECT]);
  await backUp(source, target);
  const bytesOf = async () => {
    const names = (await readdir(target, { recursive: true, withFileTypes: true })).filter(entry => entry.isFile());
    return Buffer.concat(await Promise.all(names.map(({ parentPath, name }) => readFile(join(parentPath, name)))));
  };
  expect((await bytesOf()).includes(Buffer.from(key as Uint8Array))).toBe(true);
  const opened = await openEmbeddedKeyring({
    directory: join(await restored(root, target), 'keyring'),
    mayBegin: false,
  });
  expect(await opened.find([SUBJECT])).toEqual([key]);
  await opened.close();
  const kept = Buffer.from(key as Uint8Array);
  await keyring.destroy([SUBJECT]);
  await backUp(source, target);
  expect((await bytesOf()).includes(kept)).toBe(false);
});

it('nobody else can read a key, while it is copied or later, whatever the folder lets them', async () => {
  const { root, store, keyring, source } = await folderInUse();
  const target = join(root, 'backup');
  await mkdir(target, { mode: 0o755 });
  await store.append('s0', [newEvent()], any);
  const readable: string[] = [];
  const copyKeyring = async (file: string): Promise<void> => {
    await keyring.copyTo(file);
    if (((await stat(file)).mode & 0o077) !== 0 && ((await stat(dirname(file))).mode & 0o077) !== 0)
      readable.push(file);
  };
  await backUp({ ...source, copyKeyring }, target);
  for (const entry of await readdir(target, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && ((await stat(path)).mode & 0o077) !== 0) readable.push(path);
  }
  expect(readable).toEqual([]);
});

it('copies again what the folder has lost since the last run', async () => {
  const { root, store, source } = await folderInUse();
  const target = join(root, 'backup');
  for (let i = 0; i < 100; i++) await store.append('s0', [newEvent('x'.repeat(600))], any);
  await backUp(source, target);
  const [lost, cut] = (await readManifest(target))?.files ?? [];
  await rm(join(target, lost?.stored ?? ''));
  await truncate(join(target, cut?.stored ?? ''), 1_000);
  await backUp(source, target);
  expect((await eventsIn(await restored(root, target))).size).toBe(100);
});

it('a damaged, incomplete or missing backup is refused by name, and leaves nothing that a server would start on', async () => {
  const { root, store, source } = await folderInUse();
  const target = join(root, 'backup');
  for (let i = 0; i < 100; i++) await store.append('s0', [newEvent('x'.repeat(600))], any);
  await backUp(source, target);
  const [segment = ''] = ((await readManifest(target))?.files ?? []).map(({ stored }) => join(target, stored));
  const restore = (to: string) => failure(restoreFiles(target, join(root, to), { newId: () => 'new' }));
  await flipBit(segment, 5_000);
  expect(await restore('a')).toBeInstanceOf(DamagedBackupError);
  expect(isBeingRestored(join(root, 'a'))).toBe(true);
  await flipBit(segment, 5_000);
  const bytes = await readFile(segment);
  await rm(segment);
  expect(await restore('b')).toMatchObject({ message: expect.stringContaining('not there') as string });
  await writeFile(segment, bytes);
  await restoreFiles(target, join(root, 'a'), { newId: () => 'another' });
  await rm(join(target, 'manifest.json'));
  expect(await restore('c')).toMatchObject({ message: expect.stringContaining('no manifest') as string });
});

it('a restore that was cut off is gone on with, under the id it began with', async () => {
  const { root, store, source } = await folderInUse();
  const target = join(root, 'backup');
  for (let i = 0; i < 200; i++) await store.append('s0', [newEvent('x'.repeat(600))], any);
  await backUp(source, target);
  const to = join(root, 'restored');
  const aborter = new AbortController();
  const onProgress = () => aborter.abort(new Error('cut off'));
  await failure(restoreFiles(target, to, { newId: () => 'first', signal: aborter.signal, onProgress }));
  expect((await restoreFiles(target, to, { newId: () => 'second' })).log).toBe('first');
  await endRestore(to);
  expect((await eventsIn(to)).size).toBe(200);
  expect(await failure(restoreFiles(target, to, { newId: () => 'third' }))).toBeInstanceOf(RestoreTargetError);
});

it('goes into an empty folder or its own, and nowhere near the data', async () => {
  const { root, directory, store, source } = await folderInUse();
  await store.append('s0', [newEvent()], any);
  const other = join(root, 'other');
  await mkdir(other);
  await writeFile(join(other, 'letter'), 'mine');
  for (const target of [other, directory, join(directory, 'backup'), root])
    expect(await failure(backUp(source, target)), target).toBeInstanceOf(BackupTargetError);
  await backUp(source, join(root, 'backup'));
  expect(await failure(backUp({ ...source, log: 'of another' }, join(root, 'backup')))).toBeInstanceOf(
    BackupTargetError,
  );
});

it('an operator’s proof is good for what it names, under its secret, for a minute', () => {
  const secret = Buffer.from('s'.repeat(40));
  const proof = operatorProof(secret, 'backup /a', 1_000);
  expect(isOperatorProof(secret, proof, 'backup /a', 50_000)).toBe(true);
  expect(isOperatorProof(secret, proof, 'backup /b', 50_000)).toBe(false);
  expect(isOperatorProof(Buffer.from('t'.repeat(40)), proof, 'backup /a', 50_000)).toBe(false);
  expect(isOperatorProof(secret, proof, 'backup /a', 61_000)).toBe(false);
  expect(isOperatorProof(secret, proof.replace(/^\d+/, '999999999'), 'backup /a', 50_000)).toBe(false);
  expect(isOperatorProof(secret, 'nonsense', 'backup /a', 50_000)).toBe(false);
});
