import { mkdtemp, readFile, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { KeyCache } from '../../src/keyring/key-cache.ts';
import { openEmbeddedKeyring, openEmbeddedKeysToRead } from '../../src/keyring/keyring.embedded.ts';
import { KeyringDamagedError, KeyringFiles, KeyringMissingError } from '../../src/keyring/keyring-files.ts';
import type { Keyring, SubjectKey } from '../../src/keyring/keyring.ts';
import { MemoryKeyring } from '../support/memory-keyring.ts';
import { specifyKeyring } from './keyring-contract.ts';

specifyKeyring('memory', () => {
  const keyring = new MemoryKeyring();
  return Promise.resolve({ keyring, reopen: () => Promise.resolve(keyring), close: () => keyring.close() });
});

specifyKeyring('memory behind a cache of two keys', () => {
  const keyring = new KeyCache(new MemoryKeyring(), { keysMax: 2 });
  return Promise.resolve({ keyring, reopen: () => Promise.resolve(keyring), close: () => keyring.close() });
});

specifyKeyring('lmdb', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'verbatim-keyring-'));
  let keyring = await openEmbeddedKeyring({ directory, mayBegin: true });
  return {
    keyring,
    reopen: async () => {
      await keyring.close();
      keyring = await openEmbeddedKeyring({ directory, mayBegin: false });
      return keyring;
    },
    close: async () => {
      await keyring.close();
      await rm(directory, { recursive: true });
    },
  };
});

async function filesWith(directory: string, key: Uint8Array): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir(directory))
    if ((await readFile(join(directory, name))).includes(Buffer.from(key))) found.push(name);
  return found;
}

describe('The embedded keyring', () => {
  it('has a destroyed key in no file, and every other one still', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'verbatim-keyring-'));
    const keyring = await openEmbeddedKeyring({ directory, mayBegin: true });
    const subjects = Array.from({ length: 700 }, (_, i) => ({ tenant: 'acme', subject: `subject-${i}` }));
    const keys = (await keyring.obtain(subjects)) as Uint8Array[];
    const before = await Promise.all(keys.map(key => filesWith(directory, key)));
    expect(before.every(files => files.length > 0)).toBe(true);
    const doomed = (i: number) => i % 7 === 3;
    await Promise.all(subjects.filter((_, i) => doomed(i)).map(subject => keyring.destroy([subject])));
    for (const [i, key] of keys.entries()) expect((await filesWith(directory, key)).length > 0).toBe(!doomed(i));
    await keyring.destroy([{ tenant: 'acme', subject: 'subject-0' }]);
    expect(await filesWith(directory, keys[0] ?? Buffer.alloc(0))).toEqual([]);
    expect((await readdir(directory)).filter(name => name.endsWith('.mdb'))).toHaveLength(1);
    await keyring.close();
    await rm(directory, { recursive: true });
  });

  it('has no destroyed key left once a destruction is asked for again whose last step failed', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'verbatim-keyring-'));
    const keyring = await openEmbeddedKeyring({ directory, mayBegin: true });
    const ann = { tenant: 'acme', subject: 'ann' };
    const [key] = (await keyring.obtain([ann])) as [Uint8Array];
    const wipe = vi.spyOn(KeyringFiles.prototype, 'wipe').mockRejectedValueOnce(new Error('EIO'));
    await expect(keyring.destroy([ann])).rejects.toThrow('EIO');
    wipe.mockRestore();
    expect(await filesWith(directory, key)).toHaveLength(1);
    await keyring.destroy([ann]);
    expect(await filesWith(directory, key)).toEqual([]);
    await keyring.close();
    await rm(directory, { recursive: true });
  });

  it('keeps every key it gave out after a rewrite that failed when its file already had its name', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'verbatim-keyring-'));
    const keyring = await openEmbeddedKeyring({ directory, mayBegin: true });
    const [ann, bob] = ['ann', 'bob'].map(subject => ({ tenant: 'acme', subject })) as [Sub, Sub];
    await keyring.obtain([ann]);
    const { publish } = KeyringFiles.prototype;
    const failing = vi.spyOn(KeyringFiles.prototype, 'publish').mockImplementationOnce(async function (
      this: KeyringFiles,
      generation,
    ) {
      await publish.call(this, generation);
      throw new Error('EIO');
    });
    await expect(keyring.destroy([ann])).rejects.toThrow('EIO');
    failing.mockRestore();
    const [given] = await keyring.obtain([bob]);
    await keyring.close();
    const reopened = await openEmbeddedKeyring({ directory, mayBegin: false });
    expect(await reopened.find([ann, bob])).toEqual(['erased', given]);
    await reopened.close();
    await rm(directory, { recursive: true });
  });

  it('that was cut off is refused by name, and not mapped', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'verbatim-keyring-'));
    const keyring = await openEmbeddedKeyring({ directory, mayBegin: true });
    await keyring.obtain(Array.from({ length: 500 }, (_, i) => ({ tenant: 'acme', subject: `s${i}` })));
    await keyring.close();
    const [file = ''] = (await readdir(directory)).filter(name => name.endsWith('.mdb'));
    for (const bytes of [20_000, 5_000, 0]) {
      await truncate(join(directory, file), bytes);
      await expect(openEmbeddedKeyring({ directory, mayBegin: false })).rejects.toThrow(KeyringDamagedError);
    }
    await rm(directory, { recursive: true });
  });

  it('that is only read is left as it is, with what a crash has left to be wiped', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'verbatim-keyring-'));
    const keyring = await openEmbeddedKeyring({ directory, mayBegin: true });
    const [ann, bob] = ['ann', 'bob'].map(subject => ({ tenant: 'acme', subject })) as [Sub, Sub];
    const [, key] = await keyring.obtain([ann, bob]);
    const publish = vi.spyOn(KeyringFiles.prototype, 'publish').mockRejectedValueOnce(new Error('EIO'));
    await expect(keyring.destroy([ann])).rejects.toThrow('EIO');
    publish.mockRestore();
    await keyring.close();
    const look = async () => {
      const names = (await readdir(directory)).filter(name => !name.endsWith('-lock')).sort();
      return Promise.all(names.map(async name => [name, (await readFile(join(directory, name))).toString('base64')]));
    };
    const before = await look();
    expect(before.map(([name]) => name)).toEqual(['keys.1.mdb', 'keys.2.draft']);
    const keys = await openEmbeddedKeysToRead(directory);
    expect(await keys.find([ann, bob])).toEqual(['erased', key]);
    await keys.close();
    expect(await look()).toEqual(before);
    await rm(directory, { recursive: true });
    await expect(openEmbeddedKeysToRead(directory)).rejects.toThrow(KeyringMissingError);
    await expect(readdir(directory)).rejects.toThrow('ENOENT');
  });

  it('is not made anew where the log has begun', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'verbatim-keyring-'));
    await expect(openEmbeddedKeyring({ directory, mayBegin: false })).rejects.toThrow(KeyringMissingError);
    await rm(directory, { recursive: true });
  });
});

