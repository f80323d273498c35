/**
 * Folders of generations: `<projection>.<generation>`. What is to go is renamed to `.dropped-…` first, and a copy is a
 * `.draft-…` until it is whole, so that a folder with a generation's name always is one; what a crash left of either
 * goes at the next opening.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { syncPath } from '../../data-folder/sync.ts';

const DROPPED = '.dropped-';
const DRAFT = '.draft-';

export class GenerationFolders {
  private readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  path(projection: string, number: number): string {
    return join(this.directory, `${projection}.${number}`);
  }

  catalog(): string {
    return join(this.directory, 'catalog');
  }

  has(projection: string, number: number): boolean {
    return existsSync(this.path(projection, number));
  }

  /** Makes the folder where there is none. `nowMs`: when this process began is counted back from it. */
  async settle(nowMs: number): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const begunMs = nowMs - process.uptime() * 1000;
    for (const name of await readdir(this.directory)) {
      const path = join(this.directory, name);
      // Another thread of this process may be writing a younger draft.
      if (name.startsWith(DROPPED) || (name.startsWith(DRAFT) && (await changedMs(path)) < begunMs)) await remove(path);
    }
  }

  /** For good. One that is not there is no error. */
  async drop(projection: string, number: number): Promise<void> {
    const dropped = join(this.directory, `${DROPPED}${projection}.${number}-${randomUUID()}`);
    try {
      await rename(this.path(projection, number), dropped);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return;
    }
    // After a power cut the name must not be there again.
    await syncPath(this.directory);
    await remove(dropped);
  }

  /** An empty folder for a copy of one of the projection's; earlier ones, of copies that failed, are gone then. */
  async draft(projection: string, number: number): Promise<string> {
    await this.discardDrafts(projection);
    const path = join(this.directory, `${DRAFT}${projection}.${number}`);
    await mkdir(path, { mode: 0o700 });
    return path;
  }

  async discardDrafts(projection: string): Promise<void> {
    for (const name of await readdir(this.directory))
      if (name.startsWith(`${DRAFT}${projection}.`)) await remove(join(this.directory, name));
  }

  /** Gives a written draft the name of the generation, durably. */
  async publish(draft: string, projection: string, number: number): Promise<void> {
    await syncPath(join(draft, 'data.mdb'));
    await syncPath(draft);
    await rename(draft, this.path(projection, number));
    await syncPath(this.directory);
  }
}

function remove(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true });
}

async function changedMs(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs;
  } catch {
    // Another thread has published or discarded it since.
    return Number.POSITIVE_INFINITY;
  }
}
