/**
 * Commits to the first generation of a folder until it is ended, as a process of its own or as a thread: every commit
 * gives all the documents its position, in their index too, and moves the checkpoint there. Each is told of when it is done.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { openEmbeddedReadStore } from '../../src/read-store/read-store.embedded.ts';
import { ENDLESS_DOCUMENTS as DOCUMENTS, SCHEMA, at, put, thing } from './things.ts';

async function commitEndlessly(directory: string, tell: (position: number) => void): Promise<void> {
  const store = await openEmbeddedReadStore({ directory });
  const generation = await store.generation(SCHEMA, 1);
  const before = await generation.checkpoint();
  for (let position = before?.position ?? 0; ;) {
    const from = position === 0 ? undefined : at(position);
    position += 1;
    const writes = Array.from({ length: DOCUMENTS }, (_, i) =>
      put(thing(`${i}`, { position, rank: position, text: 'x'.repeat(position % 900) })),
    );
    const result = await generation.commit({ from, to: at(position), writes });
    if (result !== 'committed') throw new Error(`The commit to ${position} was stale.`);
    tell(position);
  }
}

if (parentPort !== null) {
  const port = parentPort;
  const { directory } = workerData as { directory?: string };
  if (directory !== undefined) await commitEndlessly(directory, position => port.postMessage(position));
} else {
  const [, , directory] = process.argv;
  if (directory !== undefined) await commitEndlessly(directory, position => void process.stdout.write(`${position}\n`));
}
