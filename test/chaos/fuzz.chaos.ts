/** The fuzzers of test/fuzz at full scale. */
import { describe, expect, it } from 'vitest';
import { fuzzFrames } from '../fuzz/frames.ts';
import { fuzzTwoTenants } from '../fuzz/two-tenants.ts';
import { SOCKET_ADAPTERS } from '../support/socket-adapters.ts';
import { randomOf, scaled, SCALE, SEED } from './scale.ts';

const FRAMES = scaled(100_000, 10_000);
const ROUNDS = scaled(10_000, 2_000);

describe.for(SOCKET_ADAPTERS)('the gateway on $name', ({ name }) => {
  const frames = name === 'ws' ? FRAMES / 4 : FRAMES;
  it(`${frames} fuzzed frames: no crash, no leak, and two who talk meanwhile notice nothing`, async () => {
    console.log(`SEED=${SEED} SCALE=${SCALE}`);
    const report = await fuzzFrames(frames, randomOf, name);
    console.log(`  ${JSON.stringify({ ...report, grownMiB: Math.round(report.grownBytes / 1_048_576) })}`);
    expect(report.frames).toBeGreaterThanOrEqual(frames);
    expect(report.answers).toBeGreaterThan(frames * 0.7);
  });
});

describe('two tenants', () => {
  it(`GW-1: ${ROUNDS} rounds of every frame and route bring neither what is the other’s`, async () => {
    const { leaks, tried, bytes } = await fuzzTwoTenants(ROUNDS, randomOf('two-tenants'));
    console.log(`  ${tried.size} frames and routes, ${bytes.join(' and ')} characters received`);
    expect(leaks).toEqual([]);
    expect([...tried].filter(([, times]) => times === 0)).toEqual([]);
  });
});
