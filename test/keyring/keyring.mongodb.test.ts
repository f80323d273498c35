import { describe, expect, it, onTestFinished } from 'vitest';
import { openMongoDbKeyring } from '../../src/keyring/keyring.mongodb.ts';
import type { MongoDbKeyring } from '../../src/keyring/keyring.mongodb.ts';
import { findMongoDb, sharedMongoDb, withClient } from '../support/mongodb-server.ts';
import { specifyKeyring } from './keyring-contract.ts';

const TIMEOUT_MS = 30_000;

/** `ids`: those that its log has, or had. */
async function open(url: string, mayBegin = true, ids: readonly string[] = ['log']): Promise<MongoDbKeyring> {
  const isOurs = (log: string): Promise<boolean> => Promise.resolve(ids.includes(log));
  const keyring = await openMongoDbKeyring({ url, mayBegin, isOurs, timeoutMs: TIMEOUT_MS });
  onTestFinished(() => keyring.close());
  return keyring;
}

describe.skipIf(!findMongoDb().found)('on a MongoDB', () => {
  specifyKeyring('MongoDB', async () => {
    const url = (await sharedMongoDb()).freshUrl();
    let keyring = await open(url);
    return {
      keyring,
      reopen: async () => {
        await keyring.close();
        keyring = await open(url);
        return keyring;
      },
      close: () => keyring.close(),
    };
  });

  describe('The keyring in MongoDB', () => {
    it('is not made for a log that has begun with another, and is found again where it holds no key yet', async () => {
      const url = (await sharedMongoDb()).freshUrl();
      await expect(open(url, false)).rejects.toThrow('holds no keyring');
      await open(url);
      expect(await (await open(url, false)).tenants()).toEqual([]);
    });

    it('is of the log that it was bound to first, under all the ids that this log has had, and of no other', async () => {
      const url = (await sharedMongoDb()).freshUrl();
      const [first, second] = [await open(url, true, ['a']), await open(url, true, ['b'])];
      await first.bind('a');
      await expect(second.bind('b')).rejects.toThrow('holds the keyring of another log, a:');
      await expect(open(url, true, ['b'])).rejects.toThrow('holds the keyring of another log, a:');
      await (await open(url, false, ['a', 'restored'])).bind('restored');
      await open(url, false, ['a']);
    });

    it('gives several processes the same keys, and none a key again that another has erased', async () => {
      const url = (await sharedMongoDb()).freshUrl();
      const keyrings = await Promise.all([open(url), open(url), open(url)]);
      const subjects = Array.from({ length: 20 }, (_, i) => ({ tenant: 'acme', subject: `s${i}` }));
      const [first, ...others] = await Promise.all(keyrings.map(keyring => keyring.obtain(subjects)));
      for (const keys of others) expect(keys).toEqual(first);
      const obtained = await Promise.all(
        keyrings.map(async (keyring, i) => {
          if (i === 0) await keyring.destroy(subjects);
          return keyring.obtain(subjects);
        }),
      );
      expect(obtained[0]).toEqual(subjects.map(() => 'erased'));
      for (const keyring of keyrings) expect(await keyring.find(subjects)).toEqual(subjects.map(() => 'erased'));
    });

    it('keeps no byte of a destroyed key in any document', async () => {
      const url = (await sharedMongoDb()).freshUrl();
      const keyring = await open(url);
      await keyring.obtain([{ tenant: 'acme', subject: 'ann' }]);
      await keyring.destroy([{ tenant: 'acme', subject: 'ann' }]);
      const rows = await withClient(url, client => client.db().collection('keys').find().toArray());
      expect(rows).toEqual([{ _id: 'acme\nann', tenant: 'acme', key: null }]);
    });

    it('looks for more subjects at once than one command does', async () => {
      const keyring = await open((await sharedMongoDb()).freshUrl());
      const subjects = Array.from({ length: 1_100 }, (_, i) => ({ tenant: 'acme', subject: `s${i}` }));
      const made = subjects.filter((_, i) => i % 500 === 7);
      const keys = await keyring.obtain(made);
      const found = await keyring.find(subjects);
      expect(found.filter(key => key !== undefined)).toEqual(keys);
      expect(found.map((key, i) => (key === undefined ? -1 : i)).filter(i => i >= 0)).toEqual([7, 507, 1007]);
    });
  });
});
