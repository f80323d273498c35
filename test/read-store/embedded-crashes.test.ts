/** The embedded read store, killed and shared: what holds whatever is happening when a process ends, and between threads. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openEmbeddedReadStore } from '../../src/read-store/read-store.embedded.ts';
import type { Generation, ReadStore } from '../../src/read-store/read-store.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { ENDLESS_DOCUMENTS as DOCUMENTS, SCHEMA } from './things.ts';
import type { Thing } from './things.ts';

const CHILD = join(import.meta.dirname, 'endless-commits.ts');
const KILLS = 6;
const COMMITS_SEEN = 60;

async function openStore(directory: string): Promise<ReadStore> {
  const store = await openEmbeddedReadStore({ directory });
  onTestFinished(() => store.close());
  return store;
}

/** All documents are of one position, by their ids and by their index, and it is the one that the walk says. */
async function seenPosition(generation: Generation): Promise<number> {
  const walk = { collection: 'things', equals: {}, direction: 'forwards', limit: 2 * DOCUMENTS } as const;
  const { documents, position = -1 } = await generation.walk<Thing>({ ...walk, index: '_id' });
  expect(documents.map(document => document.position)).toEqual(Array.from({ length: DOCUMENTS }, () => position));
  const byRank = await generation.walk<Thing>({ ...walk, index: 'by_rank', equals: { tenant: 'acme' } });
  expect(byRank.documents.map(({ rank }) => rank)).toEqual(Array.from({ length: DOCUMENTS }, () => byRank.position));
  return position;
}

describe('the embedded read store', () => {
  test('agrees with its checkpoint after kill -9 at any instant', { timeout: 120_000 }, async () => {
    const directory = await tempFolder();
    let before = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const child = spawn(process.execPath, ['--import', 'tsx', CHILD, directory], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      onTestFinished(() => void child.kill('SIGKILL'));
      const exit = once(child, 'exit');
      let told = 0;
      for await (const line of createInterface(child.stdout)) {
        told = Number(line);
        // At another place in the stream of commits each time; what is under way then is cut off.
        if (told === before + 20 + 7 * kill) child.kill('SIGKILL');
      }
      expect((await exit)[1]).toBe('SIGKILL');
      const store = await openEmbeddedReadStore({ directory });
      const position = await seenPosition(await store.generation(SCHEMA, 1));
      expect(position).toBeGreaterThanOrEqual(told);
      await store.close();
      before = position;
    }
  });

  test('shows a thread what another has committed, at once and never half', { timeout: 60_000 }, async () => {
    const directory = await tempFolder();
    const store = await openStore(directory);
    // A thread has no loader of TypeScript but the one that it registers itself.
    const begin = `import('tsx/esm/api').then(tsx => (tsx.register(), import(${JSON.stringify(CHILD)})))`;
    const worker = new Worker(begin, { eval: true, workerData: { directory } });
    onTestFinished(() => void worker.terminate());
    const failed = once(worker, 'error');
    const generation = await store.generation(SCHEMA, 1);
    let [told] = (await once(worker, 'message')) as [number];
    worker.on('message', (position: number) => (told = position));
    let last = 0;
    for (let seen = 0; seen < COMMITS_SEEN;) {
      const known = told;
      const position = await seenPosition(generation);
      expect(position).toBeGreaterThanOrEqual(Math.max(known, last));
      if (position > last) seen += 1;
      last = position;
      // Lets the thread's messages in.
      await new Promise(resolve => setImmediate(resolve));
    }
    await Promise.race([worker.terminate(), failed]);
    // What the thread was cut off in has let go of everything.
    const checkpoint = await generation.checkpoint();
    const to = { position: last + 1_000_000, createdMs: 0 };
    expect(await generation.commit({ from: checkpoint, to, writes: [] })).toBe('committed');
  });
});
