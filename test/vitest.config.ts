import { defineConfig } from 'vitest/config';

/** Everything `npm test` runs. The suites that need a real control plane are chosen by `test:kubernetes`. */
export default defineConfig({
  test: {
    root: `${import.meta.dirname}/..`,
    include: ['test/**/*.test.ts', 'providers/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/kubernetes/real/**'],
    pool: 'forks',
    testTimeout: 20_000,
  },
});
