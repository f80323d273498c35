/**
 * `verbatim import`: reads conversations from NDJSON through the command path, in the server that has the data folder,
 * or in the folder itself where nobody has it. Running it again imports what is missing and nothing twice.
 */
import { resolve } from 'node:path';
import type { ImportResult } from '../commands/import.ts';
import type { LoadedConfig } from '../config/config.ts';
import type { Config } from '../config/settings.ts';
import { findServer, openFolder, serviceToken } from './data-folder-access.ts';
import { EXIT_FINDING, EXIT_OK } from './failure.ts';
import { createImportReport } from './import-report.ts';
import { importOverHttp } from './import-request.ts';
import { openImportSource } from './import-source.ts';
import type { ImportSource } from './import-source.ts';
import { parseTenant } from './token.ts';

/** Long enough for any import. */
const TOKEN_LIFE_MS = 7 * 86_400_000;
const IMPORTER = 'verbatim-import';

export interface ImportCommand {
  /** `-`: stdin. */
  readonly file: string;
  readonly tenant: string;
  /** Of a running server; absent: the one that has the data folder, if any. */
  readonly url?: string | undefined;
}

export async function importFile({ config }: Pick<LoadedConfig, 'config'>, command: ImportCommand): Promise<number> {
  const tenant = parseTenant(command.tenant);
  const source = await openImportSource(command.file);
  const server = await findServer(config, command.url);
  const results =
    server === undefined
      ? importIntoFolder(config, tenant, source.bytes)
      : importIntoServer(config, server, tenant, source.bytes);
  const report = createImportReport({ ...source, stream: process.stderr, now: () => performance.now() });
  let failure: Error | undefined;
  try {
    for await (const result of results) report.take(result);
  } catch (error) {
    failure = error as Error;
  }
  const { listing, summary, lines, rejected } = report.end(server ?? `the folder ${config.DATA_DIR}`);
  if (rejected > 0) process.stderr.write(`Rejected lines:\n${listing}${hintOn(source)}`);
  // Of an import that failed before its first line there is nothing to sum up.
  if (failure === undefined || lines > 0) process.stdout.write(`${summary}\n`);
  if (failure !== undefined) throw failure;
  return rejected > 0 ? EXIT_FINDING : EXIT_OK;
}

/** One line for the whole file: what is wrong with its shape is wrong with every line. */
function hintOn({ shape }: ImportSource): string {
  const looksLike = shape();
  return looksLike === undefined
    ? ''
    : `An import is one JSON object a line, plain or gzipped; this looks like ${looksLike}.\n`;
}

async function* importIntoServer(
  config: Config,
  url: string,
  tenant: string,
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<ImportResult> {
  const token = await serviceToken(config, { tenant, sub: IMPORTER, lifeMs: TOKEN_LIFE_MS });
  yield* importOverHttp({ url, token, bytes });
}

async function* importIntoFolder(
  config: Config,
  tenant: string,
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<ImportResult> {
  const engine = await openFolder(config, 'import');
  try {
    if (engine.isNewLog)
      process.stderr.write(
        `verbatim: note: ${resolve(config.DATA_DIR)} held no log: a new one was begun there. ` +
          'Another folder is named with DATA_DIR or --data-dir, a running server with --url.\n',
      );
    yield* engine.runImport(bytes, { tenant, by: IMPORTER });
  } finally {
    await engine.close();
  }
}
