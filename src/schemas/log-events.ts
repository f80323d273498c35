/** The stored shape of what a log says about itself. */
import { z } from 'zod';

export const logIdentified = z.object({
  /** UUIDv7; a restored or migrated log gets a new one. */
  log: z.uuid(),
  /** The name of the codec that seals personal fields in this log. */
  codec: z.string().min(1),
});

export type LogIdentified = z.infer<typeof logIdentified>;
