/** Read models of the product folded without a log and a projector, event by event, as a test says. */
import { FoldedDocuments } from '../../src/projections/fold-batch.ts';
import { storedSchema } from '../../src/projections/parking.ts';
import type { ProjectedEvent, Projection } from '../../src/projections/projection.ts';
import { PROJECTIONS } from '../../src/projections/projections.ts';
import { createReadModels } from '../../src/projections/read-models.ts';
import type { ReadModels, ReadModelsOptions } from '../../src/projections/read-models.ts';
import type { CatalogEntry, Generation, ReadStore } from '../../src/read-store/read-store.ts';

const HELD = { documentsHeldMax: 1_000, bytesHeldMax: 8_388_608 };

export class FilledReadStore {
  readonly readStore: ReadStore;
  private readonly log: string;

  constructor(readStore: ReadStore, log: string) {
    this.readStore = readStore;
    this.log = log;
  }

  /** Makes the generation answer, of all projections. What answered before is kept, to be dropped by hand. */
  async switchTo(generation: number): Promise<void> {
    for (const { schema } of PROJECTIONS) {
      const from = await this.readStore.catalog(schema.name);
      const live = { generation, version: schema.version };
      const dropping = from === undefined ? [] : [{ generation: from.live.generation, afterMs: 0 }];
      const entry: CatalogEntry = { projection: schema.name, live, dropping, toCompact: false, log: this.log };
      if (!(await this.readStore.changeCatalog(schema.name, from, entry))) throw new Error('Somebody else switched.');
    }
  }

  async drop(generation: number): Promise<void> {
    for (const { schema } of PROJECTIONS) await this.readStore.drop(schema.name, generation);
  }

  /** Of events in the order of the log, behind those that were folded. */
  async fold(events: readonly ProjectedEvent[], generation = 1): Promise<void> {
    for (const projection of PROJECTIONS)
      await this.foldInto(projection, await this.of(projection, generation), events);
  }

  of(projection: Pick<Projection, 'schema'>, generation = 1): Promise<Generation> {
    return this.readStore.generation(storedSchema(projection.schema), generation);
  }

  readModels(options: Pick<ReadModelsOptions, 'head' | 'end' | 'clock' | 'limits'>): ReadModels {
    const { readStore, log } = this;
    return createReadModels({
      ...{ readStore, log, projections: PROJECTIONS, ...options },
    });
  }

  private async foldInto(
    projection: Projection,
    generation: Generation,
    events: readonly ProjectedEvent[],
  ): Promise<void> {
    const { limits } = this.readStore;
    const folded = new FoldedDocuments({
      ...{ projection, parked: new Map(), limits: { ...limits, ...HELD } },
      load: (collection, ids) => generation.load(collection, ids),
    });
    const inputs = events.map(event => ({ event, createdMs: event.recorded.at, bytes: 500 }));
    let from = await generation.checkpoint();
    for await (const { to, writes } of folded.commits(inputs)) {
      if ((await generation.commit({ from, to, writes })) !== 'committed') throw new Error('Somebody else committed.');
      from = to;
    }
  }
}
