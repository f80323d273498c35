/**
 * The secrets a data folder makes for itself at first start: `jwt-secret` signs tokens, `root-secret` keys digests and
 * derived ids for the life of the log. Each is made once, readable by its owner alone, and never replaced.
 */
import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { syncPath } from './sync.ts';

export const SECRET_NAMES = ['jwt-secret', 'root-secret'] as const;
export type SecretName = (typeof SECRET_NAMES)[number];

/** 256 bits, as RFC 7518 section 3.2 asks of an HS256 key. */
const SECRET_CHARACTERS_MIN = 32;

/** The file holds something, but nothing that this product wrote: it is refused rather than replaced. */
export class BadSecretFileError extends Error {
  override readonly name = 'BadSecretFileError';
}

/** Undefined where the folder has none yet. @throws BadSecretFileError */
export async function readSecret(directory: string, name: SecretName): Promise<string | undefined> {
  const path = join(directory, name);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const secret = text.trim();
  if (secret.length < SECRET_CHARACTERS_MIN)
    throw new BadSecretFileError(
      `${path} holds no secret of at least ${SECRET_CHARACTERS_MIN} characters; restore it from a backup.`,
    );
  return secret;
}

/**
 * The folder's secret, made where there is none. Complete and on disk before its name appears, so that neither a crash
 * nor a second process ever sees half of one; of two makers the first wins and both get its secret.
 */
export async function readOrMakeSecret(directory: string, name: SecretName): Promise<string> {
  const present = await readSecret(directory, name);
  if (present !== undefined) return present;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, name);
  const temporary = `${path}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(`${randomBytes(48).toString('base64url')}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(temporary, path);
    await chmod(path, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(temporary);
  }
  await syncPath(directory);
  const made = await readSecret(directory, name);
  if (made === undefined) throw new BadSecretFileError(`${path} vanished while it was made.`);
  return made;
}
