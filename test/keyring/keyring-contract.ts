/** What every keyring promises: called with a factory by the test of each adapter. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Keyring } from '../../src/keyring/keyring.ts';

export interface OpenedKeyring {
  readonly keyring: Keyring;
  /** Closes it and opens it again, where it outlives that. */
  reopen(): Promise<Keyring>;
  close(): Promise<void>;
}

const id = (subject: string, tenant = 'acme') => ({ tenant, subject });

export function specifyKeyring(adapter: string, open: () => Promise<OpenedKeyring>): void {
  describe(`The keyring in ${adapter}`, () => {
    let opened: OpenedKeyring;
    let keyring: Keyring;
    beforeEach(async () => {
      opened = await open();
      keyring = opened.keyring;
    });
    afterEach(() => opened.close());

    it('has no key until one is asked for, then always the same', async () => {
      expect(await keyring.find([id('ann')])).toEqual([undefined]);
      const [key] = await keyring.obtain([id('ann')]);
      expect(key).toHaveLength(32);
      expect(await keyring.obtain([id('ann')])).toEqual([key]);
      keyring = await opened.reopen();
      expect(await keyring.find([id('ann'), id('bob')])).toEqual([key, undefined]);
    });

    it('has a key of its own for every person of every tenant', async () => {
      const subjects = [id('ann'), id('bob'), id('ann', 'other'), id('acme-2', 'acme'), id('x', 'acme-2')];
      const keys = await keyring.obtain(subjects);
      expect(new Set(keys.map(key => Buffer.from(key).toString('hex'))).size).toBe(subjects.length);
      expect(await keyring.find([...subjects].reverse())).toEqual([...keys].reverse());
      expect(await keyring.tenants()).toEqual(['acme', 'acme-2', 'other']);
    });

    it('makes one key for all who ask at the same time', async () => {
      const asked = await Promise.all(
        Array.from({ length: 300 }, (_, i) => keyring.obtain([id(`s${i % 3}`), id(`only-${i}`)])),
      );
      for (let i = 3; i < 300; i += 1) expect(asked[i]?.[0]).toEqual(asked[i % 3]?.[0]);
      keyring = await opened.reopen();
      expect((await keyring.find([id('s0'), id('only-299')])).flat()).toEqual([asked[0]?.[0], asked[299]?.[1]]);
    });

    it('erases for good: no key comes back, others stay', async () => {
      const [, bobs] = await keyring.obtain([id('ann'), id('bob'), id('ann', 'other')]);
      await Promise.all([keyring.destroy([id('ann')]), keyring.destroy([id('nobody')])]);
      for (const reopened of [false, true]) {
        if (reopened) keyring = await opened.reopen();
        expect(await keyring.find([id('ann'), id('nobody'), id('bob')])).toEqual(['erased', 'erased', bobs]);
        expect(await keyring.obtain([id('ann'), id('nobody'), id('bob')])).toEqual(['erased', 'erased', bobs]);
        expect((await keyring.find([id('ann', 'other')]))[0]).toHaveLength(32);
      }
      await keyring.destroy([id('ann')]);
      expect(await keyring.find([id('ann')])).toEqual(['erased']);
    });

    it('answers alike whether it is made or destroyed at the same time', async () => {
      await Promise.all([keyring.obtain([id('a'), id('b')]), keyring.destroy([id('a')]), keyring.obtain([id('c')])]);
      expect((await keyring.find([id('a')]))[0]).toBe('erased');
      expect((await keyring.find([id('b'), id('c')])).map(key => key?.length)).toEqual([32, 32]);
    });
  });
}
