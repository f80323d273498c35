/**
 * `verbatim import`: reads conversations from NDJSON through the command path, in the server that has the data folder,
 * or in the folder itself where nobody has it. Running it again imports what is missing and nothing twice.
 */
import { hostname } from 'node:os';
import { signToken } from '../auth/tokens.ts';
import type { ImportResult } from '../commands/import.ts';
import type { LoadedConfig } from '../config/config.ts';
import type { Config } from '../config/settings.ts';
import { describeOwner, FolderLockedError, readLockOwner } from '../data-folder/lock.ts';
import { createLogger } from '../telemetry/logger.pino.ts';
import { openEngine } from './engine.ts';
import { CliFailure, EXIT_FINDING, EXIT_OK } from './failure.ts';
import { createImportReport } from './import-report.ts';
import { importOverHttp } from './import-request.ts';
import { openImportSource } from './import-source.ts';
import { findTokenSecret } from './secrets.ts';
import { parseTenant } from './token.ts';

/** Long enough for any import: the token never leaves this process and the server. */
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
  const owner = url === undefined ? await readLockOwner(config.DATA_DIR) : undefined;
  const server = url ?? owner?.url;
  if (server === undefined) {
    if (owner !== undefined) throw new FolderLockedError(config.DATA_DIR, owner);
    return importIntoFolder(config, tenant, bytes);
  }
  if (owner !== undefined && owner.host !== hostname())
    throw new CliFailure(
      'data-folder-in-use',
      `${config.DATA_DIR} is in use by ${describeOwner(owner)}: name that server with --url.`,
    );
  if (!/^https?:\/\//.test(server) || !URL.canParse(server))
    throw new CliFailure(
      'usage',
      `--url is ${JSON.stringify(server)}: expected the address of a server, such as http://127.0.0.1:3000.`,
      2,
    );
  const expiresAt = Date.now() + TOKEN_LIFE_MS;
  const claims = { sub: IMPORTER, tenant, role: 'service', rooms: [], expiresAt } as const;
  const token = await signToken(await findTokenSecret(config), claims);
  return importOverHttp({ url: server, token, bytes });
}

async function* importIntoFolder(
  config: Config,
  tenant: string,
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<ImportResult> {
  const logger = createLogger({
    level: config.LOG_LEVEL === 'info' ? 'warn' : config.LOG_LEVEL,
    forTerminal: process.stderr.isTTY,
  });
  const onLost = (): never => {
    process.stderr.write(
      `verbatim: data-folder-in-use: another process has taken ${config.DATA_DIR}; run the import again.\n`,
    );
    process.exit(EXIT_FINDING);
  };
  const engine = await openEngine({ config, logger, onLost, command: 'import' });
  try {
    yield* engine.runImport(bytes, { tenant, by: IMPORTER });
  } finally {
    await engine.close();
    logger.flushSync();
  }
}
