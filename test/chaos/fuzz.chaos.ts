/** The fuzzers of test/fuzz at full scale. */
import { describe, expect, it } from 'vitest';
import { fuzzFrames } from '../fuzz/frames.ts';
import { fuzzTwoTenants } from '../fuzz/two-tenants.ts';
import { randomOf, scaled, SCALE, SEED } from './scale.ts';

const FRAMES = scaled(100_000, 10_000);
const ROUNDS = scaled(10_000, 2_000);

describe('the gateway', () => {
  it(`${FRAMES} fuzzed frames: no crash, no leak, and two who talk meanwhile notice nothing`, async () => {
    console.log(`SEED=${SEED} SCALE=${SCALE}`);
    const report = await fuzzFrames(FRAMES, randomOf);
    console.log(`  ${JSON.stringify({ ...report, grownMiB: Math.round(report.grownBytes / 1_048_576) })}`);
    expect(report.frames).toBeGreaterThanOrEqual(FRAMES);
    expect(report.answers).toBeGreaterThan(FRAMES * 0.7);
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
