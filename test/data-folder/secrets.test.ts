import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BadSecretFileError, readOrMakeSecret, readSecret } from '../../src/data-folder/secrets.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verbatim-secrets-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('a secret of the data folder', () => {
  it('is made once, for its owner alone, and found again', async () => {
    expect(await readSecret(directory, 'jwt-secret')).toBeUndefined();
    const made = await readOrMakeSecret(directory, 'jwt-secret');
    expect(made.length).toBeGreaterThanOrEqual(43);
    expect((await stat(join(directory, 'jwt-secret'))).mode & 0o777).toBe(0o600);
    expect(await readOrMakeSecret(directory, 'jwt-secret')).toBe(made);
    expect(await readOrMakeSecret(directory, 'root-secret')).not.toBe(made);
  });

  it('is one and the same for makers at the same time, and nothing half made stays', async () => {
    const secrets = await Promise.all(Array.from({ length: 20 }, () => readOrMakeSecret(directory, 'root-secret')));
    expect(new Set(secrets).size).toBe(1);
    expect(await readdir(directory)).toEqual(['root-secret']);
  });

  it('is refused, never replaced, where the file was emptied', async () => {
    await writeFile(join(directory, 'root-secret'), '\n');
    await expect(readOrMakeSecret(directory, 'root-secret')).rejects.toBeInstanceOf(BadSecretFileError);
  });
});
