/** A projector over memory, with time that stands still until a test moves it, and what a test asks of it. */
import { storedSchema } from '../../src/projections/parking.ts';
import type { Projection } from '../../src/projections/projection.ts';
import { createProjector } from '../../src/projections/projector.ts';
import type { Projector, ProjectorOptions } from '../../src/projections/projector.ts';
import type { ReadStore, StoredDocument } from '../../src/read-store/read-store.ts';
import type { LogFields, Logger } from '../../src/telemetry/logger.ts';
import { FakeTime, turns } from './fake-time.ts';
import { MemoryReadStore } from './memory-read-store.ts';
import type { ProjectedLog } from './projected-log.ts';
import { tinyProjection } from './tiny-projection.ts';

export interface Line {
  readonly level: keyof Logger;
  readonly message: string;
  readonly fields: LogFields;
}

function logLines(): { readonly lines: Line[]; readonly logger: Logger } {
  const lines: Line[] = [];
  const at =
    (level: keyof Logger) =>
    (message: string, fields: LogFields = {}): void => {
      lines.push({ level, message, fields });
    };
  return { lines, logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } };
}

export interface FixtureOptions extends Partial<
  Pick<ProjectorOptions, 'store' | 'open' | 'openTenant' | 'random' | 'limits'>
> {
  readonly projections?: readonly Projection[];
  readonly readStore?: ReadStore;
  readonly time?: FakeTime;
  readonly log?: string;
}

export interface Fixture {
  readonly projector: Projector;
  readonly time: FakeTime;
  readonly readStore: ReadStore;
  readonly lines: readonly Line[];
  readonly projections: readonly Projection[];
}

const running = new Set<Projector>();

export function makeProjector(events: ProjectedLog, options: FixtureOptions = {}): Fixture {
  const {
    projections = [tinyProjection()],
    readStore = new MemoryReadStore(),
    time = new FakeTime(0),
    log = 'log-1',
  } = options;
  const { lines, logger } = logLines();
  const delay = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise(resolve => {
      const end = (): void => {
        cancel();
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const cancel = time.after(ms, end);
      if (signal?.aborted === true) end();
      else signal?.addEventListener('abort', end);
    });
  const projector = createProjector({
    ...{ projections, readStore, log, clock: time, delay, logger },
    ...{
      store: options.store ?? events.store,
      open: options.open ?? events.open,
      openTenant: options.openTenant ?? events.openTenant,
    },
    ...{ keys: events.keys, random: options.random ?? (() => 0.5) },
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  running.add(projector);
  return { projector, time, readStore, lines, projections };
}

export async function stopProjectors(): Promise<void> {
  for (const projector of running) await projector.stop();
  running.clear();
}

/** Of the wall's clock: engines on disk take their time. */
const PATIENCE_MS = 20_000;

/** Time passes until it holds. */
export async function timeUntil(time: FakeTime, holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const latest = performance.now() + PATIENCE_MS;
  for (let i = 0; performance.now() < latest; i++) {
    if (await holds()) return;
    await turns(1);
    if (i % 10 === 9) await time.advance(50);
  }
  throw new Error(`${what} did not come to hold.`);
}

export function isCaughtUp({ projector }: Pick<Fixture, 'projector'>, events: ProjectedLog): boolean {
  return projector.status().every(({ state, checkpoint }) => state === 'live' && checkpoint?.position === events.end);
}

export async function caughtUp(fixture: Fixture, events: ProjectedLog): Promise<void> {
  await timeUntil(fixture.time, () => isCaughtUp(fixture, events), 'catching up');
}

/** Every document of what answers, by collection. */
export async function dump(
  readStore: ReadStore,
  projection: Projection,
): Promise<Record<string, readonly StoredDocument[]>> {
  const entry = await readStore.catalog(projection.schema.name);
  if (entry === undefined) return {};
  const generation = await readStore.generation(storedSchema(projection.schema), entry.live.generation);
  const documents: Record<string, readonly StoredDocument[]> = {};
  for (const { name } of generation.schema.collections)
    documents[name] = await generation.page(name, { after: undefined, limit: 100_000 });
  return documents;
}

/** The same log folded at once, by a projector of its own. */
export async function cleanBuild(
  events: ProjectedLog,
  projections: readonly Projection[] = [tinyProjection()],
): Promise<Record<string, readonly StoredDocument[]>[]> {
  const fixture = makeProjector(events, { projections });
  await fixture.projector.start();
  await caughtUp(fixture, events);
  await fixture.projector.stop();
  return Promise.all(projections.map(projection => dump(fixture.readStore, projection)));
}
