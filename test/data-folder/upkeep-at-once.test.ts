/** Two works on one log's files at the same time: the second is told to come back. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { backUp } from '../../src/data-folder/backup.ts';
import { endRestore, restoreFiles } from '../../src/data-folder/restore.ts';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { checkEmbeddedLog } from '../../src/event-store/log-check.embedded.ts';
import { oneAtATime } from '../../src/event-store/upkeep-at-once.ts';
import { newEvent } from '../event-store/events.ts';
import { tempFolder } from '../support/temp-folder.ts';

const any = { expectedRevision: 'any' } as const;

async function upkeepOfLog() {
  const root = await tempFolder();
  const directory = join(root, 'data');
  await mkdir(directory);
  const store = await openEmbeddedEventStore({
    directory: join(directory, 'log'),
    ...{ segmentBytes: 30_000, tailBytesMax: 1 },
  });
  onTestFinished(() => store.close());
  const fill = async (): Promise<void> => {
    for (let i = 0; i < 150; i++) await store.append(`s${i % 2}`, [newEvent('x'.repeat(600))], any);
  };
  const source = {
    ...{ directory, log: 'log', logFiles: () => store.files(), clock: { now: () => Date.now() } },
    copyKeyring: (file: string) => writeFile(file, 'keys'),
  };
  const upkeep = oneAtATime({
    scavenge: options => store.scavenge(options),
    backup: (target, options) => backUp(source, target, options),
  });
  return { root, store, upkeep, fill };
}

async function expectWhole(root: string, target: string): Promise<void> {
  const directory = join(root, 'restored');
  await restoreFiles(target, directory, { newId: () => 'new' });
  await endRestore(directory);
  await checkEmbeddedLog({ directory: join(directory, 'log'), inUse: false });
}

const busy = { name: 'UnavailableError' };

it('scavenging is refused while a backup copies, which is whole, and the other way round', async () => {
  const { root, store, upkeep, fill } = await upkeepOfLog();
  await fill();
  await store.setStreamMetadata('s0', { truncateBefore: 60n }, any);
  const target = join(root, 'backup');
  const backup = upkeep.backup(target, {});
  await expect(upkeep.scavenge({})).rejects.toMatchObject(busy);
  await backup;
  const scavenging = upkeep.scavenge({});
  await expect(upkeep.backup(target, {})).rejects.toMatchObject(busy);
  expect((await scavenging).eventsDropped).toBeGreaterThan(0);
  await expectWhole(root, target);
});

it('of two backups at the same time the second is refused; one that failed is in nobody’s way', async () => {
  const { root, upkeep, fill } = await upkeepOfLog();
  await fill();
  const target = join(root, 'backup');
  await upkeep.backup(target, {});
  await fill();
  const second = upkeep.backup(target, {});
  await expect(upkeep.backup(target, {})).rejects.toMatchObject(busy);
  await second;
  await expectWhole(root, target);
  await expect(upkeep.backup(root, {})).rejects.toMatchObject({ name: 'BackupTargetError' });
  await upkeep.backup(target, {});
});
