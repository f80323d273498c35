import { defineConfig } from 'vitest/config';

/** Kill and cut: real processes, one file at a time. SEED repeats a run, SCALE (0.05 to 1) sizes it. */
export default defineConfig({
  test: {
    include: ['test/chaos/**/*.chaos.ts'],
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 30 * 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 10_000,
    disableConsoleIntercept: true,
    reporters: ['default', './test/support/run-reporter.ts'],
  },
});
