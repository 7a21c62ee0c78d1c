import { defineConfig } from 'vitest/config';

/** What `npm run test:kubernetes` runs: on real control planes, one for each file. */
export default defineConfig({
  test: {
    root: `${import.meta.dirname}/..`,
    pool: 'forks',
    include: ['scenarios', 'kubernetes', 'docker', 'interop'].map((room) => `test/${room}/**/*.test.ts`),
    env: { ZONELET_TEST_CLUSTER: 'real' },
    // Each has four programs beside the set's own; most of them wait most of the time.
    maxWorkers: 2,
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 300_000,
    hookTimeout: 180_000,
  },
});
