import { expect, test } from 'vitest';
import { randomOf } from '../chaos/scale.ts';
import { fuzzTwoTenants } from './two-tenants.ts';

/** The whole run is in test/chaos/fuzz.chaos.ts. */
const ROUNDS = 1_000;

test('GW-1: no frame and no route brings a tenant what is another’s', { timeout: 120_000 }, async () => {
  const { leaks, tried, bytes } = await fuzzTwoTenants(ROUNDS, randomOf('two-tenants'));
  expect(leaks).toEqual([]);
  // What the test stands on: everything was tried, and both received a file and more.
  expect(tried.size).toBeGreaterThan(40);
  expect([...tried].filter(([, times]) => times === 0)).toEqual([]);
  for (const received of bytes) expect(received).toBeGreaterThan(300_000);
});
