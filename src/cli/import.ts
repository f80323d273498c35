/**
 * `verbatim import`: reads conversations from NDJSON through the command path, in the server that has the data folder,
 * or in the folder itself where nobody has it. Running it again imports what is missing and nothing twice.
 */
import type { ImportResult } from '../commands/import.ts';
import type { LoadedConfig } from '../config/config.ts';
import type { Config } from '../config/settings.ts';
import { findServer, openFolder, serviceToken } from './data-folder-access.ts';
import { EXIT_FINDING, EXIT_OK } from './failure.ts';
import { createImportReport } from './import-report.ts';
import { importOverHttp } from './import-request.ts';
import { openImportSource } from './import-source.ts';
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

export async function importFile({ config, warnings }: LoadedConfig, command: ImportCommand): Promise<number> {
  for (const warning of warnings) process.stderr.write(`verbatim: warning: ${warning}\n`);
  const tenant = parseTenant(command.tenant);
  const source = await openImportSource(command.file);
  const report = createImportReport({ ...source, stream: process.stderr, now: () => performance.now() });
  let failure: Error | undefined;
  try {
    for await (const result of await resultsOf(config, command.url, tenant, source.bytes)) report.take(result);
  } catch (error) {
    failure = error as Error;
  }
  const { listing, summary, rejected } = report.end();
  if (rejected > 0) process.stderr.write(`Rejected lines:\n${listing}`);
  process.stdout.write(`${summary}\n`);
  if (failure !== undefined) throw failure;
  return rejected > 0 ? EXIT_FINDING : EXIT_OK;
}

async function resultsOf(
  config: Config,
  url: string | undefined,
  tenant: string,
  bytes: AsyncIterable<Uint8Array>,
): Promise<AsyncIterable<ImportResult>> {
  const server = await findServer(config, url);
  if (server === undefined) return importIntoFolder(config, tenant, bytes);
  const token = await serviceToken(config, { tenant, sub: IMPORTER, lifeMs: TOKEN_LIFE_MS });
  return importOverHttp({ url: server, token, bytes });
}

async function* importIntoFolder(
  config: Config,
  tenant: string,
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<ImportResult> {
  const engine = await openFolder(config, 'import');
  try {
    yield* engine.runImport(bytes, { tenant, by: IMPORTER });
  } finally {
    await engine.close();
  }
}
