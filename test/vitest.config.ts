import { defineConfig } from 'vitest/config';

/** What `npm test` runs, all of it on the embedded API server. */
export default defineConfig({
  test: {
    root: `${import.meta.dirname}/..`,
    pool: 'forks',
    globalSetup: `${import.meta.dirname}/programs.ts`,
    // Most of them wait most of the time.
    maxWorkers: 4,
    // What is waited for comes; on a busy machine not within the one second that is the default.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'zonelet',
          include: ['test/unit/**/*.test.ts', 'providers/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          // Runs in processes of its own, one for each core.
          name: 'simulation',
          include: ['test/simulation/**/*.test.ts'],
          testTimeout: 600_000,
        },
      },
      {
        extends: true,
        test: {
          // The embedded API server always, a real one where its programs are.
          name: 'contract',
          include: ['test/kubernetes/contract/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'scenarios',
          include: ['test/scenarios/**/*.test.ts'],
          // Half a minute and more each, most of it waiting: on a real control plane only (`npm run test:kubernetes`).
          exclude: [
            'api-server-slow',
            'clock-set',
            'list-lies',
            'pod-contents',
            'redis-election',
            'remove-zone',
            'stop-interrupted',
            'zone-down',
          ].map((name) => `test/scenarios/${name}.test.ts`),
          env: { ZONELET_TEST_CLUSTER: 'embedded' },
          // Processes start and leases run out; how quick that is, is for the benchmarks to say.
          testTimeout: 300_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
