/** A process for the lock's test: takes the folder named in argv, says so, and holds it until its stdin ends. */
import { FolderLockedError, lockFolder } from '../../src/data-folder/lock.ts';

const [, , directory = '', silenceMs = '15000'] = process.argv;
try {
  const lock = await lockFolder(directory, {
    command: 'serve',
    silenceMs: Number(silenceMs),
    onLost: () => {
      process.stdout.write('lost\n');
    },
  });
  await lock.update({ url: 'http://127.0.0.1:4711' });
  process.stdout.write('held\n');
  process.stdin.resume();
  process.stdin.on('end', () => {
    void lock.release();
  });
} catch (error) {
  if (!(error instanceof FolderLockedError)) throw error;
  process.stdout.write(`refused ${error.message}\n`);
}
