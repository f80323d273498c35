/** The pass-through codec: personal fields are stored as they are. */
import type { Codec } from './codec.ts';

export const plainCodec: Codec = {
  name: 'plain',
  seal: batch => Promise.resolve(batch.map(({ data }) => data)),
  open: batch => Promise.resolve(batch.map(({ data }) => data)),
};