describe('The cache of keys', () => {
  it('asks once for what it holds, holds no more than it may, and forgets what was destroyed', async () => {
    const asked: string[] = [];
    class Spied extends MemoryKeyring {
      override find(...[subjects]: Parameters<MemoryKeyring['find']>): Promise<(SubjectKey | undefined)[]> {
        asked.push(...subjects.map(({ subject }) => subject));
        return super.find(subjects);
      }
    }
    const cache = new KeyCache(new Spied(), { keysMax: 2 });
    const [a, b, c] = ['a', 'b', 'c'].map(subject => ({ tenant: 'acme', subject })) as [Sub, Sub, Sub];
    await cache.obtain([a, b]);
    await cache.find([a, b]);
    expect(asked).toEqual([]);
    await cache.obtain([c]);
    expect(cache.stats()).toEqual({ keys: 2 });
    await cache.find([b, c]);
    expect(asked).toEqual([]);
    await cache.find([a]);
    expect(asked).toEqual(['a']);
    await cache.destroy([c]);
    expect(await cache.find([c])).toEqual(['erased']);
  });

  it('does not keep a key that was asked for before it was destroyed', async () => {
    const inner: Keyring = new MemoryKeyring();
    const gate: { open: () => void } = { open: () => undefined };
    const opened = new Promise<void>(resolve => (gate.open = resolve));
    const slow: Keyring = {
      find: async subjects => {
        const keys = await inner.find(subjects);
        await opened;
        return keys;
      },
      obtain: subjects => inner.obtain(subjects),
      destroy: subjects => inner.destroy(subjects),
      tenants: () => inner.tenants(),
      close: () => inner.close(),
    };
    const ann = { tenant: 'acme', subject: 'ann' };
    await inner.obtain([ann]);
    const cache = new KeyCache(slow, { keysMax: 10 });
    const asking = cache.find([ann]);
    await cache.destroy([ann]);
    gate.open();
    await asking;
    expect(await cache.find([ann])).toEqual(['erased']);
  });
});

interface Sub {
  readonly tenant: string;
  readonly subject: string;
}
