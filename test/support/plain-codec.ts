/** The pass-through codec, for tests and measurements that are not about sealing. */
import type { Codec } from '../../src/keyring/codec.ts';

export const plainCodec: Codec = {
  name: 'plain',
  seal: batch => Promise.resolve(batch.map(({ data }) => data)),
  open: batch => Promise.resolve(batch.map(({ data }) => data)),
};
