import { defineConfig } from 'vitest/config';

/** The suite of `npm test`. What needs minutes and kills servers runs by vitest.chaos.config.ts instead. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Native modules (lmdb, uWebSockets) want a process of their own; two of them keep timings steady on small machines.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    reporters: ['default', './test/support/run-reporter.ts'],
  },
});
