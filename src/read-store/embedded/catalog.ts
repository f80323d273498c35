/** The catalog: an environment of its own, a row a projection. Nothing of it is remembered: another thread may change it. */
import { isDeepStrictEqual } from 'node:util';
import type { Database } from 'lmdb';
import type { CatalogEntry } from '../read-store.ts';
import type { Environment } from './environment.ts';

export class Catalog {
  private readonly environment: Environment;
  private readonly entries: Database<CatalogEntry, Buffer>;

  constructor(environment: Environment) {
    this.environment = environment;
    this.entries = environment.guarded<CatalogEntry>('entries');
  }

  entry(projection: string): CatalogEntry | undefined {
    return this.environment.read(() => this.entries.get(Buffer.from(projection)));
  }

  change(projection: string, from: CatalogEntry | undefined, to: CatalogEntry): Promise<boolean> {
    const key = Buffer.from(projection);
    const present = this.environment.read(() => this.entries.getEntry(key));
    if (!isDeepStrictEqual(present?.value, from)) return Promise.resolve(false);
    return this.environment.write(
      { database: this.entries, key, version: present?.version },
      Buffer.from(JSON.stringify(to)),
      [],
    );
  }

  close(): Promise<void> {
    return this.environment.close();
  }
}
