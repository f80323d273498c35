/** Which secrets are in use: configured ones, or those the data folder has made for itself. */
import { readOrMakeSecret, readSecret } from '../data-folder/secrets.ts';
import type { Config } from '../config/settings.ts';
import { CliFailure } from './failure.ts';

export interface TokenSecret {
  readonly bytes: Uint8Array;
  /** Made by the data folder: loopback only, and the page gets tokens. */
  readonly selfMade: boolean;
}

/** The secret a server signs and checks tokens with; made at the first start. */
export async function openTokenSecret(config: Config): Promise<TokenSecret> {
  if (config.JWT_SECRET !== undefined) return { bytes: Buffer.from(config.JWT_SECRET), selfMade: false };
  if (config.NODE_ENV === 'production')
    throw new CliFailure(
      'bad-config',
      'JWT_SECRET is not set, and NODE_ENV is production: set JWT_SECRET or JWT_SECRET_FILE to a secret of at least 32 characters, for example the output of `openssl rand -base64 48`.',
    );
  return { bytes: Buffer.from(await readOrMakeSecret(config.DATA_DIR, 'jwt-secret')), selfMade: true };
}

/** The secret of a server that has been started before; makes none, since a token of it would open nothing. */
export async function findTokenSecret(config: Config): Promise<Uint8Array> {
  const secret = config.JWT_SECRET ?? (await readSecret(config.DATA_DIR, 'jwt-secret'));
  if (secret === undefined && config.JWKS_URL !== undefined)
    throw new CliFailure(
      'no-secret',
      'There is no secret to sign with: tokens are signed by the issuer that JWKS_URL names. Stop the server to work on its folder, or call it over HTTP with a token of that issuer.',
    );
  if (secret === undefined)
    throw new CliFailure(
      'no-secret',
      `There is no secret to sign with: ${config.DATA_DIR} holds none and JWT_SECRET is not set. Run \`npx verbatim serve\` once, name its folder with --data-dir, or set JWT_SECRET.`,
    );
  return Buffer.from(secret);
}

/**
 * The root secret keys the log's digests for life, so a configured one that differs from the folder's is refused, and for a
 * log that has begun none is made: under a new one no command of the log would be recognised.
 */
export async function openRootSecret(config: Config, hasBegun: boolean): Promise<Uint8Array> {
  const made = await readSecret(config.DATA_DIR, 'root-secret');
  if (config.ROOT_SECRET === undefined) {
    if (made !== undefined || !hasBegun)
      return Buffer.from(made ?? (await readOrMakeSecret(config.DATA_DIR, 'root-secret')));
    throw new CliFailure(
      'root-secret-missing',
      `The log has begun under a root secret that ${config.DATA_DIR} does not hold: set ROOT_SECRET to it, or copy the file root-secret from the folder or backup that has it.`,
    );
  }
  if (made !== undefined && made !== config.ROOT_SECRET)
    throw new CliFailure(
      'root-secret-mismatch',
      `ROOT_SECRET differs from the one this log was begun with, in ${config.DATA_DIR}/root-secret: a repeated command would not be recognised. Unset ROOT_SECRET, or set it to that.`,
    );
  return Buffer.from(config.ROOT_SECRET);
}
