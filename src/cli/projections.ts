/**
 * `verbatim rebuild | verify`: builds a read model anew from the log beside the old one, or holds it to the log, in the
 * server that has the data folder, or in the folder itself where nobody has it.
 */
import { z } from 'zod';
import type { LoadedConfig } from '../config/config.ts';
import type { Config } from '../config/settings.ts';
import type { ProjectionWork, RebuildResult, VerifyResult, WorkProgress } from '../projections/projector.ts';
import { createLogger } from '../telemetry/logger.pino.ts';
import { findServer, openFolder, serviceToken } from './data-folder-access.ts';
import { EXIT_FINDING, EXIT_OK } from './failure.ts';
import { openProjectionHost } from './projection-host.ts';
import { reportProgress } from './upkeep-progress.ts';
import { requestUpkeep } from './upkeep-request.ts';

/** Looked at when the request arrives, and not again. */
const TOKEN_LIFE_MS = 60_000;

export interface ProjectionCommand {
  readonly name: string;
  readonly url?: string | undefined;
}

const rebuilt = z.object({
  projection: z.string(),
  generation: z.number(),
  events: z.number(),
  documents: z.number(),
  ms: z.number(),
});

const verified = z.object({
  projection: z.string(),
  position: z
    .string()
    .regex(/^-?\d{1,16}$/)
    .transform(Number),
  documents: z.number(),
  differences: z.number(),
  difference: z
    .object({
      collection: z.string(),
      id: z.string(),
      kind: z.enum(['missing', 'unexpected', 'different']),
      fields: z.array(z.string()),
    })
    .optional(),
});

type Loaded = Pick<LoadedConfig, 'config'>;

export async function rebuildProjection({ config }: Loaded, command: ProjectionCommand): Promise<number> {
  const begin = (work: ProjectionWork, onProgress: OnProgress) => work.rebuild(command.name, { onProgress });
  const result: RebuildResult = await run(config, command, { what: 'rebuild', schema: rebuilt, begin });
  const { projection, generation, events, documents, ms } = result;
  process.stdout.write(
    `${projection} is built anew: ${events} events, ${documents} documents, ${(ms / 1_000).toFixed(1)} s; ` +
      `generation ${generation} answers now.\n`,
  );
  return EXIT_OK;
}

export async function verifyProjection({ config }: Loaded, command: ProjectionCommand): Promise<number> {
  const begin = (work: ProjectionWork, onProgress: OnProgress) => work.verify(command.name, { onProgress });
  const result = await run(config, command, { what: 'verify', schema: verified, begin });
  const { projection, documents, position, differences, difference } = result;
  if (difference === undefined) {
    process.stdout.write(`${projection} equals the log: ${documents} documents, up to position ${position}.\n`);
    return EXIT_OK;
  }
  const { collection, id, kind, fields } = difference;
  const where = fields.length === 0 ? '' : ` in ${fields.join(', ')}`;
  process.stdout.write(
    `${projection} does not equal the log: ${differences} of ${documents} documents differ. ` +
      `The first: ${id} of ${collection} is ${kind}${where}.\nBuild it anew with: verbatim rebuild ${projection}\n`,
  );
  return EXIT_FINDING;
}

type OnProgress = (progress: WorkProgress) => void;

interface Work<Result> {
  readonly what: 'rebuild' | 'verify';
  readonly schema: z.ZodType<Result>;
  readonly begin: (work: ProjectionWork, onProgress: OnProgress) => Promise<Result>;
}

async function run<Result extends RebuildResult | VerifyResult>(
  config: Config,
  { name, url }: ProjectionCommand,
  {
    what,
    schema,
    begin,
  }: { readonly what: Work<Result>['what']; readonly schema: z.ZodType; readonly begin: Work<Result>['begin'] },
): Promise<Result> {
  const server = await findServer(config, url);
  const report = reportProgress(`${what} ${name}`);
  try {
    if (server === undefined) return await inFolder(config, what, work => begin(work, report.onProgress));
    const token = await serviceToken(config, { tenant: 'default', sub: `verbatim-${what}`, lifeMs: TOKEN_LIFE_MS });
    const path = `/v1/projections/${encodeURIComponent(name)}/${what}`;
    const { onProgress } = report;
    const request = { server, path, authorization: `Bearer ${token}`, what: `the ${what}`, onProgress };
    return (await requestUpkeep(request, schema)) as Result;
  } finally {
    report.end();
  }
}

async function inFolder<Result>(
  config: Config,
  what: string,
  begin: (work: ProjectionWork) => Promise<Result>,
): Promise<Result> {
  const engine = await openFolder(config, what);
  try {
    const logger = createLogger({ level: 'warn', forTerminal: process.stderr.isTTY });
    const { store, log, keys } = engine;
    const host = await openProjectionHost({ config, log, store, keys, logger, onCheckpoint: () => undefined });
    try {
      return await begin(host);
    } finally {
      await host.stop();
    }
  } finally {
    await engine.close();
  }
}
