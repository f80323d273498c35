/**
 * Where a command of the command line does its work: in the server that has the data folder, or one that is named, and
 * otherwise in the folder itself, which it then owns while it works.
 */
import { hostname } from 'node:os';
import { signToken } from '../auth/tokens.ts';
import type { Config } from '../config/settings.ts';
import { describeOwner, FolderLockedError, readLockOwner } from '../data-folder/lock.ts';
import { createLogger } from '../telemetry/logger.pino.ts';
import { openEngine } from './engine.ts';
import type { Engine } from './engine.ts';
import { CliFailure, EXIT_FINDING, EXIT_USAGE } from './failure.ts';
import { findTokenSecret } from './secrets.ts';

/**
 * The address of the server to ask; undefined: nobody has the folder.
 *
 * @param url the one that was named
 * @throws CliFailure, FolderLockedError
 */
export async function findServer(config: Config, url: string | undefined): Promise<string | undefined> {
  const owner = url === undefined ? await readLockOwner(config.DATA_DIR) : undefined;
  const server = url ?? owner?.url;
  if (server === undefined) {
    if (owner !== undefined) throw new FolderLockedError(config.DATA_DIR, owner);
    return undefined;
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
      EXIT_USAGE,
    );
  return server;
}

/** Of role service, signed with the secret in use; it never leaves this process and the server. */
export async function serviceToken(
  config: Config,
  who: { readonly tenant: string; readonly sub: string; readonly lifeMs: number },
): Promise<string> {
  const { tenant, sub, lifeMs } = who;
  return signToken(await findTokenSecret(config), {
    ...{ sub, tenant, role: 'service', rooms: [] },
    expiresAt: Date.now() + lifeMs,
  });
}

/** The folder, opened until `close`. `command` is what others are told that it is in use by. */
export async function openFolder(config: Config, command: string): Promise<Engine> {
  const logger = createLogger({
    level: config.LOG_LEVEL === 'info' ? 'warn' : config.LOG_LEVEL,
    forTerminal: process.stderr.isTTY,
  });
  const onLost = (): never => {
    process.stderr.write(
      `verbatim: data-folder-in-use: another process has taken ${config.DATA_DIR}; run \`verbatim ${command}\` again.\n`,
    );
    process.exit(EXIT_FINDING);
  };
  const engine = await openEngine({ config, logger, onLost, command });
  return {
    ...engine,
    close: async () => {
      await engine.close();
      logger.flushSync();
    },
  };
}
