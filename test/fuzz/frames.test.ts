import { describe, expect, test } from 'vitest';
import { randomOf } from '../chaos/scale.ts';
import { SOCKET_ADAPTERS } from '../support/socket-adapters.ts';
import { fuzzFrames } from './frames.ts';

/** The whole run is in test/chaos/fuzz.chaos.ts. */
const FRAMES = 6_000;

describe.for(SOCKET_ADAPTERS)('on $name', ({ name }) => {
  test(
    'no frame crashes the gateway, makes it grow, or is noticed by other sessions',
    { timeout: 120_000 },
    async () => {
      const { frames, answers, messages, closeCodes } = await fuzzFrames(FRAMES, randomOf, name);
      // What the test stands on: frames were served and answered, the witnesses talked meanwhile, attackers went too far.
      expect(frames).toBe(FRAMES);
      expect(answers).toBeGreaterThan(FRAMES * 0.7);
      expect(messages).toBeGreaterThan(10);
      expect(closeCodes[4500]).toBeGreaterThan(0);
    },
  );
});
