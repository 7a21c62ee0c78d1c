import { defineConfig } from 'vitest/config';

/** What `npm run test:kubernetes` runs: on a real control plane, one scenario at a time. */
export default defineConfig({
  test: {
    root: `${import.meta.dirname}/..`,
    pool: 'forks',
    include: ['test/scenarios/**/*.test.ts', 'test/kubernetes/**/*.test.ts'],
    env: { ZONELET_TEST_CLUSTER: 'real' },
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 180_000,
  },
});
